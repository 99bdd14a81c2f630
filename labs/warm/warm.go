// Package warm keeps nodes made ahead: each of one lab, with the lab's first step set up, its pods ready, and frozen, until a session of
// this lab begins with it. A click then finds its pod.
//
// Which labs: those that were asked for last, since what comes is mostly what came. When: in the background, while nobody has asked for a
// node for some seconds and the machine is not busy, or for a minute. For how long: until a session takes it, until somebody needs its room (Yield), or
// until the host's images change, on which it stands.
//
// A warm node is what a cold start makes, stopped where the learner comes in: the step begins with the end of its set-up, moments and
// processes keep their times. It is only kept if it stands still: should a container end, start again or come up late while nobody
// looks, then the learner would miss what a cold start shows, and labs of this kind are not made ahead.
//
// Who owns what: Run owns the nodes until Take hands them on, and destroys them when it ends. One that a killed server leaves behind belongs to
// no session, and goes with the next start.
package warm

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"podlab/sandbox"
)

// How long things wait.
const (
	Calm     = 3 * time.Second  // nobody asked for a node: who just got one needs the processors for its pods
	patience = time.Minute      // nobody asked for a node: if the machine is busy still, it is not with theirs
	again    = 10 * time.Second // after a node could not be made, or its room was needed
	look     = time.Minute      // between two looks whether nodes are still there and their images the same
)

// Kind is what nodes of one lab are made of.
type Kind struct {
	Spec  sandbox.NodeSpec // without id
	SetUp func(context.Context, sandbox.Agent) (Start, error)
}

// Start is the beginning of a step on a node.
type Start struct {
	Since int64            // microseconds since boot: earlier moments are not the step's
	Now   sandbox.Snapshot // how the node stood
}

// Config is what a pool is made with. All fields but First are needed.
type Config struct {
	Nodes   sandbox.Nodes
	Most    int                             // nodes at a time; 0: none
	Kinds   map[string]Kind                 // by lab's id; others are not made ahead
	First   string                          // lab that is taken to be asked for before one is
	NewID   func() string                   // of a node
	Discard func(id string) <-chan struct{} // destroys a node for as long as that takes; the channel closes then
	Images  func() string                   // names the state of the host's images: another name, other images
	Busy    func() bool                     // the machine has better to do
	Full    func() bool                     // somebody waits for room: none may be taken
	Log     *slog.Logger
}

// Node is a warm node.
type Node struct {
	sandbox.Node
	Since  int64 // as in Start
	lab    string
	images string
}

// Pool keeps warm nodes.
type Pool struct {
	cfg  Config
	wake chan struct{} // something changed for Run

	mu     sync.Mutex
	recent []string // labs, as many as there shall be nodes; the oldest first
	nodes  []Node
	making *making
	unfit  map[string]string // labs whose start does not stand still or lacks an image, with the state of the images then
	asked  time.Time         // somebody, for a node, last
	rest   time.Time         // until then none is made
}

// making is a node that is being made.
type making struct {
	id, lab string
	ctx     context.Context //nolint:containedctx // the node's making, ended by Yield
	cancel  context.CancelFunc
	done    chan struct{} // closed when it is a warm node, or gone
}

// New returns a pool that makes nothing until Run.
func New(cfg Config) *Pool {
	p := &Pool{cfg: cfg, wake: make(chan struct{}, 1), unfit: map[string]string{}, asked: time.Now()}
	p.recent = slices.Repeat([]string{cfg.First}, cfg.Most)
	return p
}

// Asked says that a session of a lab begins on a fresh node.
func (p *Pool) Asked(lab string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.recent) == 0 {
		return
	}
	p.recent, p.asked = append(p.recent[1:], lab), time.Now()
	p.pause(Calm)
	p.poke()
}

// Take hands on a node of a lab, frozen; ok is false when there is none.
func (p *Pool) Take(lab string) (n Node, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.nodes) == 0 {
		return Node{}, false
	}
	images := p.cfg.Images()
	i := slices.IndexFunc(p.nodes, func(n Node) bool { return n.lab == lab && n.images == images })
	if i < 0 {
		return Node{}, false
	}
	n = p.nodes[i]
	p.nodes = slices.Delete(p.nodes, i, i+1)
	return n, true
}

// Yield gives the room of one warm node to whoever finds the machine full, and returns when it is free; false when there is none to give.
func (p *Pool) Yield(ctx context.Context) bool {
	gone := p.giveUp()
	if gone == nil {
		return false
	}
	select {
	case <-gone:
	case <-ctx.Done():
	}
	return true
}

// giveUp begins to destroy one node, nil when there is none.
func (p *Pool) giveUp() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pause(again)
	if p.making != nil {
		p.making.cancel()
		return p.making.done
	}
	if len(p.nodes) == 0 {
		return nil
	}
	n := p.nodes[0]
	p.nodes = slices.Delete(p.nodes, 0, 1)
	return p.cfg.Discard(n.Spec.ID)
}

// pause lets nothing be made for a while. The caller holds the lock.
func (p *Pool) pause(d time.Duration) {
	if until := time.Now().Add(d); until.After(p.rest) {
		p.rest = until
	}
}

func (p *Pool) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}
