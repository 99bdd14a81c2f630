package labs

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"podlab/labs/warm"
	"podlab/sandbox"
)

// How long things wait.
const (
	blind     = 10 * time.Second // after the last page went: nobody needs snapshots any more
	queueIdle = time.Minute      // after the last page went: a place in the queue is given up
)

// session is a learner in one lab, with a node. It owns three goroutines, which end with it: run makes nodes and follows them,
// clock ends what has gone on too long, and saver writes to the store. All fields below the line are guarded by learner.mu.
type session struct {
	all     *Sessions
	learner *learner
	lab     *Lab
	log     *slog.Logger
	wished  chan struct{} // a wish is there
	moved   chan struct{} // the step changed on the same node
	tick    chan struct{} // the clock looks again
	unsaved chan struct{} // something is to be saved
	seen    chan struct{} // a page came: snapshots are needed again
	judge   chan struct{} // the attempt is to be looked at anew
	probing chan struct{} // a probe may be due
	stop    context.CancelFunc
	asking  atomic.Bool // a probe runs

	// ────
	step       *Step
	phase      string
	stage      string
	place      int
	err        *sandbox.Error
	generation int
	node       string          // id
	ready      bool            // the step's start was finished on this node
	ahead      *warm.Node      // the node was made ahead; nil: not
	removed    <-chan struct{} // closes when the node before this one is removed; nil when there was none: its room is this session's
	started    int64           // Unix milliseconds
	deadline   int64
	since      int64 // of the step, microseconds since boot
	attempt    *attempt
	snapshot   *sandbox.Snapshot
	moments    momentLog
	access     *Access
	rest       rest
	wish       *wish
	cancelLife context.CancelFunc
	cancelSee  context.CancelFunc // ends the agent's watch while nobody looks
}

// wish is what the learner wants of the session next.
type wish struct {
	fresh *Step // a fresh node in this step
	end   bool
}

// newSession makes a session that is not running yet. The caller holds l.mu.
func newSession(all *Sessions, l *learner, lab *Lab, step *Step) *session {
	one := func() chan struct{} { return make(chan struct{}, 1) }
	now := all.read().wall
	return &session{
		all: all, learner: l, lab: lab, log: all.cfg.Log.With("learner", l.id, "lab", lab.ID),
		wished: one(), moved: one(), tick: one(), unsaved: one(), seen: one(), judge: one(), probing: one(),
		step: step, phase: PhaseStarting, stage: StageNode,
		rest: rest{change: one()}, started: now.UnixMilli(), deadline: now.Add(all.cfg.TTL).UnixMilli(),
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// launch starts the session's goroutines. The caller holds l.mu, and has counted a use of the learner.
func (s *session) launch() {
	ctx, stop := context.WithCancel(s.all.ctx)
	s.stop = stop
	s.all.wg.Go(func() {
		defer s.all.release(s.learner)
		defer stop()
		var group errgroup.Group
		group.Go(func() error { s.clock(ctx); return nil })
		group.Go(func() error { s.saver(ctx); return nil })
		s.run(ctx)
		stop()
		_ = group.Wait() // neither returns an error
		s.lastSave()
	})
}

// lastSave writes what the saver did not come to when the server stopped.
func (s *session) lastSave() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.all.ctx), 5*time.Second)
	defer cancel()
	if err := s.learner.save(ctx); err != nil {
		s.log.Error("session is not saved", "error", err)
	}
}

// run follows one node after the other until the session ends or the server stops. Then nodes live on.
func (s *session) run(ctx context.Context) {
	for {
		life, cancel := context.WithCancel(ctx)
		ended := s.enter(cancel)
		if ended {
			cancel()
			s.finish()
			return
		}
		err := s.follow(life)
		cancel()
		s.leave(ctx, err)
		select {
		case <-s.wished:
		case <-ctx.Done():
			return
		}
	}
}

// enter takes up the learner's wish; it reports whether that is the end.
func (s *session) enter(cancel context.CancelFunc) (ended bool) {
	l := s.learner
	l.mu.Lock()
	defer l.mu.Unlock()
	w := s.wish
	s.wish, s.cancelLife = nil, cancel
	switch {
	case w == nil:
	case w.end:
		return true
	case w.fresh != nil:
		s.renew(w.fresh)
	}
	l.notify()
	return false
}

// renew leaves the old node to its removal and names a fresh one. The caller holds the lock.
func (s *session) renew(step *Step) {
	if s.node != "" {
		s.removed = s.all.discard(s.node, false)
	}
	s.learner.generation++
	s.generation = s.learner.generation
	s.ready, s.step = false, step
	s.node, s.ahead = s.all.named(s.lab, step)
	s.phase, s.stage, s.err, s.place = PhaseStarting, StageNode, nil, 0
	s.attempt, s.snapshot, s.moments, s.access = nil, nil, momentLog{}, nil
	s.learner.update(s.lab.ID, step.ID, func(*StepProgress) {})
	s.touched()
}

// touched marks the session's record for saving. The caller holds the lock.
func (s *session) touched() {
	s.learner.dirtyRecord = true
	poke(s.unsaved)
}

// leave says what became of a node that is not followed any more.
func (s *session) leave(ctx context.Context, err error) {
	l := s.learner
	l.mu.Lock()
	defer l.mu.Unlock()
	s.access = nil
	if ctx.Err() != nil {
		return
	}
	if s.wish != nil {
		poke(s.wished)
		return
	}
	s.sayGone(err)
	s.phase, s.stage, s.err = PhaseGone, "", sandbox.Public(err)
	if s.node != "" {
		s.all.discard(s.node, true)
	}
	s.node, s.ready = "", false
	s.touched()
	l.notify()
}

// sayGone tells the log, unless an earlier life of the server did. That a node ended with the machine, on purpose, is nobody's trouble.
func (s *session) sayGone(err error) {
	if s.node == "" {
		return
	}
	if sandbox.Public(err).Params["reason"] == sandbox.GoneMachineStopped {
		s.log.Info("node ended with the machine", "node", s.node, "step", s.step.ID)
		return
	}
	s.log.Warn("node is gone", "node", s.node, "step", s.step.ID, "error", err)
}

// finish removes the node of a session that ended, and the session.
func (s *session) finish() {
	l := s.learner
	l.mu.Lock()
	if s.node != "" {
		s.all.discard(s.node, true)
	}
	if l.session == s {
		l.session, l.ended = nil, s.lab.ID
	}
	l.dirtyRecord = true
	l.notify()
	l.mu.Unlock()
}

// want makes a wish known. The caller holds the lock.
func (s *session) want(w wish) {
	s.wish = &w
	poke(s.wished)
	if s.cancelLife != nil {
		s.cancelLife()
	}
}

// randomID is 128 bits in 26 letters and digits: with a prefix it fits a node's id.
func randomID() string { return strings.ToLower(rand.Text()) }
