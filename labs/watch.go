package labs

import (
	"context"
	"time"

	"podlab/sandbox"
)

// Paces of watching.
const (
	holdBack = 120 * time.Millisecond // moments wait that long at most for a snapshot that says whose they are
	settled  = 250 * time.Millisecond // after a moment without a snapshot behind it: nothing will come, judge with what is there
	pokeGap  = 50 * time.Millisecond  // at least, between two pokes of the agent's watch; what comes within gather of the first it sees at once
)

// watch follows one node: the agent's snapshots and moments and the kernel's moments come in, merge puts them together.
type watch struct {
	session *session
	node    sandbox.Node
	from    sandbox.Agent
	updates chan sandbox.Update
	kernels chan sandbox.Moments
	poke    chan struct{} // the agent looks again
}

func newWatch(s *session, node sandbox.Node, agent sandbox.Agent) *watch {
	return &watch{
		session: s, node: node, from: agent,
		updates: make(chan sandbox.Update), kernels: make(chan sandbox.Moments), poke: make(chan struct{}, 1),
	}
}

// agent follows the agent while somebody looks. It is tried again for as long as the node is there.
func (w *watch) agent(ctx context.Context) error {
	for again := (backoff{}); ; {
		see, cancel, err := w.wanted(ctx)
		if err != nil {
			return err
		}
		err = w.from.Watch(see, w.poke, func(u sandbox.Update) error {
			again.reset()
			return send(see, w.updates, u)
		})
		rested := see.Err() != nil
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case rested:
			continue
		case sandbox.CodeOf(err) == sandbox.CodeNodeGone:
			return err
		}
		w.session.log.Debug("watch ended", "error", err)
		if err := again.wait(ctx); err != nil {
			return err
		}
	}
}

// wanted waits until somebody looks. Its context ends when nobody does any more.
func (w *watch) wanted(ctx context.Context) (context.Context, context.CancelFunc, error) {
	s := w.session
	for {
		s.learner.mu.Lock()
		if len(s.learner.subs) > 0 || time.Since(s.learner.left) < blind && s.rest.thawed == nil {
			see, cancel := context.WithCancel(ctx)
			s.cancelSee = cancel
			s.rouse()
			s.learner.mu.Unlock()
			return see, cancel, nil
		}
		s.learner.mu.Unlock()
		select {
		case <-s.seen:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// kernel follows the kernel's moments. It is tried again for as long as the node is there.
func (w *watch) kernel(ctx context.Context) error {
	var after uint64
	for again := (backoff{}); ; {
		err := w.session.all.cfg.Nodes.Moments(ctx, w.node.Spec.ID, after, func(m sandbox.Moments) error {
			again.reset()
			if n := len(m.Items); n > 0 {
				after = m.Items[n-1].Seq
			}
			return send(ctx, w.kernels, m)
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case sandbox.CodeOf(err) == sandbox.CodeNodeGone:
			return err
		}
		w.session.log.Debug("moments ended", "error", err)
		if err := again.wait(ctx); err != nil {
			return err
		}
	}
}

func send[T any](ctx context.Context, to chan<- T, v T) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// merge puts everything together, in one goroutine: moments by time and with their container, snapshots to the pages, both to the
// attempt. The attempt is shown a snapshot together with the moments that came before it, so that it never judges what happened by
// how things stood before.
func (w *watch) merge(ctx context.Context) error {
	m := newMerger()
	hold, calm, look := stopped(), stopped(), stopped()
	defer hold.Stop()
	defer calm.Stop()
	defer look.Stop()
	var poked time.Time
	var newest int64 // time of the newest moment of the kernel that the agent shall look for
	due := false     // look runs
	for {
		select {
		case u := <-w.updates:
			w.update(m, u)
			if u.Snapshot != nil {
				calm.Stop()
			}
		case run := <-w.kernels:
			w.moments(m, run)
			if at := m.others(run); at > newest {
				newest = at
				if !due {
					due = true
					look.Reset(max(gather, pokeGap-time.Since(poked)))
				}
			}
			calm.Reset(settled)
		case <-look.C:
			due = false
			if !w.shows(newest) {
				poked = time.Now()
				poke(w.poke)
			}
		case <-hold.C:
			w.settle(m.release())
		case <-calm.C:
			w.look()
		case <-w.session.judge:
			w.look()
		case <-ctx.Done():
			return ctx.Err()
		}
		if len(m.held) == 0 {
			hold.Stop()
		} else {
			hold.Reset(holdBack)
		}
	}
}

// shows reports whether the newest snapshot is of a time or later.
func (w *watch) shows(at int64) bool {
	s := w.session
	s.learner.mu.Lock()
	defer s.learner.mu.Unlock()
	return s.snapshot != nil && s.snapshot.Time >= at
}

func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// update takes a message of the agent.
func (w *watch) update(m *merger, u sandbox.Update) {
	if u.Moments != nil {
		w.moments(m, *u.Moments)
	}
	if u.Snapshot == nil {
		return
	}
	w.settle(m.look(u.Snapshot, w.session.asking.Load()))
	if w.newer(u.Snapshot) {
		w.look()
	}
}

// newer shows a snapshot to the pages, unless it was on its way while a newer one was asked for.
func (w *watch) newer(snapshot *sandbox.Snapshot) bool {
	s := w.session
	s.learner.mu.Lock()
	defer s.learner.mu.Unlock()
	if s.snapshot != nil && after(s.snapshot, snapshot) {
		return false
	}
	s.snapshot = snapshot
	s.learner.notify()
	return true
}

// after reports whether a snapshot is newer than another of the same life of the agent.
func after(a, b *sandbox.Snapshot) bool { return a.Agent == b.Agent && a.Seq > b.Seq }

func (w *watch) moments(m *merger, run sandbox.Moments) {
	out, lost := m.take(run)
	if lost > 0 || len(out) > 0 {
		w.add(out, lost)
	}
}

func (w *watch) settle(out []sandbox.Moment) {
	if len(out) > 0 {
		w.add(out, 0)
	}
}

// add gives moments to the pages and the attempt.
func (w *watch) add(out []sandbox.Moment, lost uint64) {
	s := w.session
	s.learner.mu.Lock()
	defer s.learner.mu.Unlock()
	s.moments.add(out)
	s.moments.lost += lost
	if s.attempt != nil {
		s.attempt.see(since(out, s.since))
	}
	s.learner.notify()
}

// since are the moments of the step.
func since(moments []sandbox.Moment, start int64) []sandbox.Moment {
	var out []sandbox.Moment
	for _, m := range moments {
		if m.Time > start {
			out = append(out, m)
		}
	}
	return out
}

// look lets the attempt judge the newest snapshot, if it is of the step and fresh.
func (w *watch) look() {
	s := w.session
	l := s.learner
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.attempt == nil || s.snapshot == nil || s.cancelSee == nil {
		return
	}
	now := time.Now().UnixMilli()
	if s.attempt.look(s.snapshot, now) {
		s.changed()
	}
	l.taped(true, now)
	if len(s.attempt.due()) > 0 {
		poke(s.probing)
	}
	l.notify()
}

// changed takes new marks into the learner's progress and has both saved. The caller holds the lock.
func (s *session) changed() {
	if s.learner.session == s {
		s.learner.absorb(s.lab.ID, s.attempt)
	}
	s.touched()
}
