package fake

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"sync"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/ring"
)

// Nodes is a daemon in memory. The zero limits mean: eight nodes, no delay.
type Nodes struct {
	MaxNodes int           // set before use
	Delay    time.Duration // how long Create takes; set before use
	Missing  []*sandbox.Error
	Absent   []string // optional images that its operator has not made

	mu    sync.Mutex
	nodes map[string]*node
	ended map[string]string // why a node ended, by its id
	pidns uint64
	fail  error
}

var _ sandbox.Nodes = (*Nodes)(nil)

type node struct {
	node   sandbox.Node
	agent  *Agent
	kernel moments
	gone   chan struct{}
}

// New returns a daemon without nodes.
func New() *Nodes {
	return &Nodes{MaxNodes: 8, nodes: map[string]*node{}, ended: map[string]string{}, pidns: 4026531000}
}

func (n *Nodes) Info(context.Context) (sandbox.HostInfo, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return sandbox.HostInfo{Tracer: "ebpf", Cgroup: 2, Kernel: "6.1.0-fake", MaxNodes: n.MaxNodes, Nodes: len(n.nodes), Missing: n.Missing, Absent: n.Absent}, nil
}

var validID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

func (n *Nodes) Create(ctx context.Context, spec sandbox.NodeSpec) (sandbox.Node, error) {
	if !validID.MatchString(spec.ID) {
		return sandbox.Node{}, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "node id")
	}
	select {
	case <-ctx.Done():
		return sandbox.Node{}, ctx.Err()
	case <-time.After(n.Delay):
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.fail; err != nil {
		n.fail = nil
		return sandbox.Node{}, err
	}
	if n.nodes[spec.ID] != nil {
		return sandbox.Node{}, sandbox.Errorf(sandbox.CodeNameTaken, "kind", "Node", "name", spec.ID)
	}
	if n.MaxNodes > 0 && len(n.nodes) >= n.MaxNodes {
		return sandbox.Node{}, sandbox.Errorf(sandbox.CodeMachineFull, "limit", strconv.Itoa(n.MaxNodes))
	}
	if spec.Hostname == "" {
		spec.Hostname = "node"
	}
	spec.Subnet = cmp.Or(spec.Subnet, "10.88.0.0/24")
	n.pidns++
	made := &node{
		node: sandbox.Node{
			Spec: spec, PID: 10000 + len(n.nodes), Started: time.Now().UnixMilli(), Socket: "/fake/" + spec.ID + ".sock", PIDNS: n.pidns,
		},
		kernel: newMoments(sandbox.SourceKernel),
		gone:   make(chan struct{}),
	}
	made.agent = newAgent(spec, n.pidns, made.kernel, made.gone)
	n.nodes[spec.ID] = made
	return made.node, nil
}

func (n *Nodes) List(context.Context) ([]sandbox.Node, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]sandbox.Node, 0, len(n.nodes))
	for _, node := range n.nodes {
		out = append(out, node.node)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Spec.ID < out[j].Spec.ID })
	return out, nil
}

func (n *Nodes) Destroy(_ context.Context, id string) error {
	n.End(id, sandbox.GoneDestroyed)
	return nil
}

func (n *Nodes) Freeze(_ context.Context, id string) error { return n.setFrozen(id, true) }
func (n *Nodes) Thaw(_ context.Context, id string) error   { return n.setFrozen(id, false) }

func (n *Nodes) setFrozen(id string, frozen bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	node := n.nodes[id]
	if node == nil {
		return sandbox.Errorf(sandbox.CodeNotFound, "kind", "Node", "name", id)
	}
	node.node.Frozen = frozen
	return nil
}

func (n *Nodes) PowerOff(_ context.Context, id string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	node := n.nodes[id]
	if node == nil {
		return sandbox.Errorf(sandbox.CodeNotFound, "kind", "node", "name", id)
	}
	node.node.Stopped, node.node.Frozen, node.node.PID, node.node.PIDNS = true, false, 0, 0
	node.agent.halt()
	return nil
}

func (n *Nodes) PowerOn(_ context.Context, id string) (sandbox.Node, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	node := n.nodes[id]
	if node == nil {
		return sandbox.Node{}, sandbox.Errorf(sandbox.CodeNotFound, "kind", "node", "name", id)
	}
	if node.node.Stopped {
		n.pidns++
		node.node.Stopped, node.node.PID, node.node.PIDNS, node.node.Started = false, 20000+len(n.nodes), n.pidns, time.Now().UnixMilli()
		node.agent.down.Store(false)
	}
	return node.node, nil
}

// Link is like the daemon's, but that nothing passes over the cable.
func (n *Nodes) Link(_ context.Context, a, b string) error    { return n.cable(a, b, false, true) }
func (n *Nodes) Cut(_ context.Context, a, b string) error     { return n.cable(a, b, true, false) }
func (n *Nodes) Restore(_ context.Context, a, b string) error { return n.cable(a, b, false, false) }

func (n *Nodes) cable(a, b string, cut, fresh bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	one, two := n.nodes[a], n.nodes[b]
	for id, node := range map[string]*node{a: one, b: two} {
		if node == nil {
			return sandbox.Errorf(sandbox.CodeNotFound, "kind", "node", "name", id)
		}
	}
	at := slices.IndexFunc(one.node.Links, func(l sandbox.Link) bool { return l.Node == b })
	switch {
	case one == two:
		return sandbox.Errorf(sandbox.CodeBadRequest, "detail", "same node")
	case fresh && at >= 0:
		return nil
	case fresh && (one.node.Spec.Owner == "" || one.node.Spec.Owner != two.node.Spec.Owner):
		return sandbox.Errorf(sandbox.CodeDenied)
	case fresh && one.node.Spec.Subnet == two.node.Spec.Subnet:
		return sandbox.Errorf(sandbox.CodeBadRequest, "detail", "subnet")
	case !fresh && at < 0:
		return sandbox.Errorf(sandbox.CodeNotFound, "kind", "link", "name", a+" "+b)
	}
	one.link(b, cut)
	two.link(a, cut)
	return nil
}

// link replaces what a node says of its cable to another. What was handed out does not change.
func (n *node) link(other string, cut bool) {
	n.unlink(other)
	n.node.Links = append(n.node.Links, sandbox.Link{Node: other, Cut: cut})
}

func (n *node) unlink(other string) {
	n.node.Links = slices.DeleteFunc(slices.Clone(n.node.Links), func(l sandbox.Link) bool { return l.Node == other })
}

func (n *Nodes) Moments(ctx context.Context, id string, after uint64, fn func(sandbox.Moments) error) error {
	node := n.find(id)
	if node == nil {
		return n.gone(id)
	}
	err := node.kernel.Follow(ctx, after, kept, func(run ring.Run[sandbox.Moment]) error { return fn(public(run)) })
	if errors.Is(err, ring.ErrClosed) {
		return n.gone(id)
	}
	return err
}

// gone says that a node is not there, and why.
func (n *Nodes) gone(id string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return sandbox.NodeGone(id, cmp.Or(n.ended[id], sandbox.GoneMachineStopped))
}

// Agent returns the way to a node's agent; every call on it is node_gone when the node is not there.
func (n *Nodes) Agent(of sandbox.Node) sandbox.Agent {
	if node := n.find(of.Spec.ID); node != nil {
		return node.agent
	}
	gone := make(chan struct{})
	close(gone)
	return newAgent(of.Spec, of.PIDNS, newMoments(sandbox.SourceKernel), gone)
}

// Node returns the agent of a node for a test to play on, nil when there is no such node.
func (n *Nodes) Node(id string) *Agent {
	if node := n.find(id); node != nil {
		return node.agent
	}
	return nil
}

// Kernel makes a moment of the kernel happen on a node.
func (n *Nodes) Kernel(id string, m sandbox.Moment) {
	if node := n.find(id); node != nil {
		node.kernel.add(m)
	}
}

// Lose makes a gap of count kernel moments.
func (n *Nodes) Lose(id string, count uint64) {
	if node := n.find(id); node != nil {
		node.kernel.Lose(count)
	}
}

// Vanish ends a node's init: everything on it is gone, and whoever looks at it is told node_gone.
func (n *Nodes) Vanish(id string) { n.End(id, sandbox.GoneInitEnded) }

// Forget makes the daemon one that was stopped with all its nodes and started anew: it knows nothing of them.
func (n *Nodes) Forget() {
	nodes, _ := n.List(context.Background())
	for _, node := range nodes {
		n.End(node.Spec.ID, "")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.ended)
}

// End is Vanish for one of the reasons that a daemon gives (sandbox.GoneInitEnded and the like).
func (n *Nodes) End(id, reason string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if node := n.nodes[id]; node != nil {
		delete(n.nodes, id)
		for _, other := range n.nodes {
			other.unlink(id)
		}
		n.ended[id] = reason
		close(node.gone)
		node.kernel.Close()
		node.agent.mu.Lock()
		node.agent.cut()
		node.agent.mu.Unlock()
	}
}

// FailNext lets the next Create fail with err.
func (n *Nodes) FailNext(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fail = err
}

func (n *Nodes) find(id string) *node {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.nodes[id]
}
