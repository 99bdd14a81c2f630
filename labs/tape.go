package labs

import (
	"context"
	"reflect"
	"slices"
	"time"

	"podlab/sandbox"
)

// Bounds of a tape.
const (
	maxTape = 200                   // states that it holds and nobody has read yet
	tapeGap = 50 * time.Millisecond // at least, between two states that were not judged
)

// Tape is what a recording sees of a learner's session: every state that the judge looked at and all moments, so that Judge gives the
// same verdicts over it. It is no page: while only a tape looks, nobody does, and the node may rest. One goroutine reads it.
type Tape struct {
	sessions *Sessions
	learner  *learner
	lab      *Lab
	started  int64 // Unix milliseconds
	wake     chan struct{}
	last     time.Time // when Next returned

	// under learner.mu
	queue   []Taken
	attempt *attempt // the one that was told last
	at      position
	told    SessionView // of the last state
}

// Taken is one state on a tape.
type Taken struct {
	Frame  Frame  // its session's Step is where the node is
	Begun  *Begun // a judge began before this frame, or goes on from here
	Judged bool   // the judge looked at this
}

// Begun is what a judge knows when it begins.
type Begun struct {
	Step  string `json:"step"`
	Since int64  `json:"since"` // of the step, microseconds since boot: earlier moments do not count
	Marks Marks  `json:"marks"`
}

// Record begins a tape of a learner's live session. Close it. Errors: not_found (no session), denied (there is a tape already).
func (s *Sessions) Record(id, lab string) (*Tape, error) {
	l, ok := s.cfg.Course.Lab(lab)
	if !ok {
		return nil, sandbox.Errorf(sandbox.CodeNotFound, "kind", "lab", "name", lab)
	}
	who, err := s.acquire(s.ctx, id)
	if err != nil {
		return nil, err
	}
	t := &Tape{sessions: s, learner: who, lab: l, started: time.Now().UnixMilli(), wake: make(chan struct{}, 1)}
	err = locked(who, func() error {
		switch {
		case who.session == nil || who.session.lab != l:
			return sandbox.Errorf(sandbox.CodeNotFound, "kind", "session", "name", lab)
		case who.tape != nil:
			return sandbox.Errorf(sandbox.CodeDenied)
		}
		who.tape, who.recorded = t, nil
		t.push(t.started, false)
		who.notify()
		return nil
	})
	if err != nil {
		s.release(who)
		return nil, err
	}
	return t, nil
}

// Started is time 0 of the tape, Unix milliseconds.
func (t *Tape) Started() int64 { return t.started }

// Next returns the next state: the first at once, then each that was judged, and whatever else changed at most twenty times a second.
// When ctx ends, what there is until then comes before the error.
func (t *Tape) Next(ctx context.Context) (Taken, error) {
	for {
		if taken, ok := t.pop(); ok {
			t.last = time.Now()
			return taken, nil
		}
		if err := ctx.Err(); err != nil {
			return Taken{}, err
		}
		select {
		case <-t.wake:
		case <-ctx.Done():
		}
		t.gap(ctx)
		t.add()
	}
}

// gap waits until another state may be added that was not judged, or ctx ends.
func (t *Tape) gap(ctx context.Context) {
	timer := time.NewTimer(tapeGap - time.Since(t.last))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (t *Tape) pop() (Taken, bool) {
	t.learner.mu.Lock()
	defer t.learner.mu.Unlock()
	if len(t.queue) == 0 {
		return Taken{}, false
	}
	first := t.queue[0]
	t.queue = slices.Delete(t.queue, 0, 1)
	return first, true
}

// add puts what changed since the last state behind it.
func (t *Tape) add() {
	t.learner.mu.Lock()
	defer t.learner.mu.Unlock()
	t.push(time.Now().UnixMilli(), false)
}

// push puts the state at a time (Unix milliseconds) on the tape, unless it is neither judged nor new. A reader that is too slow loses what
// it has not read. The caller holds learner.mu.
func (t *Tape) push(now int64, judged bool) {
	if len(t.queue) >= maxTape {
		t.queue, t.attempt, t.at = nil, nil, position{}
	}
	f := t.sessions.frame(now, t.view())
	taken := Taken{Judged: judged}
	if on := t.learner.session; on != nil && on.lab == t.lab {
		taken.Begun = t.judge(on)
		for t.at.tell(on, on.moments.first(), &f) { // all moments: a state is as large as it must be
		}
	}
	nothing := taken.Begun == nil && f.Snapshot == nil && len(f.Moments) == 0 && f.Lost == 0
	if !judged && nothing && reflect.DeepEqual(f.Session, t.told) {
		return
	}
	taken.Frame, t.told = f, f.Session
	t.queue = append(t.queue, taken)
}

// taped puts the state at a time (Unix milliseconds) on the tape, if there is one. The caller holds l.mu.
func (l *learner) taped(judged bool, now int64) {
	if l.tape == nil {
		return
	}
	l.tape.push(now, judged)
	poke(l.tape.wake)
}

// view is the session as a page of the step that it is in shows it. The caller holds learner.mu.
func (t *Tape) view() SessionView {
	step := t.lab.Steps[0]
	if on := t.learner.session; on != nil && on.lab == t.lab {
		step = on.step
	}
	return t.learner.view(t.lab, step)
}

// judge tells of a judge that was not told of yet. The caller holds learner.mu.
func (t *Tape) judge(on *session) *Begun {
	if on.attempt == t.attempt {
		return nil
	}
	t.attempt = on.attempt
	if on.attempt == nil {
		return nil
	}
	return &Begun{Step: on.attempt.step.ID, Since: on.since, Marks: on.attempt.saved()}
}

// Close ends it; why, if any, is what the learner is told.
func (t *Tape) Close(why *sandbox.Error) {
	l := t.learner
	l.mu.Lock()
	l.tape, l.recorded = nil, why
	l.notify()
	l.mu.Unlock()
	t.sessions.release(l)
}
