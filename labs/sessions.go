package labs

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"podlab/labs/warm"
	"podlab/sandbox"
	"podlab/sandbox/load"
)

// Config is what sessions are run with. Zero durations take the defaults.
type Config struct {
	Course *Course
	Nodes  sandbox.Nodes
	Store  Store
	Log    *slog.Logger
	Prefix string        // of the ids of this server's nodes; default "s-". Nodes with it and without a session are destroyed.
	TTL    time.Duration // of a session; default 60 min
	Extend time.Duration // by one extension; default 30 min
	Warn   time.Duration // before the deadline: extendable from then on; default 10 min
	Idle   time.Duration // nobody looks: the session ends; default 20 min
	Freeze time.Duration // nobody looks, types or asks: the node is frozen until somebody does; default 5 min, negative: never
	Most   time.Duration // that a session may live with all extensions; default 4 h
	Warm   int           // nodes that are made ahead, of the labs used last, with their first step set up; default none
	Images func() string // names the state of the host's images: a node made ahead on others is given up; default: they never change
	Busy   func() bool   // no node is made ahead while somebody began a minute ago or less; default: more threads want to run than there are processors
	// Fault, if set, is told of every evaluation that failed for another reason than that something is not there.
	Fault func(lab, step, source string, err error)
}

// defaults fills in what was not given.
func (c Config) defaults() Config {
	c.Prefix = cmp.Or(c.Prefix, "s-")
	c.TTL = cmp.Or(c.TTL, 60*time.Minute)
	c.Extend = cmp.Or(c.Extend, 30*time.Minute)
	c.Warn = cmp.Or(c.Warn, 10*time.Minute)
	c.Idle = cmp.Or(c.Idle, 20*time.Minute)
	c.Freeze = cmp.Or(c.Freeze, 5*time.Minute)
	c.Most = cmp.Or(c.Most, 4*time.Hour)
	if c.Images == nil {
		c.Images = func() string { return "" }
	}
	if c.Busy == nil {
		c.Busy = load.Crowded
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Fault == nil {
		c.Fault = func(lab, step, source string, err error) {
			c.Log.Debug("expression", "lab", lab, "step", step, "source", source, "error", err)
		}
	}
	return c
}

// Sessions holds the live sessions of all learners: at most one each. It owns every goroutine of this package: they end in Close.
type Sessions struct {
	cfg   Config
	ctx   context.Context //nolint:containedctx // the life of everything it owns, ended by Close
	stop  context.CancelFunc
	wg    sync.WaitGroup
	queue *queue
	warm  *warm.Pool
	read  func() reading // the clocks

	mu       sync.Mutex
	learners map[string]*learner
	uses     map[*learner]int
	nodes    map[string]bool // ids that this server gave or found, until they are destroyed
	traced   string
	untold   []string
}

// Open finds again the sessions that the store knows and their nodes, and removes nodes that belong to none. It returns at once
// when the daemon is away, and keeps trying. Close before the store closes.
func Open(ctx context.Context, cfg Config) (*Sessions, error) {
	s := &Sessions{
		cfg: cfg.defaults(), queue: newQueue(), read: read, learners: map[string]*learner{}, uses: map[*learner]int{}, nodes: map[string]bool{},
	}
	s.ctx, s.stop = context.WithCancel(ctx)
	s.warm = s.newWarm()
	records, err := s.cfg.Store.Sessions(ctx)
	if err != nil {
		s.stop()
		return nil, err
	}
	for _, r := range records {
		if err := s.adopt(ctx, r); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	s.wg.Go(s.reconcile)
	s.wg.Go(func() { s.warm.Run(s.ctx) })
	return s, nil
}

// Close stops watching. Nodes live on: the next Open finds them.
func (s *Sessions) Close() error {
	s.stop()
	s.wg.Wait()
	return nil
}

// adopt goes on with a session of an earlier life. One whose lab or step is no longer there ends; its node is removed as nobody's.
func (s *Sessions) adopt(ctx context.Context, r Record) error {
	lab, step, err := s.cfg.Course.Find(r.Lab, r.Step)
	if err != nil {
		s.cfg.Log.Warn("a session's step is no longer there", "lab", r.Lab, "step", r.Step)
		return s.cfg.Store.DeleteSession(ctx, r.Learner)
	}
	l, err := s.acquire(ctx, r.Learner)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.nodes[r.Node] = true
	s.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.session = newSession(s, l, lab, step)
	l.generation = r.Generation
	l.session.adopt(r)
	l.session.launch()
	return nil
}

// reconcile learns about the host and removes nodes that carry this server's prefix and belong to nobody.
func (s *Sessions) reconcile() {
	_ = untilDone(s.ctx, s.sweep, func(err error) { s.cfg.Log.Debug("daemon is away", "error", err) }) // it ends with the server
}

func (s *Sessions) sweep() error {
	info, err := s.cfg.Nodes.Info(s.ctx)
	if err != nil {
		return err
	}
	nodes, err := s.cfg.Nodes.List(s.ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.traced, s.untold = info.Tracer, info.Untold
	var orphans []string
	for _, n := range nodes {
		if strings.HasPrefix(n.Spec.ID, s.cfg.Prefix) && !s.nodes[n.Spec.ID] {
			orphans = append(orphans, n.Spec.ID)
		}
	}
	s.mu.Unlock()
	for _, id := range orphans {
		s.cfg.Log.Info("node belongs to nobody: removed", "node", id)
		s.discard(id, true)
	}
	return nil
}

// newNodeID gives a node's id.
func (s *Sessions) newNodeID() string {
	id := s.cfg.Prefix + randomID()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes[id] = true
	return id
}

// discard removes a node in the background, for as long as it takes; the channel closes then. Its room is for whoever is first in
// the queue, unless vacant is false.
func (s *Sessions) discard(id string, vacant bool) <-chan struct{} {
	removed := make(chan struct{})
	s.wg.Go(func() {
		defer close(removed)
		destroy := func() error { return s.cfg.Nodes.Destroy(s.ctx, id) }
		if untilDone(s.ctx, destroy, func(err error) { s.cfg.Log.Warn("node is not removed yet", "node", id, "error", err) }) != nil {
			return // the next start removes it
		}
		s.mu.Lock()
		delete(s.nodes, id)
		s.mu.Unlock()
		if vacant {
			s.queue.free()
		}
	})
	return removed
}

// boot is the time of the host's start in Unix milliseconds.
func (s *Sessions) boot() int64 { return time.Now().UnixMilli() - bootTime().Milliseconds() }

// frame begins a frame with what is the same for all: the clocks, and where kernel moments come from, once the daemon was asked.
func (s *Sessions) frame(now int64, view SessionView) Frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Frame{Now: now, Boot: s.boot(), Tracer: s.traced, Untold: s.untold, Session: view}
}
