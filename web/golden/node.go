package golden

import (
	"cmp"
	"fmt"
	"slices"

	"podlab/sandbox"
)

// inode makes the number of a namespace as kernels give them.
func inode(n uint64) uint64 { return 4026532000 + n }

// builder adds to a snapshot.
type builder struct{ sandbox.Snapshot }

// hostNS are the node's own namespaces.
var hostNS = sandbox.Namespaces{Net: inode(840), IPC: inode(839), UTS: inode(838), PID: inode(836), Mnt: inode(841), User: inode(837), Cgroup: inode(835)}

func node() *builder {
	b := &builder{sandbox.Snapshot{
		Agent: "a1", Seq: 41, Time: at,
		Node: sandbox.NodeView{
			Hostname: "node", Kernel: "6.1.0-28-amd64", NS: hostNS, InitPID: 1, AgentPID: 18,
			Usage: sandbox.Cgroup{Memory: 21 << 20, MemoryLimit: 256 << 20, PIDs: 23, PIDsLimit: 300, CPU: 2_410_000, CPULimit: 500},
			Disk:  sandbox.Disk{Total: 512 << 20, Used: 14 << 20, Inodes: 32768, InodesUsed: 412},
		},
		Terminals: []sandbox.TerminalStatus{{ID: "node", Target: "node", PID: 31, Attached: 1}},
	}}
	b.own(1, 0, "podlab-node", "init")
	b.own(18, 1, "podlab-node", "agent")
	b.own(31, 1, "bash", "shell")
	return b
}

// own adds a process of the node itself.
func (b *builder) own(pid, ppid int, name, role string) {
	b.Processes = append(b.Processes, sandbox.Process{
		PID: pid, PPID: ppid, Inside: pid, Start: int64(at - 3_000_000_000 + pid*1000), Name: name, Args: []string{name}, State: "S", Role: role, NS: hostNS, RSS: 5 << 20,
	})
}

// process adds one of a container.
func (b *builder) process(c *sandbox.Container, pid, ppid, inside int, name, state string, threads ...string) {
	p := sandbox.Process{
		PID: pid, PPID: ppid, Inside: inside, Start: int64(at - 2_000_000_000 + pid*1000), Name: name, Args: []string{name}, State: state,
		Container: c.ID, NS: c.NS, RSS: 1800 << 10,
	}
	if state == "Z" {
		p.Args, p.RSS = nil, 0
	}
	for i, t := range threads {
		p.Threads = append(p.Threads, sandbox.Thread{TID: pid + i + 1, Inside: inside + i + 1, Name: t, State: "S"})
	}
	b.Processes = append(b.Processes, p)
	slices.SortFunc(b.Processes, func(x, y sandbox.Process) int { return cmp.Compare(x.PID, y.PID) })
}

func (b *builder) add(c sandbox.Container) *sandbox.Container {
	c.State, c.Started = "running", at-1_500_000_000
	if c.Kind != sandbox.KindInfra {
		c.Usage = sandbox.Cgroup{Memory: 5_400_000, MemoryLimit: 64 << 20, PIDs: 2, PIDsLimit: 64, CPU: 310_000, CPULimit: 200}
		c.Layers = layers(c.Image)
	} else {
		c.Usage = sandbox.Cgroup{Memory: 45_056, PIDs: 1, CPU: 900}
	}
	b.Containers = append(b.Containers, c)
	return &b.Containers[len(b.Containers)-1]
}

func layers(image string) []sandbox.Layer {
	base := sandbox.Layer{Digest: "sha256:9f2c41d07ab35e", Path: "/var/lib/podlab/images/layers/9f2c41", Bytes: 4_800_000, CreatedBy: "debian packages: busybox-static"}
	top := sandbox.Layer{Digest: "sha256:e41b77" + image, Path: "/var/lib/podlab/images/layers/e41b77", Bytes: 2_300_000}
	if image == "redis" {
		top.Digest, top.Bytes = "sha256:77aa01c3d9", 6_100_000
	}
	return []sandbox.Layer{base, top, {Path: "/var/lib/podlab/disk/upper", Bytes: 12_288, Writable: true}}
}

func (b *builder) container(id string) *sandbox.Container {
	for i := range b.Containers {
		if b.Containers[i].ID == id {
			return &b.Containers[i]
		}
	}
	panic("golden: no container " + id)
}

// ownNS are the namespaces of a container that shares none but user.
func ownNS(first uint64) sandbox.Namespaces {
	return sandbox.Namespaces{Net: inode(first + 4), IPC: inode(first + 2), UTS: inode(first + 1), PID: inode(first + 3), Mnt: inode(first), User: hostNS.User, Cgroup: inode(first + 5)}
}

// plain adds a container that only sleeps, on its own.
func (b *builder) plain(name string, first uint64, pid int) {
	c := b.add(sandbox.Container{ID: name, Name: name, Kind: sandbox.KindPlain, Image: "busybox", PID: pid, NS: ownNS(first)})
	b.process(c, pid, 18, 1, "sleep", "S")
}

// plainPair adds web and cache, each on its own.
func (b *builder) plainPair() {
	web := b.add(sandbox.Container{ID: "web", Name: "web", Kind: sandbox.KindPlain, Image: "nginx", PID: 2231, NS: ownNS(277)})
	b.process(web, 2231, 18, 1, "nginx", "S")
	b.process(web, 2260, 2231, 7, "nginx", "S")
	b.title(2231, "nginx: master")
	b.title(2260, "nginx: worker")
	cache := b.add(sandbox.Container{ID: "cache", Name: "cache", Kind: sandbox.KindPlain, Image: "redis", PID: 2310, NS: ownNS(342)})
	b.process(cache, 2310, 18, 1, "redis-server", "S", "bio_close", "bio_aof", "bio_lazy", "jemalloc")
	b.net("web", web.NS.Net, 0, "10.88.0.2", 4)
	b.net("cache", cache.NS.Net, 1, "10.88.0.3", 6)
}

func (b *builder) title(pid int, title string) {
	for i := range b.Processes {
		if b.Processes[i].PID == pid {
			b.Processes[i].Args = []string{title}
		}
	}
}

// pod adds a pod of pause, web and cache.
func (b *builder) pod(name string, first uint64, pid int) {
	shared := sandbox.Namespaces{Net: inode(first + 3), IPC: inode(first + 1), UTS: inode(first), PID: inode(first + 2), Mnt: inode(first - 1), User: hostNS.User, Cgroup: inode(first + 9)}
	of := func(mnt uint64) sandbox.Namespaces {
		ns := shared
		ns.Mnt, ns.PID, ns.Cgroup = inode(mnt), inode(mnt+1), inode(mnt+2)
		return ns
	}
	b.Pods = append(b.Pods, sandbox.Pod{
		APIVersion: "v1", Kind: "Pod", Metadata: sandbox.ObjectMeta{Name: name, UID: "3a1f0c52-0000-4000-8000-00000000d3e0"},
		Spec: sandbox.PodSpec{Containers: []sandbox.ContainerSpec{
			{Name: "web", Image: "nginx", Ports: []sandbox.ContainerPort{{ContainerPort: 80}}}, {Name: "cache", Image: "redis"},
		}, RestartPolicy: "Always"},
		Status: sandbox.PodStatus{Phase: "Running", PodIP: "10.88.0.4"},
	})
	pause := b.add(sandbox.Container{ID: name + "/_infra", Name: "pause", Pod: name, Kind: sandbox.KindInfra, Image: "pause", PID: pid, NS: shared})
	b.process(pause, pid, 18, 1, "pause", "S")
	web := b.add(sandbox.Container{ID: name + "/web", Name: "web", Pod: name, Kind: sandbox.KindApp, Image: "nginx", PID: pid + 29, NS: of(470)})
	b.process(web, pid+29, 18, 1, "nginx", "S")
	b.title(pid+29, "nginx: master")
	cache := b.add(sandbox.Container{ID: name + "/cache", Name: "cache", Pod: name, Kind: sandbox.KindApp, Image: "redis", PID: pid + 64, NS: of(475)})
	b.process(cache, pid+64, 18, 1, "redis-server", "S", "bio_close", "bio_aof", "bio_lazy", "jemalloc")
	b.net(name, shared.Net, 2, "10.88.0.4", 8)
	n := &b.Networks[len(b.Networks)-1]
	n.Sockets = []sandbox.Socket{
		{Proto: "tcp", Local: "0.0.0.0:80", Remote: "0.0.0.0:0", State: "LISTEN", Inode: 50001, PIDs: []int{pid + 29}, Container: web.ID},
		{Proto: "tcp", Local: "0.0.0.0:6379", Remote: "0.0.0.0:0", State: "LISTEN", Inode: 50002, PIDs: []int{pid + 64}, Container: cache.ID},
		{Proto: "tcp", Local: "127.0.0.1:41714", Remote: "127.0.0.1:6379", State: "ESTABLISHED", Inode: 50003, PIDs: []int{pid + 29}, Container: web.ID,
			RXBytes: 7, TXBytes: 14, RXPackets: 3, TXPackets: 4},
		{Proto: "tcp", Local: "127.0.0.1:6379", Remote: "127.0.0.1:41714", State: "ESTABLISHED", Inode: 50004, PIDs: []int{pid + 64}, Container: cache.ID,
			RXBytes: 14, TXBytes: 7, RXPackets: 4, TXPackets: 3},
	}
}

func (b *builder) net(owner string, ns uint64, k int, ip string, port int) {
	net := sandbox.Network{Inode: ns, Owner: owner,
		Interfaces: []sandbox.Interface{
			{Name: "lo", Kind: "loopback", Index: 1, MAC: "00:00:00:00:00:00", Addrs: []string{"127.0.0.1/8"}, Up: true, MTU: 65536},
			{Name: "eth0", Kind: "veth", Index: 2, Peer: port, MAC: fmt.Sprintf("02:42:0a:58:00:%02x", k+2), Addrs: []string{ip + "/16"}, Up: true, MTU: 1500,
				RXBytes: 12_840, TXBytes: 9_410, RXPackets: 96, TXPackets: 81},
		},
		Routes: []sandbox.Route{{Dst: "default", Gateway: "10.88.0.1", Dev: "eth0"}, {Dst: "10.88.0.0/16", Dev: "eth0"}},
	}
	switch owner {
	case "web":
		net.Sockets = []sandbox.Socket{{Proto: "tcp", Local: "0.0.0.0:80", Remote: "0.0.0.0:0", State: "LISTEN", Inode: 40001, PIDs: []int{2231}, Container: "web"}}
	case "cache":
		net.Sockets = []sandbox.Socket{{Proto: "tcp", Local: "0.0.0.0:6379", Remote: "0.0.0.0:0", State: "LISTEN", Inode: 40002, PIDs: []int{2310}, Container: "cache"}}
	}
	b.Networks = append(b.Networks, net)
}

// zombie adds the mock-up's: a child of the pod's nginx that nobody has waited for.
func (b *builder) zombie() {
	web := b.container("demo/web")
	b.process(web, 2519, web.PID, 9, "sh", "Z")
}

// wire adds the node's own network: the bridge and a port for each card.
func (b *builder) wire() {
	node := sandbox.Network{Inode: hostNS.Net, Interfaces: []sandbox.Interface{
		{Name: "lo", Kind: "loopback", Index: 1, Addrs: []string{"127.0.0.1/8"}, Up: true, MTU: 65536},
		{Name: "pods0", Kind: "bridge", Index: 2, MAC: "02:42:0a:58:00:01", Addrs: []string{"10.88.0.1/16"}, Up: true, MTU: 1500},
	}, Routes: []sandbox.Route{{Dst: "10.88.0.0/16", Dev: "pods0"}}}
	for i, n := range b.Networks {
		for _, card := range n.Interfaces {
			if card.Kind == "veth" {
				node.Interfaces = append(node.Interfaces, sandbox.Interface{Name: fmt.Sprintf("veth%d", i), Kind: "veth", Index: card.Peer, Peer: card.Index, Master: "pods0", Up: true, MTU: 1500})
			}
		}
	}
	b.Networks = append([]sandbox.Network{node}, b.Networks...)
}
