package labs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// How long things wait.
const (
	retryFirst = 100 * time.Millisecond // between two tries of something that is away, at first
	retryLast  = 2 * time.Second        // and at most
	blind      = 10 * time.Second       // after the last page went: nobody needs snapshots any more
	queueIdle  = time.Minute            // after the last page went: a place in the queue is given up
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
	judge   chan struct{} // the board is to be looked at anew
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
	removed    <-chan struct{} // closes when the node before this one is removed; nil when there was none: its room is this session's
	started    int64           // Unix milliseconds
	deadline   int64
	since      int64 // of the step, microseconds since boot
	board      *board
	snapshot   *sandbox.Snapshot
	moments    momentLog
	access     *Access
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
	now := time.Now()
	return &session{
		all: all, learner: l, lab: lab, log: all.cfg.Log.With("learner", l.id, "lab", lab.ID),
		wished: one(), moved: one(), tick: one(), unsaved: one(), seen: one(), judge: one(), probing: one(),
		step: step, phase: PhaseStarting, stage: StageNode,
		started: now.UnixMilli(), deadline: now.Add(all.cfg.TTL).UnixMilli(),
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
	})
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
		err := s.live(life)
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
	s.node, s.ready, s.step = s.all.newNodeID(), false, step
	s.phase, s.stage, s.err, s.place = PhaseStarting, StageNode, nil, 0
	s.board, s.snapshot, s.moments, s.access = nil, nil, momentLog{}, nil
	s.learner.update(s.lab.ID, step.ID, func(*StepProgress) {})
	s.touched()
}

// touched marks the session's record for saving. The caller holds the lock.
func (s *session) touched() {
	s.learner.dirtyLive = true
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
	s.log.Warn("node is gone", "node", s.node, "step", s.step.ID, "error", err)
	s.phase, s.stage, s.err = PhaseGone, "", sandbox.Public(err)
	if s.node != "" {
		s.all.discard(s.node, true)
	}
	s.node, s.ready = "", false
	s.touched()
	l.notify()
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
	l.dirtyLive = true
	l.notify()
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.all.ctx, 10*time.Second)
	defer cancel()
	if err := l.save(ctx); err != nil {
		s.log.Error("the end of a session could not be saved", "error", err)
	}
}

// want makes a wish known. The caller holds the lock.
func (s *session) want(w wish) {
	s.wish = &w
	poke(s.wished)
	if s.cancelLife != nil {
		s.cancelLife()
	}
}

// live follows one node until ctx ends or the node is gone.
func (s *session) live(ctx context.Context) error {
	node, err := s.reach(ctx)
	if err != nil {
		return err
	}
	agent := s.all.cfg.Nodes.Agent(node)
	s.opened(ctx, agent)
	group, inner := errgroup.WithContext(ctx)
	w := newWatch(s, node, agent)
	group.Go(func() error { return w.agent(inner) })
	group.Go(func() error { return w.kernel(inner) })
	group.Go(func() error { return w.merge(inner) })
	group.Go(func() error { return s.prepare(inner, agent) })
	group.Go(func() error { return s.probe(inner, agent) })
	return group.Wait()
}

// opened lets others at the node.
func (s *session) opened(ctx context.Context, agent sandbox.Agent) {
	s.learner.mu.Lock()
	defer s.learner.mu.Unlock()
	s.access = &Access{Agent: agent, Generation: s.generation, Gone: ctx.Done()}
	if !s.ready {
		s.phase, s.stage, s.err = PhaseStarting, StageSetup, nil
	} else {
		s.phase, s.stage, s.err = PhaseReady, "", nil
	}
	s.learner.notify()
}

// reach makes the node, or finds again the one that the session had.
func (s *session) reach(ctx context.Context) (sandbox.Node, error) {
	s.learner.mu.Lock()
	id, ready := s.node, s.ready
	s.learner.mu.Unlock()
	if ready {
		return s.find(ctx, id)
	}
	return s.create(ctx, id)
}

// find looks for a node for as long as the daemon is away.
func (s *session) find(ctx context.Context, id string) (sandbox.Node, error) {
	for wait := retryFirst; ; wait = min(2*wait, retryLast) {
		nodes, err := s.all.cfg.Nodes.List(ctx)
		if err == nil {
			for _, n := range nodes {
				if n.Spec.ID == id {
					return n, nil
				}
			}
			return sandbox.Node{}, sandbox.Errorf(sandbox.CodeNodeGone)
		}
		s.away(err)
		if err := sleep(ctx, wait); err != nil {
			return sandbox.Node{}, err
		}
	}
}

// away shows that something is being waited for.
func (s *session) away(err error) {
	s.log.Debug("away", "error", err)
	s.learner.mu.Lock()
	defer s.learner.mu.Unlock()
	s.err = unavailable("sandboxd")
	s.learner.notify()
}

// create makes a node, in turn when the machine is full, and for as long as the daemon is away.
func (s *session) create(ctx context.Context, id string) (sandbox.Node, error) {
	q := s.all.queue
	var t *ticket
	defer func() {
		if t != nil {
			q.leave(t)
		}
	}()
	if err := s.learner.save(ctx); err != nil { // the record comes before the node: no node is ever nobody's
		return sandbox.Node{}, err
	}
	size := s.lab.Node
	spec := sandbox.NodeSpec{ID: id, Hostname: "node", Memory: size.Memory, CPU: size.CPU, PIDs: size.PIDs, Disk: size.Disk}
	removed := s.predecessor()
	full := removed == nil && !q.empty()
	for wait := retryFirst; ; wait = min(2*wait, retryLast) {
		if full {
			again := t != nil
			if t == nil {
				t = q.enter(removed != nil, s.queued)
			}
			if err := t.turn(ctx, q, again); err != nil {
				return sandbox.Node{}, err
			}
		}
		node, err := s.all.cfg.Nodes.Create(ctx, spec)
		code := sandbox.CodeOf(err)
		switch {
		case err == nil:
			return node, nil
		case code == sandbox.CodeMachineFull && pending(removed):
			if err := until(ctx, removed); err != nil {
				return sandbox.Node{}, err
			}
		case code == sandbox.CodeMachineFull:
			full = true
		case isAway(err):
			s.away(err)
			if err := sleep(ctx, wait); err != nil {
				return sandbox.Node{}, err
			}
		case code == sandbox.CodeNameTaken: // the answer to an earlier try was lost with the daemon
			return s.find(ctx, id)
		default:
			return sandbox.Node{}, err
		}
	}
}

func (s *session) predecessor() <-chan struct{} {
	s.learner.mu.Lock()
	defer s.learner.mu.Unlock()
	return s.removed
}

// pending reports whether c is a channel that is still open.
func pending(c <-chan struct{}) bool {
	if c == nil {
		return false
	}
	select {
	case <-c:
		return false
	default:
		return true
	}
}

func until(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// isAway reports whether the other side of a socket is not there for now.
func isAway(err error) bool {
	e, ok := errors.AsType[*sandbox.Error](err)
	return ok && (e.Code == sandbox.CodeUnavailable || e.Code == sandbox.CodeNotFound && e.Params["kind"] == "socket")
}

// queued shows the place in the queue.
func (s *session) queued(place int) {
	s.learner.mu.Lock()
	defer s.learner.mu.Unlock()
	s.phase, s.stage, s.place, s.err = PhaseQueued, "", place, nil
	s.learner.notify()
}

// prepare puts the node into the step's start, and again for every step that goes on with the same node.
func (s *session) prepare(ctx context.Context, agent sandbox.Agent) error {
	fresh := true
	for {
		s.learner.mu.Lock()
		step, ready := s.step, s.ready
		s.learner.mu.Unlock()
		if !ready {
			if err := s.setUp(ctx, agent, step, fresh); err != nil {
				return err
			}
		}
		fresh = false
		select {
		case <-s.moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *session) setUp(ctx context.Context, agent sandbox.Agent, step *Step, fresh bool) error {
	actions := Actor{Agent: agent, Lab: s.lab}
	if err := actions.manifests(ctx, step, fresh); err != nil {
		return err
	}
	if fresh {
		if err := actions.Do(ctx, step.Start); err != nil {
			return err
		}
	}
	boot := bootTime()
	now, err := agent.Snapshot(ctx)
	if err != nil {
		return err
	}
	s.begin(step, &now, stepStart(&now, boot))
	return s.learner.save(ctx)
}

// stepStart is from when on moments count: not those of the step's own start, which may be younger than the last change that a
// snapshot shows. boot is this host's clock before the snapshot was asked for; a node elsewhere has another one.
func stepStart(now *sandbox.Snapshot, boot time.Duration) int64 {
	if since := boot.Microseconds(); since > now.Time && since-now.Time < time.Minute.Microseconds() {
		return since
	}
	return now.Time
}

// bootTime is the time since the host's start (CLOCK_BOOTTIME), the clock of moments and snapshots; 0 where there is none.
func bootTime() time.Duration {
	var since unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &since); err != nil {
		return 0
	}
	return time.Duration(since.Nano())
}

// begin opens a step's board. now is how the node stands: nothing needs to change before it is judged.
func (s *session) begin(step *Step, now *sandbox.Snapshot, since int64) {
	s.learner.mu.Lock()
	defer s.learner.mu.Unlock()
	if s.step != step || s.wish != nil {
		return
	}
	board, err := s.newBoard(Marks{})
	if err != nil {
		s.log.Error("board", "error", err)
		return
	}
	s.board, s.since, s.ready = board, since, true
	if s.snapshot == nil || s.snapshot.Time < now.Time {
		s.snapshot = now
	}
	s.phase, s.stage, s.err = PhaseReady, "", nil
	s.touched()
	s.learner.notify()
	poke(s.judge)
}

func (s *session) newBoard(marks Marks) (*board, error) {
	b, err := newBoard(s.step, marks)
	if err != nil {
		return nil, err
	}
	lab, step := s.lab.ID, s.step.ID
	b.fault = func(source string, err error) { s.all.cfg.Fault(lab, step, source, err) }
	return b, nil
}

// proceed goes on to a step on the same node. The caller holds the lock.
func (s *session) proceed(step *Step) {
	s.step, s.ready, s.board = step, false, nil
	s.phase, s.stage = PhaseStarting, StageSetup
	s.learner.update(s.lab.ID, step.ID, func(*StepProgress) {})
	s.touched()
	s.learner.notify()
	poke(s.moved)
}

// continues reports whether the step follows the session's own and keeps its node. The caller holds the lock.
func (s *session) continues(step *Step) bool {
	_, before, _ := s.lab.Step(step.ID)
	return step.Continue && before == s.step && s.ready && s.access != nil && s.wish == nil
}

// show fills in what a page sees of the session. The caller holds the lock.
func (s *session) show(v *SessionView) {
	v.Step, v.Phase, v.Stage, v.Place, v.Error = s.step.ID, s.phase, s.stage, s.place, s.err
	v.Started, v.Deadline, v.Generation = s.started, s.deadline, s.generation
	v.Extendable = s.extendable(time.Now())
	if s.board != nil {
		v.Checks, v.Reached = s.board.checks(), append([]string{}, s.board.marks.Reached...)
		v.Predictions = append([]PredictionState{}, s.board.marks.Predictions...)
	}
}

// record is what the store keeps. The caller holds the lock.
func (s *session) record() *Record {
	r := &Record{
		Learner: s.learner.id, Lab: s.lab.ID, Step: s.step.ID, Generation: s.generation, Node: s.node, Ready: s.ready,
		Started: s.started, Deadline: s.deadline, Since: s.since,
	}
	if s.board != nil {
		r.Board = s.board.saved()
	}
	return r
}

// adopt takes up a session that an earlier life of the server had. The caller holds the lock.
func (s *session) adopt(r Record) error {
	s.generation, s.node, s.ready = r.Generation, r.Node, r.Ready
	s.started, s.deadline, s.since = r.Started, r.Deadline, r.Since
	switch {
	case r.Node == "":
		s.phase, s.stage, s.err = PhaseGone, "", sandbox.Errorf(sandbox.CodeNodeGone)
	case !r.Ready: // it fell between two chairs: once more
		s.wish = &wish{fresh: s.step}
	default:
		board, err := s.newBoard(r.Board)
		if err != nil {
			return err
		}
		s.board = board
	}
	return nil
}

// saver writes what changed, and tries again what could not be written.
func (s *session) saver(ctx context.Context) {
	for {
		select {
		case <-s.unsaved:
		case <-ctx.Done():
			return
		}
		for wait := retryFirst; ; wait = min(2*wait, retryLast) {
			err := s.learner.save(ctx)
			if err == nil {
				break
			}
			s.log.Error("session is not saved", "error", err)
			if sleep(ctx, wait) != nil {
				return
			}
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// randomID is 80 bits in hexadecimal.
func randomID() string {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand since Go 1.24)
	return hex.EncodeToString(b[:])
}
