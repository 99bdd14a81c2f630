package trace

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"

	"podlab/sandbox"
	"podlab/sandbox/text"
)

// nodes is the set of nodes that a source without eBPF reports on. fresh tells Run of one that was added.
type nodes struct {
	mu    sync.Mutex
	set   map[uint64]bool
	fresh chan struct{}
}

func newNodes() nodes { return nodes{set: map[uint64]bool{}, fresh: make(chan struct{}, 1)} }

func (n *nodes) insert(pidns uint64) {
	n.mu.Lock()
	n.set[pidns] = true
	n.mu.Unlock()
	select {
	case n.fresh <- struct{}{}:
	default: // is told already
	}
}

func (n *nodes) remove(pidns uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.set, pidns)
}

func (n *nodes) has(pidns uint64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.set[pidns]
}

func (n *nodes) all() []uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Collect(maps.Keys(n.set))
}

// tell passes a moment on, unless its node was removed meanwhile.
func (n *nodes) tell(sink Sink, m sandbox.Moment, node uint64) {
	if n.has(node) {
		sink.Moment(node, m)
	}
}

// hostPIDs lists the processes of the host.
func hostPIDs() ([]int, error) {
	d, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids, err
}

// tasks are the known tasks on nodes, by their pid on the host.
type tasks map[int]task

// moment makes what is told of a task.
func (all tasks) moment(kind string, t task, hostPID int, at int64) sandbox.Moment {
	m := sandbox.Moment{
		Source: sandbox.SourceKernel, Time: at, Kind: kind,
		PID: t.pid, PIDInside: t.inside, PIDNS: t.pidns, Thread: t.leader != hostPID, Name: text.Clean(t.name, commSize),
	}
	parent := t.ppid
	if m.Thread {
		parent = t.leader
	}
	if p, ok := all[parent]; ok && p.node == t.node {
		m.PPID = p.pid
	}
	return m
}
