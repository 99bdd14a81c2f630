package labs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"podlab/labs/expr"
	"podlab/sandbox"
)

// How long a proof waits.
const (
	proveStart  = 60 * time.Second // for a node in the step's start
	proveQuiet  = 3 * time.Second  // that nothing may come true by itself; longer than probeGap
	proveResult = 20 * time.Second // for what an action is to bring about
)

// Finding is one thing that a proof looked at.
type Finding struct {
	Step string
	What string // "before", "solution", "wrong own-net", …
	Err  error  // nil: as it should be
}

func (f Finding) String() string {
	if f.Err != nil {
		return fmt.Sprintf("FAIL %s: %s: %v", f.Step, f.What, f.Err)
	}
	return fmt.Sprintf("ok   %s: %s", f.Step, f.What)
}

// Prove does a lab on real nodes as sessions do it, and tells each finding: in every step's start no check is passed (but for
// those to hold) and no prediction judged; the solution passes all checks, judges all predictions and reaches all that can be
// reached; every wrong solution is recognised and does not pass; a step that continues another one can be solved after it too;
// every "found" is shown at least once; no expression fails but for what is not there. The error is about the proof itself.
func Prove(ctx context.Context, nodes sandbox.Nodes, course *Course, lab *Lab, tell func(Finding)) error {
	p := &proof{lab: lab, tell: tell, found: map[string]bool{}, faults: map[string]error{}}
	sessions, err := Open(ctx, Config{
		Course: course, Nodes: nodes, Store: NewMemory(), Prefix: "proof-" + randomID()[:6] + "-", Log: slog.New(slog.DiscardHandler),
		Fault: p.fault,
	})
	if err != nil {
		return err
	}
	p.sessions = sessions
	err = p.whole(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), proveResult)
	defer cancel()
	return errors.Join(err, p.clean(ctx), sessions.Close())
}

// proof is one run of Prove. Its learner is "proof".
type proof struct {
	lab      *Lab
	tell     func(Finding)
	sessions *Sessions
	found    map[string]bool // STEP CHECK whose found was shown

	mu     sync.Mutex
	faults map[string]error // by expression
}

const prover = "proof"

// errProof is a finding, not a failure of the proof itself.
type errProof string

func (e errProof) Error() string { return string(e) }

func (p *proof) fault(_, step, source string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults[step+": "+source] = err
}

func (p *proof) whole(ctx context.Context) error {
	for i, step := range p.lab.Steps {
		if err := p.solve(ctx, step, false); err != nil {
			return err
		}
		if i+1 < len(p.lab.Steps) && p.lab.Steps[i+1].Continue {
			if err := p.solve(ctx, p.lab.Steps[i+1], true); err != nil {
				return err
			}
		}
		for _, w := range step.Wrong {
			if err := p.wrong(ctx, step, w); err != nil {
				return err
			}
		}
		p.shown(step)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for source, err := range p.faults {
		p.tell(Finding{"", "expression " + source, err})
	}
	return nil
}

// shown says which "found" was never there to be shown.
func (p *proof) shown(step *Step) {
	for _, c := range step.Checks {
		if len(c.Found) > 0 {
			p.say(step, "found of "+c.ID, p.found[step.ID+" "+c.ID], "is never shown: its values cannot be read before the check is passed")
		}
	}
}

func (p *proof) say(step *Step, what string, ok bool, format string, args ...any) {
	f := Finding{Step: step.ID, What: what}
	if !ok {
		f.Err = errProof(fmt.Sprintf(format, args...))
	}
	p.tell(f)
}

// solve proves a step from its start, or as the continuation of the step before it.
func (p *proof) solve(ctx context.Context, step *Step, after bool) error {
	name := ""
	if after {
		name = " after the step before"
	}
	page, err := p.begin(ctx, step, after)
	if err != nil {
		p.tell(Finding{step.ID, "start" + name, err})
		return ctx.Err()
	}
	defer page.sub.Close()
	_ = page.until(ctx, proveQuiet, func(SessionView) bool { return false }) // its end is its purpose
	p.before(step, name, page.view)
	if err := p.act(ctx, step.Solution); err != nil {
		p.tell(Finding{step.ID, "solution" + name, err})
		return ctx.Err()
	}
	err = page.until(ctx, proveResult, func(v SessionView) bool { return missing(step, v) == "" })
	p.say(step, "solution"+name, err == nil, "%s", missing(step, page.view))
	return ctx.Err()
}

// before says what is there already in a step's start.
func (p *proof) before(step *Step, name string, v SessionView) {
	var early []string
	for _, c := range v.Checks {
		if check, ok := step.Check(c.ID); ok && !check.Hold && c.State == CheckPassed {
			early = append(early, "check "+c.ID+" is passed")
		}
	}
	for _, x := range v.Predictions {
		if x.Outcome != "" || x.Missed {
			early = append(early, "prediction "+x.ID+" is judged")
		}
	}
	p.say(step, "before"+name, len(early) == 0, "%s before anything was done", strings.Join(early, ", "))
}

// missing says what a solution did not bring about.
func missing(step *Step, v SessionView) string {
	var all []string
	for _, c := range v.Checks {
		if c.State != CheckPassed {
			all = append(all, fmt.Sprintf("check %s is %s (wrong %q, found %v)", c.ID, c.State, c.Wrong, c.Found))
		}
	}
	for _, x := range v.Predictions {
		if x.Outcome == "" {
			all = append(all, "prediction "+x.ID+" is not judged")
		}
		if x.Outcome != "" && len(step.Predictions) > 0 && !seenAll(step, x) {
			all = append(all, "prediction "+x.ID+": seen could not be read")
		}
	}
	for _, r := range step.Reached {
		if !slices.Contains(v.Reached, r.ID) {
			all = append(all, r.ID+" is not reached")
		}
	}
	return strings.Join(all, ", ")
}

func seenAll(step *Step, state PredictionState) bool {
	x, ok := step.Prediction(state.ID)
	return ok && len(state.Seen) == len(x.Seen)
}

// wrong proves that a wrong solution is recognised and does not pass.
func (p *proof) wrong(ctx context.Context, step *Step, w *Wrong) error {
	what := "wrong " + w.ID
	page, err := p.begin(ctx, step, false)
	if err != nil {
		p.tell(Finding{step.ID, what, err})
		return ctx.Err()
	}
	defer page.sub.Close()
	if err := p.act(ctx, w.Do); err != nil {
		p.tell(Finding{step.ID, what, err})
		return ctx.Err()
	}
	recognised := func(v SessionView) bool {
		i := slices.IndexFunc(v.Checks, func(c CheckState) bool { return c.ID == w.Check })
		return i >= 0 && v.Checks[i].Wrong == w.ID
	}
	passed := func(v SessionView) bool {
		i := slices.IndexFunc(v.Checks, func(c CheckState) bool { return c.ID == w.Check })
		return i >= 0 && v.Checks[i].State == CheckPassed
	}
	if err := page.until(ctx, proveResult, recognised); err != nil {
		p.say(step, what, false, "is not recognised: %s", cmp.Or(missing(step, page.view), "all checks are passed"))
		return ctx.Err()
	}
	err = page.until(ctx, proveQuiet, passed)
	p.say(step, what, err != nil, "check %s passes", w.Check)
	return ctx.Err()
}

// begin brings the learner of the proof into a step, on a fresh node or after the step before.
func (p *proof) begin(ctx context.Context, step *Step, after bool) (*proofPage, error) {
	sub, err := p.sessions.Subscribe(prover, p.lab.ID, step.ID)
	if err != nil {
		return nil, err
	}
	page := &proofPage{proof: p, sub: sub, step: step}
	old := -1
	if after {
		err = p.sessions.Start(prover, p.lab.ID, step.ID)
	} else {
		_ = page.until(ctx, proveStart, func(v SessionView) bool { old = v.Generation; return true }) // its error comes again below
		err = p.sessions.Reset(prover, p.lab.ID, step.ID)
	}
	if err == nil {
		err = page.until(ctx, proveStart, func(v SessionView) bool {
			return v.Phase == PhaseGone || v.Phase == PhaseReady && v.Step == step.ID && v.Generation > old
		})
	}
	if err == nil && page.view.Phase == PhaseGone {
		err = fmt.Errorf("the step's start fails: %w", page.view.Error)
	}
	if err != nil {
		sub.Close()
		return nil, err
	}
	return page, nil
}

func (p *proof) act(ctx context.Context, actions []Action) error {
	access, err := p.sessions.Agent(prover, p.lab.ID)
	if err != nil {
		return err
	}
	return Actor{Agent: access, Lab: p.lab, seen: p.seen}.Do(ctx, actions)
}

// seen is what the attempt of the proof's session saw and kept.
func (p *proof) seen() (moments expr.Moments, kept map[string]string) {
	who := p.sessions.known(prover, nil)
	if who == nil {
		return nil, nil
	}
	defer p.sessions.release(who)
	who.mu.Lock()
	defer who.mu.Unlock()
	if who.session == nil || who.session.attempt == nil {
		return nil, nil
	}
	a := who.session.attempt
	return slices.Clone(a.seen), maps.Clone(a.marks.Kept)
}

// clean ends the proof's session and waits until its nodes are gone.
func (p *proof) clean(ctx context.Context) error {
	if err := p.sessions.End(prover, p.lab.ID); err != nil {
		return err
	}
	for {
		nodes, err := p.sessions.cfg.Nodes.List(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(nodes, func(n sandbox.Node) bool { return strings.HasPrefix(n.Spec.ID, p.sessions.cfg.Prefix) }) {
			return nil
		}
		if err := sleep(ctx, waitPace); err != nil {
			return err
		}
	}
}

// proofPage reads frames.
type proofPage struct {
	*proof
	sub  *Subscription
	step *Step
	view SessionView
	seen bool // a view is there
}

var errTimeout = errors.New("did not come about")

// until reads frames until one is as wanted; the last one may be already.
func (p *proofPage) until(ctx context.Context, limit time.Duration, wanted func(SessionView) bool) error {
	if p.seen && wanted(p.view) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		frame, err := p.sub.Next(ctx)
		if err != nil {
			return errTimeout
		}
		p.view, p.seen = frame.Session, true
		for _, c := range p.view.Checks {
			if len(c.Found) > 0 {
				p.found[p.step.ID+" "+c.ID] = true
			}
		}
		if wanted(p.view) {
			return nil
		}
	}
}
