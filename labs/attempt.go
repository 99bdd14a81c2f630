package labs

import (
	"maps"
	"slices"

	"podlab/labs/expr"
	"podlab/sandbox"
)

// attempt is one run of one step: it is shown what is on the node and says what was reached. It has no goroutine and no clock of its
// own; whoever has it guards it.
type attempt struct {
	step    *Step
	marks   Marks
	seen    expr.Moments // the step's
	lost    map[string]bool
	wrong   map[string]string            // by check: the known wrong solution that is there now
	found   map[string]map[string]string // by check: what is there instead
	guarded map[string]bool              // by check with a probe: its guard held at the last look
	fault   func(source string, err error)
}

// newAttempt starts a run, or goes on with one from its marks.
func newAttempt(step *Step, marks Marks) *attempt {
	a := &attempt{
		step: step, marks: marks, lost: map[string]bool{}, wrong: map[string]string{},
		found: map[string]map[string]string{}, guarded: map[string]bool{}, fault: func(string, error) {},
	}
	if a.marks.Kept == nil {
		a.marks.Kept = map[string]string{}
	}
	if a.marks.Checks == nil {
		a.marks.Checks = map[string]int64{}
	}
	a.marks.Predictions = nil
	for _, x := range step.Predictions {
		a.marks.Predictions = append(a.marks.Predictions, before(marks.Predictions, x.ID))
	}
	return a
}

// before is what an earlier life of the server knew of a prediction.
func before(states []PredictionState, id string) PredictionState {
	for _, s := range states {
		if s.ID == id {
			return s
		}
	}
	return PredictionState{ID: id}
}

// see takes moments, in order.
func (a *attempt) see(moments []sandbox.Moment) { a.seen.Add(moments) }

// look judges everything that is open over a snapshot. now is Unix milliseconds. It reports whether the learner's marks changed:
// those are to be saved.
func (a *attempt) look(snapshot *sandbox.Snapshot, now int64) (changed bool) {
	at := expr.NewScope(snapshot, a.seen, a.marks.Kept)
	changed = a.keep(at)
	for i, x := range a.step.Predictions {
		changed = a.judge(x, &a.marks.Predictions[i], at) || changed
	}
	for _, c := range a.step.Checks {
		changed = a.check(c, at, now) || changed
	}
	for _, r := range a.step.Reached {
		if !slices.Contains(a.marks.Reached, r.ID) && a.holds(r.When, at) {
			a.marks.Reached = append(a.marks.Reached, r.ID)
			changed = true
		}
	}
	return changed
}

// holds evaluates a condition; an error is not true, and is told when it is more than something that is not there.
func (a *attempt) holds(c *expr.Condition, at *expr.Scope) bool {
	holds, err := c.Holds(at)
	a.tell(c.Source, err)
	return holds
}

func (a *attempt) tell(source string, err error) {
	if err != nil && !expr.IsAbsent(err) {
		a.fault(source, err)
	}
}

func (a *attempt) keep(at *expr.Scope) (changed bool) {
	for _, k := range a.step.Keep {
		if _, kept := a.marks.Kept[k.ID]; kept || !a.holds(k.When, at) {
			continue
		}
		text, err := k.Value.Text(at)
		a.tell(k.Value.Source, err)
		if err == nil {
			a.marks.Kept[k.ID] = text
			changed = true
		}
	}
	return changed
}

// judge looks whether what was asked about has happened, and which option it was. Where no option is true yet, it looks again.
func (a *attempt) judge(x *Prediction, state *PredictionState, at *expr.Scope) (changed bool) {
	if state.Outcome != "" || !a.holds(x.When, at) {
		return false
	}
	if state.Answer == "" && !state.Missed {
		state.Missed = true
		changed = true
	}
	for _, option := range x.Options {
		if !a.holds(x.Answers[option], at) {
			continue
		}
		state.Outcome = option
		seen, err := expr.Texts(x.Seen, at)
		a.tell(x.When.Source, err)
		state.Seen = seen
		return true
	}
	return changed
}

// check looks at one check that is not passed for good.
func (a *attempt) check(c *Check, at *expr.Scope, now int64) (changed bool) {
	_, passed := a.marks.Checks[c.ID]
	if passed && !c.Hold {
		return false
	}
	holds := a.holds(c.When, at)
	if c.probed() {
		a.guarded[c.ID] = holds
		if !holds && passed {
			a.lost[c.ID] = true
		}
	} else {
		changed = a.settle(c, holds, now)
	}
	a.explain(c, at)
	return changed
}

// settle takes a verdict over a check.
func (a *attempt) settle(c *Check, holds bool, now int64) (changed bool) {
	_, passed := a.marks.Checks[c.ID]
	if !holds {
		a.lost[c.ID] = passed
		return false
	}
	a.lost[c.ID] = false
	if passed {
		return false
	}
	a.marks.Checks[c.ID] = now
	return true
}

// explain says what is there instead of what was wanted.
func (a *attempt) explain(c *Check, at *expr.Scope) {
	delete(a.wrong, c.ID)
	delete(a.found, c.ID)
	if a.passed(c) {
		return
	}
	for _, w := range a.step.Wrong {
		if w.Check == c.ID && a.holds(w.When, at) {
			a.wrong[c.ID] = w.ID
			break
		}
	}
	found, err := expr.Texts(c.Found, at)
	a.tell(c.ID, err)
	if err == nil && found != nil {
		a.found[c.ID] = found
	}
}

// passed reports whether a check is passed now.
func (a *attempt) passed(c *Check) bool {
	_, passed := a.marks.Checks[c.ID]
	return passed && !a.lost[c.ID]
}

// due are the checks whose probe is to be run.
func (a *attempt) due() []*Check {
	var due []*Check
	for _, c := range a.step.Checks {
		if c.probed() && a.guarded[c.ID] && (c.Hold || !a.passed(c)) {
			due = append(due, c)
		}
	}
	return due
}

// probed takes the result of a probe.
func (a *attempt) probed(c *Check, holds bool, now int64) (changed bool) {
	changed = a.settle(c, holds, now)
	if a.passed(c) {
		delete(a.wrong, c.ID)
		delete(a.found, c.ID)
	}
	return changed
}

// predict locks an answer.
func (a *attempt) predict(id, option string) error {
	x, ok := a.step.Prediction(id)
	if !ok || !slices.Contains(x.Options, option) {
		return sandbox.Errorf(sandbox.CodeNotFound, "kind", "prediction", "name", id)
	}
	i := slices.Index(a.step.Predictions, x)
	state := &a.marks.Predictions[i]
	if state.Answer != "" || state.Missed {
		return sandbox.Errorf(sandbox.CodeDenied)
	}
	state.Answer = option
	return nil
}

// done reports whether the step is finished: all checks are passed at once; without checks, all predictions judged.
func (a *attempt) done() bool {
	for _, c := range a.step.Checks {
		if !a.passed(c) {
			return false
		}
	}
	if len(a.step.Checks) > 0 {
		return true
	}
	for _, p := range a.marks.Predictions {
		if p.Outcome == "" {
			return false
		}
	}
	return true
}

// checks are the states of the step's checks.
func (a *attempt) checks() []CheckState {
	all := make([]CheckState, 0, len(a.step.Checks))
	for _, c := range a.step.Checks {
		state := CheckState{ID: c.ID, State: CheckPending, At: a.marks.Checks[c.ID], Wrong: a.wrong[c.ID], Found: a.found[c.ID]}
		switch {
		case a.passed(c):
			state.State = CheckPassed
		case a.lost[c.ID]:
			state.State = CheckLost
		}
		all = append(all, state)
	}
	return all
}

// saved is a copy of the marks for the store.
func (a *attempt) saved() Marks {
	return Marks{
		Kept: maps.Clone(a.marks.Kept), Checks: maps.Clone(a.marks.Checks),
		Predictions: slices.Clone(a.marks.Predictions), Reached: slices.Clone(a.marks.Reached),
	}
}

// probed reports whether the check asks with a command or a request.
func (c *Check) probed() bool { return c.Exec != nil || c.HTTP != nil }
