package labs

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/google/cel-go/common/types/ref"

	"podlab/sandbox"
)

// maxSeen is how many moments expressions look at.
const maxSeen = 1000

// board judges one run of one step: it is shown what is on the node and says what was reached. It has no goroutine and no clock
// of its own; whoever has it guards it.
type board struct {
	step    *Step
	words   language
	marks   Marks
	seen    []ref.Val // the step's moments, oldest first
	lost    map[string]bool
	wrong   map[string]string            // by check: the known wrong solution that is there now
	found   map[string]map[string]string // by check: what is there instead
	guarded map[string]bool              // by check with a probe: its guard held at the last look
	fault   func(source string, err error)
}

// newBoard starts a run, or goes on with one from its marks.
func newBoard(step *Step, marks Marks) (*board, error) {
	words, err := vocabulary()
	if err != nil {
		return nil, err
	}
	b := &board{
		step: step, words: words, marks: marks, lost: map[string]bool{}, wrong: map[string]string{},
		found: map[string]map[string]string{}, guarded: map[string]bool{}, fault: func(string, error) {},
	}
	if b.marks.Kept == nil {
		b.marks.Kept = map[string]string{}
	}
	if b.marks.Checks == nil {
		b.marks.Checks = map[string]int64{}
	}
	b.marks.Predictions = nil
	for _, x := range step.Predictions {
		b.marks.Predictions = append(b.marks.Predictions, before(marks.Predictions, x.ID))
	}
	return b, nil
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
func (b *board) see(moments []sandbox.Moment) {
	for i := range moments {
		m := moments[i]
		b.seen = append(b.seen, value(b.words.facts, &m))
	}
	if over := len(b.seen) - maxSeen; over > 0 {
		b.seen = slices.Delete(b.seen, 0, over)
	}
}

// look judges everything that is open over a snapshot. now is Unix milliseconds. It reports whether the learner's marks changed:
// those are to be saved.
func (b *board) look(snapshot *sandbox.Snapshot, now int64) (changed bool) {
	at := newSight(b.words.facts, snapshot, b.seen, b.marks.Kept)
	changed = b.keep(at)
	for i, x := range b.step.Predictions {
		changed = b.judge(x, &b.marks.Predictions[i], at) || changed
	}
	for _, c := range b.step.Checks {
		changed = b.check(c, at, now) || changed
	}
	for _, r := range b.step.Reached {
		if !slices.Contains(b.marks.Reached, r.ID) && b.holds(r.When, at) {
			b.marks.Reached = append(b.marks.Reached, r.ID)
			changed = true
		}
	}
	return changed
}

// holds evaluates a condition; an error is not true, and is told when it is more than something that is not there.
func (b *board) holds(c *Condition, at *sight) bool {
	holds, err := c.Holds(at)
	b.tell(c.Source, err)
	return holds
}

func (b *board) tell(source string, err error) {
	if err != nil && !isAbsent(err) {
		b.fault(source, err)
	}
}

// isAbsent reports whether an evaluation failed because something is not there: an object, a key of a map, an element of a list.
// CEL has no types for the latter two.
func isAbsent(err error) bool {
	text := err.Error()
	return errors.Is(err, errAbsent) || strings.Contains(text, "no such key") || strings.Contains(text, "index out of bounds")
}

func (b *board) keep(at *sight) (changed bool) {
	for _, k := range b.step.Keep {
		if _, kept := b.marks.Kept[k.ID]; kept || !b.holds(k.When, at) {
			continue
		}
		text, err := k.Value.Text(at)
		b.tell(k.Value.Source, err)
		if err == nil {
			b.marks.Kept[k.ID] = text
			changed = true
		}
	}
	return changed
}

// judge looks whether what was asked about has happened, and which option it was. Where no option is true yet, it looks again.
func (b *board) judge(x *Prediction, state *PredictionState, at *sight) (changed bool) {
	if state.Outcome != "" || !b.holds(x.When, at) {
		return false
	}
	if state.Answer == "" && !state.Missed {
		state.Missed = true
		changed = true
	}
	for _, option := range x.Options {
		if !b.holds(x.Answers[option], at) {
			continue
		}
		state.Outcome = option
		seen, err := texts(x.Seen, at)
		b.tell(x.When.Source, err)
		state.Seen = seen
		return true
	}
	return changed
}

// check looks at one check that is not passed for good.
func (b *board) check(c *Check, at *sight, now int64) (changed bool) {
	_, passed := b.marks.Checks[c.ID]
	if passed && !c.Hold {
		return false
	}
	holds := b.holds(c.When, at)
	if c.probed() {
		b.guarded[c.ID] = holds
		if !holds && passed {
			b.lost[c.ID] = true
		}
	} else {
		changed = b.settle(c, holds, now)
	}
	b.explain(c, at)
	return changed
}

// settle takes a verdict over a check.
func (b *board) settle(c *Check, holds bool, now int64) (changed bool) {
	_, passed := b.marks.Checks[c.ID]
	if !holds {
		b.lost[c.ID] = passed
		return false
	}
	b.lost[c.ID] = false
	if passed {
		return false
	}
	b.marks.Checks[c.ID] = now
	return true
}

// explain says what is there instead of what was wanted.
func (b *board) explain(c *Check, at *sight) {
	delete(b.wrong, c.ID)
	delete(b.found, c.ID)
	if b.passed(c) {
		return
	}
	for _, w := range b.step.Wrong {
		if w.Check == c.ID && b.holds(w.When, at) {
			b.wrong[c.ID] = w.ID
			break
		}
	}
	found, err := texts(c.Found, at)
	b.tell(c.ID, err)
	if err == nil && found != nil {
		b.found[c.ID] = found
	}
}

// passed reports whether a check is passed now.
func (b *board) passed(c *Check) bool {
	_, passed := b.marks.Checks[c.ID]
	return passed && !b.lost[c.ID]
}

// due are the checks whose probe is to be run.
func (b *board) due() []*Check {
	var due []*Check
	for _, c := range b.step.Checks {
		if c.probed() && b.guarded[c.ID] && (c.Hold || !b.passed(c)) {
			due = append(due, c)
		}
	}
	return due
}

// probed takes the result of a probe.
func (b *board) probed(c *Check, holds bool, now int64) (changed bool) {
	changed = b.settle(c, holds, now)
	if b.passed(c) {
		delete(b.wrong, c.ID)
		delete(b.found, c.ID)
	}
	return changed
}

// predict locks an answer.
func (b *board) predict(id, option string) error {
	x, ok := b.step.Prediction(id)
	if !ok || !slices.Contains(x.Options, option) {
		return sandbox.Errorf(sandbox.CodeNotFound, "kind", "prediction", "name", id)
	}
	i := slices.Index(b.step.Predictions, x)
	state := &b.marks.Predictions[i]
	if state.Answer != "" || state.Missed {
		return sandbox.Errorf(sandbox.CodeDenied)
	}
	state.Answer = option
	return nil
}

// done reports whether the step is finished: all checks are passed at once; without checks, all predictions judged.
func (b *board) done() bool {
	for _, c := range b.step.Checks {
		if !b.passed(c) {
			return false
		}
	}
	if len(b.step.Checks) > 0 {
		return true
	}
	for _, p := range b.marks.Predictions {
		if p.Outcome == "" {
			return false
		}
	}
	return true
}

// checks are the states of the step's checks.
func (b *board) checks() []CheckState {
	all := make([]CheckState, 0, len(b.step.Checks))
	for _, c := range b.step.Checks {
		state := CheckState{ID: c.ID, State: CheckPending, At: b.marks.Checks[c.ID], Wrong: b.wrong[c.ID], Found: b.found[c.ID]}
		switch {
		case b.passed(c):
			state.State = CheckPassed
		case b.lost[c.ID]:
			state.State = CheckLost
		}
		all = append(all, state)
	}
	return all
}

// saved is a copy of the marks for the store.
func (b *board) saved() Marks {
	return Marks{
		Kept: maps.Clone(b.marks.Kept), Checks: maps.Clone(b.marks.Checks),
		Predictions: slices.Clone(b.marks.Predictions), Reached: slices.Clone(b.marks.Reached),
	}
}

// probed reports whether the check asks with a command or a request.
func (c *Check) probed() bool { return c.Exec != nil || c.HTTP != nil }
