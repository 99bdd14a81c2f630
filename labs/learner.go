package labs

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"podlab/sandbox"
)

// learner is one learner who looks or has a session. Its lock guards the session's state too.
type learner struct {
	id    string
	store Store

	mu          sync.Mutex
	session     *session // nil: none
	ended       string   // lab of the session that ended last
	generation  int
	subs        map[*Subscription]struct{}
	tape        *Tape          // of the recording that is being made; nil: none
	recorded    *sandbox.Error // why the last one ended by itself
	left        time.Time      // when the last page went away
	progress    map[string]Progress
	dirty       map[string]bool // labs whose progress is to be saved
	dirtyRecord bool            // the session's record is to be saved

	saving sync.Mutex // one save at a time: the newest state is what stays
}

func newLearner(id string, store Store, progress map[string]Progress) *learner {
	if progress == nil {
		progress = map[string]Progress{}
	}
	return &learner{
		id: id, store: store, subs: map[*Subscription]struct{}{}, left: time.Now(), progress: progress, dirty: map[string]bool{},
	}
}

// notify wakes every page. The caller holds l.mu.
func (l *learner) notify() {
	for s := range l.subs {
		s.poke()
	}
	if l.tape != nil {
		poke(l.tape.wake)
	}
}

// save writes what changed since the last save. What could not be written stays marked and is tried again with the next save.
func (l *learner) save(ctx context.Context) error {
	l.saving.Lock()
	defer l.saving.Unlock()
	l.mu.Lock()
	labs, recordToo := l.dirty, l.dirtyRecord
	l.dirty, l.dirtyRecord = map[string]bool{}, false
	progress := map[string]Progress{}
	for lab := range labs {
		progress[lab] = l.progress[lab].clone()
	}
	var record *Record
	if l.session != nil {
		record = l.session.record()
	}
	l.mu.Unlock()

	var errs []error
	for lab, p := range progress {
		if err := l.store.SaveProgress(ctx, l.id, lab, p); err != nil {
			errs = append(errs, err)
			l.again(lab)
		}
	}
	if recordToo {
		if err := l.saveRecord(ctx, record); err != nil {
			errs = append(errs, err)
			l.again("")
		}
	}
	return errors.Join(errs...)
}

func (l *learner) saveRecord(ctx context.Context, record *Record) error {
	if record == nil {
		return l.store.DeleteSession(ctx, l.id)
	}
	return l.store.SaveSession(ctx, *record)
}

func (l *learner) again(lab string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if lab == "" {
		l.dirtyRecord = true
	} else {
		l.dirty[lab] = true
	}
}

// update changes a step's progress. The caller holds l.mu and saves afterwards.
func (l *learner) update(lab, step string, change func(*StepProgress)) {
	p := l.progress[lab].clone()
	s := p.Steps[step].clone()
	change(&s)
	p.Steps[step] = s
	p.Last, p.At = step, time.Now().UnixMilli()
	l.progress[lab] = p
	l.dirty[lab] = true
}

// clone copies p so that what was handed out does not change.
func (p Progress) clone() Progress {
	steps := make(map[string]StepProgress, len(p.Steps))
	for id, s := range p.Steps {
		steps[id] = s.clone()
	}
	p.Steps = steps
	return p
}

func (s StepProgress) clone() StepProgress {
	s.Checks, s.Hints, s.Predictions = cloneMap(s.Checks), cloneMap(s.Hints), cloneMap(s.Predictions)
	return s
}

func cloneMap[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return maps.Clone(m)
}

// absorb takes a run's marks into the progress. The caller holds l.mu.
func (l *learner) absorb(lab string, a *attempt) {
	done := a.done()
	l.update(lab, a.step.ID, func(p *StepProgress) {
		for id, at := range a.marks.Checks {
			if p.Checks[id] == 0 {
				p.Checks[id] = at
			}
		}
		for _, x := range a.marks.Predictions {
			first, known := p.Predictions[x.ID]
			switch {
			case !known && (x.Answer != "" || x.Missed):
				p.Predictions[x.ID] = FirstOutcome{Answer: x.Answer, Outcome: x.Outcome}
			case known && first.Answer == x.Answer && first.Outcome == "":
				first.Outcome = x.Outcome
				p.Predictions[x.ID] = first
			}
		}
		if done && p.Done == 0 {
			p.Done = time.Now().UnixMilli()
		}
	})
}

// view is the session as a page of one step sees it. The caller holds l.mu.
func (l *learner) view(lab *Lab, step *Step) SessionView {
	v := SessionView{Lab: lab.ID, Step: step.ID, Phase: l.phase(lab), Generation: l.generation, StepsDone: l.stepsDone(lab)}
	if l.tape != nil && l.tape.lab == lab {
		v.Recording = l.tape.started
	}
	v.Recorded = l.recorded
	s := l.session
	switch {
	case s != nil && s.lab == lab:
		s.show(&v)
	case s != nil:
		v.OtherLab = s.lab.ID
	}
	switch {
	case s == nil || s.lab != lab || s.step != step:
		l.showProgress(&v, step, l.progress[lab.ID].Steps[step.ID])
	case s.attempt == nil: // being started: this run has nothing yet
		l.showProgress(&v, step, StepProgress{})
	}
	return v
}

// phase is that of the session as a page of a lab sees it. The caller holds l.mu.
func (l *learner) phase(lab *Lab) string {
	switch {
	case l.session != nil && l.session.lab == lab:
		return l.session.phase
	case l.session == nil && l.ended == lab.ID:
		return PhaseEnded
	}
	return PhaseNone
}

func (l *learner) stepsDone(lab *Lab) []string {
	done := []string{}
	for _, s := range lab.Steps {
		if l.progress[lab.ID].Steps[s.ID].Done != 0 {
			done = append(done, s.ID)
		}
	}
	return done
}

// showProgress fills in what earlier runs left of a step that is not attempted now: nothing is open, nothing is judged.
func (l *learner) showProgress(v *SessionView, step *Step, p StepProgress) {
	v.Checks, v.Predictions, v.Reached = []CheckState{}, []PredictionState{}, []string{}
	for _, c := range step.Checks {
		state := CheckState{ID: c.ID, State: CheckPending, At: p.Checks[c.ID]}
		if state.At != 0 {
			state.State = CheckPassed
		}
		v.Checks = append(v.Checks, state)
	}
	for _, x := range step.Predictions {
		v.Predictions = append(v.Predictions, PredictionState{ID: x.ID})
	}
}

// hint grants the next tier of a check's hints. The caller holds l.mu.
func (l *learner) hint(lab *Lab, step *Step, check *Check) int {
	tier := min(l.progress[lab.ID].Steps[step.ID].Hints[check.ID]+1, check.Hints)
	l.update(lab.ID, step.ID, func(p *StepProgress) { p.Hints[check.ID] = tier })
	return tier
}

// unavailable is the error of a session whose node cannot be reached now.
func unavailable(what string) *sandbox.Error {
	return sandbox.Errorf(sandbox.CodeUnavailable, "what", what)
}
