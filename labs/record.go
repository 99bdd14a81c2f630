package labs

import (
	"cmp"
	"context"

	"podlab/sandbox"
)

// show fills in what a page sees of the session. The caller holds the lock.
func (s *session) show(v *SessionView) {
	v.Step, v.Stage, v.Place, v.Error = s.step.ID, s.stage, s.place, s.err
	v.Started, v.Deadline, v.Generation = s.started, s.deadline, s.generation
	v.Extendable = s.extendable(s.all.read().wall)
	if s.attempt != nil {
		v.Checks, v.Reached = s.attempt.checks(), append([]string{}, s.attempt.marks.Reached...)
		v.Predictions = append([]PredictionState{}, s.attempt.marks.Predictions...)
	}
}

// record is what the store keeps. The caller holds the lock.
func (s *session) record() *Record {
	r := &Record{
		Learner: s.learner.id, Lab: s.lab.ID, Step: s.step.ID, Generation: s.generation, Node: s.node, Ready: s.ready,
		Started: s.started, Deadline: s.deadline, Since: s.since,
	}
	if s.attempt != nil {
		r.Marks = s.attempt.saved()
	}
	if s.phase == PhaseGone {
		r.Gone = s.err
	}
	return r
}

// adopt takes up a session that an earlier life of the server had. The caller holds the lock.
func (s *session) adopt(r Record) {
	s.generation, s.node, s.ready = r.Generation, r.Node, r.Ready
	s.started, s.deadline, s.since = r.Started, r.Deadline, r.Since
	switch {
	case r.Node == "":
		s.phase, s.stage, s.err = PhaseGone, "", cmp.Or(r.Gone, sandbox.NodeGone("", ""))
	case !r.Ready: // it fell between two chairs: once more
		s.wish = &wish{fresh: s.step}
	default:
		s.attempt = s.newAttempt(r.Marks)
	}
}

// saver writes what changed, and tries again what could not be written.
func (s *session) saver(ctx context.Context) {
	for {
		select {
		case <-s.unsaved:
		case <-ctx.Done():
			return
		}
		save := func() error { return s.learner.save(ctx) }
		if untilDone(ctx, save, func(err error) { s.log.Error("session is not saved", "error", err) }) != nil {
			return
		}
	}
}
