package labs

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"podlab/sandbox"
)

// taped reads all that is on a tape now.
func (r *rig) taped(t *Tape) (all []Taken) {
	r.Helper()
	for {
		synctest.Wait()
		ctx, cancel := context.WithTimeout(r.Context(), 2*tapeGap)
		taken, err := t.Next(ctx)
		cancel()
		if err != nil {
			return all
		}
		text, err := json.Marshal(taken) // nothing that lives is handed on
		r.ok(err)
		var copied Taken
		r.ok(json.Unmarshal(text, &copied))
		all = append(all, copied)
	}
}

// rejudge judges a tape again and compares each verdict with the one that the learner was given.
func (r *rig) rejudge(tape []Taken) (last []CheckState) {
	r.Helper()
	lab, _ := r.cfg.Course.Lab(lab1)
	j := NewJudge(lab)
	verdicts := 0
	for i, taken := range tape {
		r.ok(j.Take(taken))
		if j.Step() == "" {
			continue
		}
		verdicts++
		if diff := cmp.Diff(taken.Frame.Session.Checks, j.Checks()); diff != "" {
			r.Fatalf("state %d of %d, step %s: checks\n%s", i, len(tape), j.Step(), diff)
		}
		if diff := cmp.Diff(taken.Frame.Session.Predictions, j.Predictions()); diff != "" {
			r.Fatalf("state %d of %d, step %s: predictions\n%s", i, len(tape), j.Step(), diff)
		}
	}
	if verdicts < 3 {
		r.Fatalf("%d verdicts in %d states", verdicts, len(tape))
	}
	return j.Checks()
}

func TestVerdictsOverATapeAreThoseOfTheSession(t *testing.T) {
	in(t, func(r *rig) {
		p := r.look(ann, lab1, "start")
		defer p.sub.Close()
		r.ok(r.Start(ann, lab1, "start"))
		p.phase(PhaseReady)
		tape, err := r.Record(ann, lab1)
		r.ok(err)
		defer tape.Close(nil)
		if v := p.until("the sign", func(v SessionView) bool { return v.Recording != 0 }); v.Recording != tape.Started() {
			r.Fatal(v.Recording, tape.Started())
		}
		if _, err := r.Record(ann, lab1); sandbox.CodeOf(err) != sandbox.CodeDenied {
			r.Fatal("two tapes at once:", err)
		}
		r.nodeOf(ann).Exit("solo", sandbox.Exit{Code: 1})
		p.until("wrong", func(v SessionView) bool { return check(v, "restarted").Wrong == "killed-solo" })
		r.ok(r.Predict(ann, lab1, "start", "ip-stays", "changes"))
		r.die(ann)
		p.until("restarted", func(v SessionView) bool { return check(v, "restarted").State == CheckPassed })
		p.until("asked", func(v SessionView) bool { return check(v, "served").State == CheckPassed })
		r.ok(r.Start(ann, lab1, "next"))
		p.until("named", func(v SessionView) bool { return v.Step == "next" && v.Phase == PhaseReady })
		r.ok(r.Reset(ann, lab1, "start"))
		p.until("again", func(v SessionView) bool {
			return v.Generation == 2 && v.Phase == PhaseReady && check(v, "solo-lives").State == CheckPassed
		})
		if last := r.rejudge(r.taped(tape)); len(last) != 3 {
			r.Fatalf("%+v", last)
		}
		r.ok(r.End(ann, lab1))
		p.phase(PhaseEnded)
		if all := r.taped(tape); len(all) == 0 || all[len(all)-1].Frame.Session.Phase != PhaseEnded {
			r.Fatalf("the tape does not tell of the end: %d states", len(all))
		}
	})
}

// TestSlowTapeGoesOnFromWhereItIs: what nobody read in time is left out, and what comes then is judged right.
func TestSlowTapeGoesOnFromWhereItIs(t *testing.T) {
	in(t, func(r *rig) {
		p := r.look(ann, lab1, "start")
		defer p.sub.Close()
		r.ok(r.Start(ann, lab1, "start"))
		p.phase(PhaseReady)
		tape, err := r.Record(ann, lab1)
		r.ok(err)
		defer tape.Close(nil)
		for range 2 * maxTape {
			r.ok(locked(tape.learner, func() error { // as watch.look does
				now, on := time.Now().UnixMilli(), tape.learner.session
				on.attempt.look(on.snapshot, now)
				tape.learner.taped(true, now)
				return nil
			}))
		}
		r.die(ann)
		p.until("restarted", func(v SessionView) bool { return check(v, "restarted").State == CheckPassed })
		r.rejudge(r.taped(tape))
	})
}

func TestTapeKeepsNobodyAwake(t *testing.T) {
	in(t, func(r *rig) {
		p := r.look(ann, lab1, "start")
		r.ok(r.Start(ann, lab1, "start"))
		p.phase(PhaseReady)
		tape, err := r.Record(ann, lab1)
		r.ok(err)
		defer tape.Close(nil)
		p.sub.Close()
		time.Sleep(6 * time.Minute)
		if !r.frozen() {
			r.Fatal("the node is not frozen")
		}
	})
}
