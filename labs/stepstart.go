package labs

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"podlab/labs/warm"
	"podlab/sandbox"
)

// prepare puts the node into the step's start, and again for every step that goes on with the same node.
func (s *session) prepare(ctx context.Context, agent sandbox.Agent, w *watch) error {
	fresh := true
	for {
		s.learner.mu.Lock()
		step, ready := s.step, s.ready
		s.learner.mu.Unlock()
		if !ready {
			if err := s.setUp(ctx, agent, w, step, fresh); err != nil {
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

func (s *session) setUp(ctx context.Context, agent sandbox.Agent, w *watch, step *Step, fresh bool) error {
	start, ahead, err := s.setUpAhead(ctx, agent, fresh)
	if !ahead {
		start, err = Actor{Agent: agent, Lab: s.lab}.setUp(ctx, step, fresh)
	}
	if err != nil {
		return err
	}
	// Whose processes there are is known before the learner can end one.
	if err := send(ctx, w.updates, sandbox.Update{Snapshot: &start.Now}); err != nil {
		return err
	}
	s.begin(step, start) // the saver writes it, and tries again while the store fails
	return nil
}

// setUp brings a node into a step's start, from nothing if it is fresh.
func (a Actor) setUp(ctx context.Context, step *Step, fresh bool) (start warm.Start, err error) {
	if err := a.manifests(ctx, step, fresh); err != nil {
		return start, err
	}
	if fresh {
		if err := a.Do(ctx, step.Start); err != nil {
			return start, err
		}
	}
	boot := bootTime()
	if start.Now, err = a.Agent.Snapshot(ctx); err != nil {
		return start, err
	}
	start.Since = stepStart(&start.Now, boot)
	return start, nil
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

// begin opens an attempt at a step. Nothing needs to change on the node before it is judged.
func (s *session) begin(step *Step, start warm.Start) {
	s.learner.mu.Lock()
	defer s.learner.mu.Unlock()
	if s.step != step || s.wish != nil {
		return
	}
	s.attempt, s.since, s.ready = s.newAttempt(Marks{}), start.Since, true
	s.attempt.see(since(s.moments.items, s.since)) // what came already
	if s.snapshot == nil || !after(s.snapshot, &start.Now) {
		s.snapshot = &start.Now
	}
	s.phase, s.stage, s.err = PhaseReady, "", nil
	s.touched()
	s.learner.taped(false, time.Now().UnixMilli()) // a judge is told of before it looks
	s.learner.notify()
	poke(s.judge)
}

func (s *session) newAttempt(marks Marks) *attempt {
	a := newAttempt(s.step, marks)
	lab, step := s.lab.ID, s.step.ID
	a.fault = func(source string, err error) { s.all.cfg.Fault(lab, step, source, err) }
	return a
}

// proceed goes on to a step on the same node. The caller holds the lock.
func (s *session) proceed(step *Step) {
	s.step, s.ready, s.attempt = step, false, nil
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
