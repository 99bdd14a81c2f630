package golden

import (
	"podlab/labs"
	"podlab/sandbox"
)

// Sockets is a pod whose containers talk over loopback and over Unix sockets in a shared directory, on a machine whose kernel tells of
// processes only.
func Sockets() labs.Frame {
	f := ready()
	f.Tracer = "proc"
	f.Untold = []string{
		sandbox.UntoldNamespaces, sandbox.UntoldMounts, sandbox.UntoldTCP, sandbox.UntoldSockets, sandbox.UntoldReparent, sandbox.UntoldOOM,
	}
	n := node()
	n.pod("demo", 409, 2402)
	net := &n.Networks[len(n.Networks)-1]
	add := func(container string, pid int, s sandbox.Socket) {
		s.Container, s.PIDs = container, []int{pid}
		net.Sockets = append(net.Sockets, s)
	}
	web := func(s sandbox.Socket) { add("demo/web", 2431, s) }
	cache := func(s sandbox.Socket) { add("demo/cache", 2466, s) }
	const nobody = "0.0.0.0:0"
	web(sandbox.Socket{Proto: "udp", Local: "0.0.0.0:514", Remote: nobody, State: "UNCONN", Inode: 51001})
	cache(sandbox.Socket{Proto: "udp", Local: "127.0.0.1:40514", Remote: "127.0.0.1:514", State: "ESTABLISHED", Inode: 51002})
	web(sandbox.Socket{Proto: "unix", Type: "stream", Local: "/shared/app.sock", State: "LISTEN", Inode: 51003})
	web(sandbox.Socket{Proto: "unix", Type: "stream", Local: "/shared/app.sock", State: "ESTABLISHED", Inode: 51004, Peer: 51005})
	cache(sandbox.Socket{Proto: "unix", Type: "stream", Remote: "/shared/app.sock", State: "ESTABLISHED", Inode: 51005, Peer: 51004})
	cache(sandbox.Socket{Proto: "unix", Type: "dgram", Local: "/shared/log.sock", State: "UNCONN", Inode: 51006})
	web(sandbox.Socket{Proto: "unix", Type: "dgram", Remote: "/shared/log.sock", State: "ESTABLISHED", Inode: 51007, Peer: 51006})
	f.Moments = []sandbox.Moment{
		{Source: sandbox.SourceKernel, Seq: 1, Time: at - 9_000_000, Kind: sandbox.MomentExec, PID: 2431, PPID: 18, Name: "nginx", Path: "/usr/sbin/nginx", Container: "demo/web"},
		{Source: sandbox.SourceAgent, Seq: 1, Time: at - 3_000_000, Kind: sandbox.MomentThrottle, Reason: "Began", Pod: "demo", Container: "demo/web", Params: map[string]string{"periods": "2"}},
		{
			Source: sandbox.SourceAgent, Seq: 2, Time: at - 500_000, Kind: sandbox.MomentThrottle, Reason: "Ended", Pod: "demo", Container: "demo/web",
			Params: map[string]string{"periods": "7", "ms": "412"},
		},
	}
	n.wire()
	f.Snapshot = &n.Snapshot
	return f
}
