package golden

import (
	"podlab/labs"
	"podlab/sandbox"
)

// moments are what the kernel and the agent told of the last seconds before Sides.
func moments() []sandbox.Moment {
	m := func(source string, seq uint64, before int64, kind string) sandbox.Moment {
		return sandbox.Moment{Source: source, Seq: seq, Time: at - before*1000, Kind: kind}
	}
	with := func(m sandbox.Moment, fill func(*sandbox.Moment)) sandbox.Moment { fill(&m); return m }
	web, demo := inode(280), inode(471)
	return []sandbox.Moment{
		with(m(sandbox.SourceAgent, 1, 52_000, sandbox.MomentPod), func(m *sandbox.Moment) { m.Pod, m.Reason = "demo", "Scheduled" }),
		with(m(sandbox.SourceKernel, 1, 51_900, sandbox.MomentExec), func(m *sandbox.Moment) {
			m.PID, m.PPID, m.Name, m.Path, m.Container = 2402, 18, "pause", "/pause", "demo/_infra"
		}),
		with(m(sandbox.SourceAgent, 2, 51_200, sandbox.MomentContainer), func(m *sandbox.Moment) { m.Pod, m.Container, m.Reason = "demo", "demo/web", "Created" }),
		with(m(sandbox.SourceKernel, 2, 51_100, sandbox.MomentExec), func(m *sandbox.Moment) {
			m.PID, m.PPID, m.PIDInside, m.PIDNS, m.Name, m.Path = 2431, 18, 1, demo, "nginx", "/usr/sbin/nginx"
		}),
		with(m(sandbox.SourceAgent, 3, 51_000, sandbox.MomentContainer), func(m *sandbox.Moment) { m.Pod, m.Container, m.Reason = "demo", "demo/web", "Started" }),
		with(m(sandbox.SourceAgent, 4, 50_600, sandbox.MomentContainer), func(m *sandbox.Moment) { m.Pod, m.Container, m.Reason = "demo", "demo/cache", "Started" }),
		with(m(sandbox.SourceKernel, 3, 31_000, sandbox.MomentFork), func(m *sandbox.Moment) { m.PID, m.PPID, m.PIDNS, m.Name = 2290, 2231, web, "sh" }),
		with(m(sandbox.SourceKernel, 4, 30_990, sandbox.MomentExec), func(m *sandbox.Moment) {
			m.PID, m.PPID, m.PIDNS, m.Name, m.Path = 2290, 2231, web, "curl", "/usr/bin/curl"
		}),
		with(m(sandbox.SourceKernel, 5, 29_900, sandbox.MomentExit), func(m *sandbox.Moment) { m.PID, m.PPID, m.PIDNS, m.Name, m.Code = 2290, 2231, web, "curl", 7 }),
		with(m(sandbox.SourceKernel, 6, 12_000, sandbox.MomentFork), func(m *sandbox.Moment) { m.PID, m.PPID, m.PIDInside, m.PIDNS, m.Name = 2519, 2431, 9, demo, "sh" }),
		with(m(sandbox.SourceKernel, 7, 8_000, sandbox.MomentExit), func(m *sandbox.Moment) {
			m.PID, m.PPID, m.PIDInside, m.PIDNS, m.Name, m.Signal = 2519, 2431, 9, demo, "sh", 9
		}),
		with(m(sandbox.SourceKernel, 8, 7_990, sandbox.MomentReparent), func(m *sandbox.Moment) { m.PID, m.PPID, m.Container = 2520, 2402, "demo/_infra" }),
		with(m(sandbox.SourceKernel, 9, 6_000, sandbox.MomentListen), func(m *sandbox.Moment) {
			m.PID, m.PIDInside, m.PIDNS, m.Name, m.Params = 2431, 1, demo, "nginx", map[string]string{"proto": "tcp", "local": "0.0.0.0:80"}
		}),
		with(m(sandbox.SourceKernel, 10, 4_000, sandbox.MomentAccept), func(m *sandbox.Moment) {
			m.PID, m.PIDInside, m.PIDNS, m.Name = 2431, 1, demo, "nginx"
			m.Params = map[string]string{"proto": "tcp", "local": "127.0.0.1:80", "remote": "127.0.0.1:40512"}
		}),
		with(m(sandbox.SourceKernel, 11, 3_900, sandbox.MomentBind), func(m *sandbox.Moment) {
			m.PID, m.PIDInside, m.PIDNS, m.Name, m.Params = 2431, 1, demo, "nginx", map[string]string{"proto": "udp", "local": "0.0.0.0:514"}
		}),
		with(m(sandbox.SourceKernel, 12, 3_800, sandbox.MomentConnect), func(m *sandbox.Moment) {
			m.PID, m.PIDInside, m.PIDNS, m.Name, m.Params = 2431, 1, demo, "nginx", map[string]string{"proto": "unix", "remote": "/shared/log.sock"}
		}),
		with(m(sandbox.SourceKernel, 13, 3_700, sandbox.MomentConnect), func(m *sandbox.Moment) {
			m.PID, m.PIDInside, m.PIDNS, m.Name, m.Reason = 2431, 1, demo, "nginx", "Failed"
			m.Params = map[string]string{"proto": "unix", "remote": "/shared/app.sock", "error": "ECONNREFUSED"}
		}),
		with(m(sandbox.SourceKernel, 14, 2_000, sandbox.MomentSetns), func(m *sandbox.Moment) {
			m.PID, m.Name, m.Params = 2601, "nsenter", map[string]string{"kinds": "ipc net"}
		}),
		with(m(sandbox.SourceKernel, 15, 1_000, sandbox.MomentMount), func(m *sandbox.Moment) {
			m.PID, m.Name, m.Path, m.Params = 2602, "mount", "/mnt", map[string]string{"type": "tmpfs"}
		}),
	}
}

// Volumes is lab 3.3's: a directory of the node that a web server reads and another container has written to, and ended.
func Volumes() labs.Frame {
	f := ready()
	n := node()
	n.pod("two-containers", 409, 2402)
	for i := range n.Containers {
		c := &n.Containers[i]
		switch c.Name {
		case "web":
			c.ID, c.Name = "two-containers/nginx-container", "nginx-container"
			c.Mounts = []sandbox.Mount{{Volume: "shared-data", Source: "/data", Path: "/usr/share/nginx/html", Dev: 1793, Inode: 524301}}
		case "cache":
			c.ID, c.Name, c.Image = "two-containers/debian-container", "debian-container", "debian"
			c.Mounts = []sandbox.Mount{{Volume: "shared-data", Source: "/data", Path: "/pod-data", Dev: 1793, Inode: 524301}}
			c.State, c.Reason, c.PID, c.NS = "exited", "Completed", 0, sandbox.Namespaces{}
			c.Layers = c.Layers[:1:1]
			c.Layers = append(c.Layers, sandbox.Layer{Path: "/var/lib/podlab/disk/upper", Bytes: 38, Writable: true, Changes: []sandbox.Change{
				{Path: "/etc/motd", Kind: sandbox.ChangeDeleted}, {Path: "/etc/issue", Kind: sandbox.ChangeCopied, Bytes: 38}}})
		}
	}
	keep := n.Processes[:0]
	for _, p := range n.Processes {
		switch p.Container {
		case "two-containers/web":
			p.Container = "two-containers/nginx-container"
		case "two-containers/cache":
			continue
		}
		keep = append(keep, p)
	}
	n.Processes = keep
	for i := range n.Networks {
		if n.Networks[i].Owner == "two-containers" {
			n.Networks[i].Sockets = n.Networks[i].Sockets[:1]
			n.Networks[i].Sockets[0].Container = "two-containers/nginx-container"
		}
	}
	n.Pods[0].Spec.Containers[0].Name, n.Pods[0].Spec.Containers[1].Name = "nginx-container", "debian-container"
	n.Volumes = []sandbox.Volume{{Pod: "two-containers", Name: "shared-data", Kind: "hostPath", Path: "/data", Dev: 1793, Inode: 524301, Bytes: 32, Files: []sandbox.File{
		{Path: "index.html", Size: 32, Inode: 524302, MTime: Now - 4000},
	}}}
	n.IPC = []sandbox.IPCObject{{NS: n.container("two-containers/nginx-container").NS.IPC, Kind: "msg", ID: 1, Key: 0x162e, Bytes: 12}}
	n.wire()
	f.Snapshot = &n.Snapshot
	return f
}

// Roles has a pod with one container of each role: one that ran before the others, one that runs beside them from the start, and one that
// was added to look into it.
func Roles() labs.Frame {
	f := ready()
	n := node()
	n.pod("demo", 409, 2402)
	web := n.container("demo/web").NS
	role := func(name, role, image string, pid int) *sandbox.Container {
		ns := web
		ns.Mnt, ns.Cgroup = inode(uint64(pid)), inode(uint64(pid+1))
		c := n.add(sandbox.Container{ID: "demo/" + name, Name: name, Pod: "demo", Kind: sandbox.KindApp, Role: role, Image: image, PID: pid, NS: ns})
		c.NS.PID = inode(uint64(pid + 2))
		c.Mounts = []sandbox.Mount{{Volume: "logs", Source: "/var/lib/podlab/disk/volumes/logs", Path: "/logs", Dev: 1793, Inode: 524301}}
		return c
	}
	setup := role("setup", sandbox.RoleInit, "busybox", 0)
	setup.State, setup.Reason, setup.PID, setup.NS = sandbox.StateExited, "Completed", 0, sandbox.Namespaces{}
	shipper := role("shipper", sandbox.RoleSidecar, "rsyslog", 2440)
	n.process(shipper, 2440, 18, 1, "rsyslogd", "S")
	looks := role("debugger", sandbox.RoleEphemeral, "busybox", 2533)
	looks.NS.PID = web.PID // targetContainerName: web
	n.process(looks, 2533, 18, 12, "sh", "S")
	net := &n.Networks[len(n.Networks)-1]
	net.Sockets = append(net.Sockets, sandbox.Socket{Proto: "udp", Local: "127.0.0.1:514", Remote: "0.0.0.0:0", State: "UNCONN", Inode: 50005, PIDs: []int{2440}, Container: "demo/shipper"})
	n.Volumes = []sandbox.Volume{{Pod: "demo", Name: "logs", Kind: "emptyDir", Path: "/var/lib/podlab/disk/volumes/logs", Dev: 1793, Inode: 524301, Bytes: 96, Files: []sandbox.File{
		{Path: "error.log", Size: 96, Inode: 524302, MTime: Now - 4000},
	}}}
	n.wire()
	f.Snapshot = &n.Snapshot
	return f
}
