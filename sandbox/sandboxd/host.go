package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"

	"podlab/sandbox"
	"podlab/sandbox/internal/ending"
	"podlab/sandbox/internal/features"
	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/life"
	"podlab/sandbox/internal/moments"
	"podlab/sandbox/internal/settings"
	"podlab/sandbox/internal/spare"
	"podlab/sandbox/internal/tables"
	"podlab/sandbox/internal/trace"
	"podlab/sandbox/internal/userns"
	"podlab/sandbox/internal/verbs"
	"podlab/sandbox/load"
)

// host makes, knows and removes the nodes of one machine.
type host struct {
	set     *settings.Settings
	log     *slog.Logger
	tracer  *trace.Tracer
	machine *life.Machine
	missing []*sandbox.Error // what this machine lacks; without an essential one no node can be made

	cabling sync.Mutex // one change of the nodes' links and records at a time; before mu

	mu      sync.RWMutex
	nodes   map[string]*node
	moments *moments.Logs
	ids     *userns.Pool
	ended   ending.Book
	spares  *spare.Plan
	waiting sync.WaitGroup // one goroutine for each node that lives
}

var _ verbs.Nodes = (*host)(nil)
var _ spare.Nodes = (*host)(nil)

func openHost(set *settings.Settings, tracer *trace.Tracer, log *slog.Logger) (_ *host, err error) {
	h := &host{set: set, log: log, tracer: tracer, nodes: make(map[string]*node), ids: userns.NewPool(set.Run)}
	h.moments = moments.New(tracer, filepath.Join(set.Programs(), "podlab-node"))
	if h.machine, err = life.Open(set, log); err != nil {
		return nil, err
	}
	h.missing = features.Missing(h.machine.Groups, set.Disks(), set.Work(), userns.Trial)
	for _, missing := range h.missing {
		log.Warn("this machine lacks a feature", "feature", missing.Params["feature"], "remedy", missing.Params["remedy"])
	}
	if err := tables.Raise(); err != nil {
		log.Warn("the host's tables stay as small as they are", "error", err)
	}
	usual, err := set.Complete(sandbox.NodeSpec{ID: "first"}) // until others are asked for
	h.spares = spare.NewPlan(set.Spares, usual, set.Places, load.Crowded)
	return h, errors.Join(err, h.adoptAll())
}

// close lets go of the nodes; they live on.
func (h *host) close() {
	h.mu.Lock()
	for _, n := range h.nodes {
		if n.life != nil {
			n.life.Leave()
		}
	}
	h.mu.Unlock()
	h.waiting.Wait()
	h.machine.Close()
}

// Info says what the machine has and lacks.
func (h *host) Info(context.Context) (sandbox.HostInfo, error) {
	info := sandbox.HostInfo{
		Tracer: h.tracer.Kind(), Untold: h.tracer.Untold(), Cgroup: 1, Kernel: features.KernelRelease(), MaxNodes: h.set.MaxNodes, Missing: h.missing,
	}
	info.Absent = image.Buildable(h.set.Images())
	if h.machine.Groups.Unified {
		info.Cgroup = 2
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, n := range h.nodes {
		if !n.spare {
			info.Nodes++
		}
	}
	return info, nil
}

// List returns the living nodes, oldest first.
func (h *host) List(context.Context) ([]sandbox.Node, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	nodes := []sandbox.Node{}
	for _, n := range h.nodes {
		if n.alive {
			nodes = append(nodes, h.public(n))
		}
	}
	slices.SortFunc(nodes, func(a, b sandbox.Node) int {
		return cmp.Or(cmp.Compare(a.Started, b.Started), cmp.Compare(a.Spec.ID, b.Spec.ID))
	})
	return nodes, nil
}

// public is what others may know of a node that lives or is stopped. The caller holds mu.
func (h *host) public(n *node) sandbox.Node {
	node := sandbox.Node{
		Spec: n.Spec, PID: n.PID, Started: n.Started, Frozen: n.frozen, Socket: h.set.NodeSocket(n.life.Place), PIDNS: n.PIDNS,
		Links: slices.Clone(n.Links), Stopped: n.stopped,
	}
	if n.stopped {
		node.PID, node.PIDNS, node.Frozen = 0, 0, false
	}
	return node
}

// find returns a living node, after its creation if that is going on. ok is false when there is none.
func (h *host) find(ctx context.Context, id string) (n *node, ok bool) {
	h.mu.RLock()
	n = h.nodes[id]
	h.mu.RUnlock()
	if n == nil {
		return nil, false
	}
	select {
	case <-n.ready:
	case <-ctx.Done():
		return nil, false
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	return n, n.alive
}

// Log is what happened in a living node.
func (h *host) Log(ctx context.Context, id string) (log moments.Log, lives bool) {
	n, lives := h.find(ctx, id)
	if lives {
		log = n.moments
	}
	return log, lives
}

// Gone says that a node is not there, and why.
func (h *host) Gone(id string) error { return h.ended.Of(id) }

func errNoNode(id string) error {
	return sandbox.Errorf(sandbox.CodeNotFound, "kind", "node", "name", id)
}
