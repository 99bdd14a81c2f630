package golden

import (
	"slices"

	"podlab/labs"
	"podlab/sandbox"
)

const second = 1_000_000 // µs, the unit of Snapshot.Time and Moment.Time

// Change is the projector's moment of the mock-ups and what follows it, a second apart: a shell ends and its child moves to pause; a file
// is written and a connection opened; a limit is felt; memory runs out and the kernel ends a container; it starts again.
func Change() []labs.Frame {
	steps := []func(*story){func(*story) {}, orphan, written, throttled, killed, restarted}
	var out []labs.Frame
	for i := range steps {
		st := &story{Frame: ready(), node: shared(), at: at + int64(i)*second}
		for n := range i + 1 {
			st.newest = n == i
			st.then = at + int64(n)*second
			steps[n](st)
		}
		st.node.Seq += uint64(i)
		st.node.Time = st.at
		st.node.wire()
		st.Now += int64(i) * 1000
		st.Snapshot = &st.node.Snapshot
		if i == 0 {
			st.Moments = moments()
		}
		out = append(out, st.Frame)
	}
	return out
}

// story is one frame in the making: each step changes the node, and tells its moments in the frame that it is new in.
type story struct {
	labs.Frame

	node   *builder
	at     int64 // of the frame, µs since boot
	then   int64 // of the step
	newest bool
}

// shared is a pod with one pid namespace, a shell in web that has started something, and a volume.
func shared() *builder {
	n := node()
	n.pod("demo", 409, 2402)
	pids := n.container("demo/_infra").NS.PID
	inside := map[int]int{2402: 1, 2431: 7, 2466: 8}
	for i := range n.Processes {
		p := &n.Processes[i]
		if p.Container != "" {
			p.NS.PID, p.Inside = pids, inside[p.PID]
		}
	}
	for i := range n.Containers {
		c := &n.Containers[i]
		c.NS.PID = pids
		if c.Kind == sandbox.KindApp {
			path := map[string]string{"web": "/usr/share/nginx/html", "cache": "/data"}[c.Name]
			c.Mounts = []sandbox.Mount{{Volume: "shared-data", Source: "/data", Path: path, Dev: 1793, Inode: 524301}}
		}
	}
	web := n.container("demo/web")
	web.Layers[len(web.Layers)-1].Changes = []sandbox.Change{{Path: "/run/nginx.pid", Kind: sandbox.ChangeAdded, Bytes: 5}, {Path: "/var/cache/nginx", Kind: sandbox.ChangeOpaque, Dir: true}}
	n.process(web, 2512, 31, 13, "bash", "S")
	n.process(web, 2519, 2512, 14, "sh", "S")
	n.process(web, 2520, 2519, 15, "sleep", "S")
	n.Volumes = []sandbox.Volume{{Pod: "demo", Name: "shared-data", Kind: "emptyDir", Path: "/var/lib/podlab/disk/volumes/shared-data", Dev: 1793, Inode: 524301, Bytes: 32,
		Files: []sandbox.File{{Path: "index.html", Size: 32, Inode: 524302, MTime: Now - 400_000}}}}
	return n
}

// tell adds kernel moments of the step, a millisecond apart.
func (st *story) tell(list ...sandbox.Moment) {
	if !st.newest {
		return
	}
	seq := uint64(100 * (st.then - at) / second)
	for i, m := range list {
		if m.Source == "" {
			m.Source = sandbox.SourceKernel
		}
		m.Seq, m.Time = seq+uint64(i)+1, st.then+int64(i)*1000
		m.PIDNS = st.node.container("demo/_infra").NS.PID
		st.Moments = append(st.Moments, m)
	}
}

func orphan(st *story) {
	n := st.node
	n.Processes = slices.DeleteFunc(n.Processes, func(p sandbox.Process) bool { return p.PID == 2519 })
	for i := range n.Processes {
		if n.Processes[i].PID == 2520 {
			n.Processes[i].PPID = 2402
		}
	}
	st.tell(
		sandbox.Moment{Kind: sandbox.MomentExit, PID: 2519, PPID: 2512, PIDInside: 14, Name: "sh", Container: "demo/web"},
		sandbox.Moment{Kind: sandbox.MomentReparent, PID: 2520, PPID: 2402, PIDInside: 15, Name: "sleep", Container: "demo/web"},
	)
}

func written(st *story) {
	n := st.node
	n.Volumes[0].Files = append(n.Volumes[0].Files, sandbox.File{Path: "hello.txt", Size: 2048, Inode: 524303, MTime: Now + 2000})
	n.Volumes[0].Bytes += 2048
	net := &n.Networks[len(n.Networks)-1]
	net.Sockets = append(net.Sockets,
		sandbox.Socket{Proto: "tcp", Local: "127.0.0.1:41720", Remote: "127.0.0.1:80", State: "ESTABLISHED", Inode: 50005, PIDs: []int{2466}, Container: "demo/cache", TXBytes: 78, RXBytes: 853, TXPackets: 5, RXPackets: 4},
		sandbox.Socket{Proto: "tcp", Local: "127.0.0.1:80", Remote: "127.0.0.1:41720", State: "ESTABLISHED", Inode: 50006, PIDs: []int{2431}, Container: "demo/web", RXBytes: 78, TXBytes: 853, RXPackets: 5, TXPackets: 4})
	web := n.container("demo/web")
	own := &web.Layers[len(web.Layers)-1]
	own.Bytes += 9728
	own.Changes = append(own.Changes, sandbox.Change{Path: "/etc/nginx/nginx.conf", Kind: sandbox.ChangeCopied, Bytes: 1216},
		sandbox.Change{Path: "/usr/share/doc/nginx/README", Kind: sandbox.ChangeDeleted})
	n.IPC = append(n.IPC, sandbox.IPCObject{NS: web.NS.IPC, Kind: "shm", ID: 0, Key: 0x162e, Bytes: 4096},
		sandbox.IPCObject{NS: web.NS.IPC, Kind: "sem", ID: 2, Key: 0x162f})
	ends := map[string]string{"proto": "tcp", "local": "127.0.0.1:80", "remote": "127.0.0.1:41720"}
	st.tell(sandbox.Moment{Kind: sandbox.MomentAccept, PID: 2431, PIDInside: 7, Name: "nginx", Container: "demo/web", Params: ends})
}

func throttled(st *story) {
	u := &st.node.container("demo/web").Usage
	u.CPU += (st.at - st.then + second) / 5
	u.Throttled, u.ThrottledTime = 7, 412_000
	u.Memory += 9 << 20
	st.node.Node.Usage.CPU += (st.at - st.then + second) / 5
	st.tell(sandbox.Moment{
		Source: sandbox.SourceAgent, Kind: sandbox.MomentThrottle, Reason: "Began", Pod: "demo", Container: "demo/web", Params: map[string]string{"periods": "7"},
	})
}

func killed(st *story) {
	n := st.node
	c := n.container("demo/cache")
	c.State, c.Reason, c.ExitCode, c.Signal, c.PID, c.NS = sandbox.StateExited, "OOMKilled", 137, 9, 0, sandbox.Namespaces{}
	c.Usage.OOMKills = 1
	c.Usage.Memory, c.Usage.PIDs = 0, 0
	n.Processes = slices.DeleteFunc(n.Processes, func(p sandbox.Process) bool { return p.Container == c.ID })
	net := &n.Networks[len(n.Networks)-1]
	net.Sockets = slices.DeleteFunc(net.Sockets, func(s sandbox.Socket) bool { return s.Container == c.ID || s.State == "ESTABLISHED" })
	st.tell(
		sandbox.Moment{Kind: sandbox.MomentOOM, PID: 2466, Name: "redis-server", Container: c.ID},
		sandbox.Moment{Kind: sandbox.MomentExit, PID: 2466, PPID: 18, PIDInside: 8, Name: "redis-server", Code: 137, Signal: 9, Container: c.ID},
	)
}

func restarted(st *story) {
	n := st.node
	c := n.container("demo/cache")
	c.State, c.Reason, c.PID, c.Restarts, c.Started = sandbox.StateRunning, "", 2588, 1, st.then
	c.NS = n.container("demo/web").NS
	c.NS.Mnt, c.NS.Cgroup = inode(488), inode(489)
	c.Usage.Memory, c.Usage.PIDs = 3<<20, 1
	n.process(c, 2588, 18, 16, "redis-server", "S")
	net := &n.Networks[len(n.Networks)-1]
	net.Sockets = append(net.Sockets, sandbox.Socket{Proto: "tcp", Local: "0.0.0.0:6379", Remote: "0.0.0.0:0", State: "LISTEN", Inode: 50012, PIDs: []int{2588}, Container: c.ID})
	st.tell(sandbox.Moment{Kind: sandbox.MomentExec, PID: 2588, PPID: 18, PIDInside: 16, Name: "redis-server", Path: "/usr/bin/redis-server", Container: c.ID})
}
