// Package observe reads what there is on a node from the kernel and makes a sandbox.Snapshot of it. One file for each kernel file:
// parseX takes its bytes, so that tests need no kernel.
//
// An Observer runs in the agent, as root of the node's user namespace and in the node's own namespaces. It starts nothing and keeps
// no descriptor open between snapshots (an open netlink socket would keep a dead pod's network namespace alive); for namespaces
// that can only be read from within it sends a thread there, which is back or dead before Snapshot returns.
//
// Everything read is hostile: a learner names processes, files, sockets and interfaces. Every list is bounded (limits.go), every
// string cleaned (clean.go), and no path below a learner's directory is resolved outside of it.
package observe

import (
	"sync"

	"podlab/sandbox"
)

// Input is what cannot be read from the kernel: what the agent made, and under which names.
type Input struct {
	Pods       []sandbox.Pod
	Containers []Subject
	Volumes    []sandbox.Volume // Pod, Name, Kind and Path are set
	Terminals  []sandbox.TerminalStatus
	InitPID    int
	AgentPID   int
	Roles      map[int]string // pid → Process.Role, for the node's own processes; init and agent are known by their pids
	// Hidden says that a process belongs to a check's probe; it and its descendants are left out. May be nil.
	Hidden func(pid int, cgroup string) bool
}

// Subject is a container as the engine knows it: NS, Usage and the Dev and Inode of Mounts are filled in here.
type Subject struct {
	sandbox.Container
	Cgroup string // path below the node's cgroup root, such as /pods/demo/web
}

// Observer makes snapshots of one node. Its methods may be called from any goroutine; one snapshot is made at a time.
type Observer struct {
	Life   string // Snapshot.Agent: names this life of the agent
	Proc   string // the node's procfs, usually /proc
	Cgroup string // where the node's cgroup root is mounted, usually /sys/fs/cgroup
	Disk   string // a path on the node's disk, usually /var/lib/podlab/disk

	mu  sync.Mutex
	seq uint64
}

// Snapshot reads the whole node. What cannot be read is left out; a process that ends meanwhile is not in it.
func (o *Observer) Snapshot(in Input) sandbox.Snapshot {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seq++
	return sandbox.Snapshot{Agent: o.Life, Seq: o.seq}
}
