package labs

import (
	"slices"

	"podlab/sandbox"
)

// Judge judges what was recorded, as the learner's session did: what a Tape told, in order. It is for one goroutine.
type Judge struct {
	lab      *Lab
	attempt  *attempt
	since    int64
	log      momentLog
	snapshot *sandbox.Snapshot
	session  SessionView
	given    map[string]bool // checks that were not judged here
}

// NewJudge makes a judge for a recording of a lab.
func NewJudge(lab *Lab) *Judge { return &Judge{lab: lab} }

// Take shows the next state. Probes ask a node that is no more: what they answered is taken from the recording. Errors: not_found (the
// lab has no such step).
func (j *Judge) Take(t Taken) error {
	f := &t.Frame
	if !f.Session.SameNode(j.session) {
		j.attempt, j.snapshot, j.log = nil, nil, momentLog{}
	}
	j.session = f.Session
	if t.Begun != nil {
		if err := j.begin(t.Begun, f.Session); err != nil {
			return err
		}
	}
	j.log.add(f.Moments)
	if f.Snapshot != nil {
		j.snapshot = f.Snapshot
	}
	if j.attempt == nil {
		return nil
	}
	j.attempt.see(since(f.Moments, j.since))
	j.answers(f.Session)
	if t.Judged && j.snapshot != nil {
		j.attempt.look(j.snapshot, f.Now)
	}
	j.probes(f.Session)
	return nil
}

// begin takes over what was judged before the recording began: the marks, and what pages were shown of it.
func (j *Judge) begin(b *Begun, v SessionView) error {
	step, _, ok := j.lab.Step(b.Step)
	if !ok {
		return sandbox.Errorf(sandbox.CodeNotFound, "kind", "step", "name", b.Step)
	}
	j.attempt, j.since, j.given = newAttempt(step, b.Marks), b.Since, map[string]bool{}
	for id := range b.Marks.Checks {
		j.given[id] = true
	}
	j.attempt.see(since(j.log.items, j.since))
	for _, said := range v.Checks {
		j.attempt.lost[said.ID] = said.State == CheckLost
		if said.Wrong != "" {
			j.attempt.wrong[said.ID] = said.Wrong
		}
		if said.Found != nil {
			j.attempt.found[said.ID] = said.Found
		}
	}
	return nil
}

// answers locks the learner's answers: they are what was done, not what was judged.
func (j *Judge) answers(v SessionView) {
	for i := range j.attempt.marks.Predictions {
		mine := &j.attempt.marks.Predictions[i]
		if said := before(v.Predictions, mine.ID); mine.Answer == "" && !mine.Missed {
			mine.Answer = said.Answer
		}
	}
}

// probes takes what they answered.
func (j *Judge) probes(v SessionView) {
	for _, c := range j.attempt.step.Checks {
		i := slices.IndexFunc(v.Checks, func(s CheckState) bool { return s.ID == c.ID })
		if !c.probed() || i < 0 {
			continue
		}
		switch said := v.Checks[i]; {
		case said.State == CheckPassed && !j.attempt.passed(c) && j.attempt.guarded[c.ID]:
			j.attempt.probed(c, true, said.At)
			j.given[c.ID] = true
		case said.State == CheckLost && j.attempt.passed(c):
			j.attempt.probed(c, false, said.At)
		}
	}
}

// Checks are the verdicts as they stand. Nothing is judged while there is no step to do: nil.
func (j *Judge) Checks() []CheckState {
	if j.attempt == nil {
		return nil
	}
	return j.attempt.checks()
}

// Given reports whether a check's verdict is not the judge's own: passed before the recording began, or a probe's answer of then.
func (j *Judge) Given(check string) bool { return j.given[check] }

// Predictions are the judged predictions as they stand.
func (j *Judge) Predictions() []PredictionState {
	if j.attempt == nil {
		return nil
	}
	return append([]PredictionState{}, j.attempt.marks.Predictions...)
}

// Step that the judge is in; empty while there is none.
func (j *Judge) Step() string {
	if j.attempt == nil {
		return ""
	}
	return j.attempt.step.ID
}

// SameNode reports whether a snapshot of the session before still is what a page shows: not on another node, nor on none.
func (v SessionView) SameNode(before SessionView) bool {
	return v.Generation == before.Generation && (v.Phase == PhaseReady || v.Phase == PhaseStarting)
}
