package labs

import (
	"log/slog"
	"reflect"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"podlab/labs/warm"
	"podlab/sandbox"
)

// warmed runs a test with one node made ahead, of lab1. images numbers the states of the host's images.
func warmed(t *testing.T, test func(r *rig, images *atomic.Int64)) {
	t.Helper()
	in(t, func(r *rig) {
		var images atomic.Int64
		r.openWarm(&images)
		r.aheads(1)
		test(r, &images)
	})
}

func (r *rig) openWarm(images *atomic.Int64) {
	r.Helper()
	r.ok(r.Sessions.Close())
	var err error
	r.Sessions, err = Open(r.Context(), Config{
		Course: r.cfg.Course, Nodes: r.nodes, Store: r.store, Log: slog.New(slog.NewTextHandler(&r.log, nil)),
		Warm: 1, Images: func() string { return strconv.FormatInt(images.Load(), 10) }, Busy: func() bool { return false },
	})
	r.ok(err)
}

// aheads waits until the pool has come to rest, and wants so many frozen nodes.
func (r *rig) aheads(want int) (first sandbox.Node) {
	r.Helper()
	time.Sleep(30 * time.Second)
	synctest.Wait()
	nodes, err := r.nodes.List(r.Context())
	r.ok(err)
	got := 0
	for _, n := range nodes {
		if n.Frozen {
			got, first = got+1, n
		}
	}
	if got != want {
		r.Fatalf("%d nodes made ahead, want %d: %+v\n%s", got, want, nodes, r.log.String())
	}
	return first
}

// TestNodeMadeAheadBeginsLikeACold takes the same step from warm and cold: the same checks, predictions and moments of the step, and the
// learner's own hour.
func TestNodeMadeAheadBeginsLikeACold(t *testing.T) {
	run := func(r *rig) (v SessionView, all int) {
		p := r.look(ann, lab1, "start")
		defer p.sub.Close()
		r.ok(r.Start(ann, lab1, "start"))
		v = p.until("judged", func(v SessionView) bool { return check(v, "solo-lives").State == CheckPassed })
		synctest.Wait()
		if left := time.Until(time.UnixMilli(v.Deadline)); left > time.Hour || left < time.Hour-time.Second {
			r.Errorf("the learner's hour: %+v", v)
		}
		all = len(r.known(ann, nil).session.attempt.seen)
		r.ok(r.Predict(ann, lab1, "start", "ip-stays", "stays"))
		r.die(ann)
		done := p.until("done", func(v SessionView) bool { return len(v.StepsDone) == 1 })
		if x := done.Predictions[0]; x.Outcome != "stays" || x.Missed {
			r.Errorf("%+v", x)
		}
		v.Started, v.Deadline = 0, 0
		for i := range v.Checks {
			v.Checks[i].At = 0
		}
		return v, all
	}
	var cold, hot SessionView
	var coldSeen, hotSeen int
	in(t, func(r *rig) { cold, coldSeen = run(r) })
	warmed(t, func(r *rig, _ *atomic.Int64) {
		ahead := r.aheads(1)
		came := time.Now()
		hot, hotSeen = run(r)
		if node := r.nodeOf(ann); node != r.nodes.Node(ahead.Spec.ID) {
			t.Error("the node made ahead was not taken")
		}
		if took := time.Since(came); took > time.Second {
			t.Error("it took", took)
		}
	})
	if len(cold.Checks) != 3 || !reflect.DeepEqual(cold, hot) {
		t.Errorf("cold %+v\nwarm %+v", cold, hot)
	}
	if coldSeen != hotSeen {
		t.Errorf("moments of the step: cold %d, warm %d", coldSeen, hotSeen)
	}
}

func TestNodeMadeAheadTellsWhatTimeItWas(t *testing.T) {
	warmed(t, func(r *rig, _ *atomic.Int64) {
		time.Sleep(10 * time.Minute)
		p := r.look(ann, lab1, "start")
		defer p.sub.Close()
		r.ok(r.Start(ann, lab1, "start"))
		p.until("moments", func(v SessionView) bool { return v.Phase == PhaseReady && len(p.moments) > 0 && p.snap != nil })
		for _, c := range p.snap.Containers {
			if age := p.snap.Time - c.Started; age < 10*time.Minute.Microseconds() {
				t.Errorf("%s claims an age of %d µs", c.ID, age)
			}
		}
		if age := p.snap.Time - p.moments[0].Time; age < 10*time.Minute.Microseconds() {
			t.Errorf("the first moment claims an age of %d µs", age)
		}
	})
}

func TestResetTakesTheNodeMadeAhead(t *testing.T) {
	warmed(t, func(r *rig, _ *atomic.Int64) {
		p := r.look(ann, lab1, "next")
		defer p.sub.Close()
		r.ok(r.Reset(ann, lab1, "next")) // another step: a cold start
		p.phase(PhaseReady)
		ahead := r.aheads(1)
		r.ok(r.Reset(ann, lab1, "start"))
		p.until("fresh", func(v SessionView) bool { return v.Phase == PhaseReady && v.Generation == 2 })
		if r.nodeOf(ann) != r.nodes.Node(ahead.Spec.ID) {
			t.Error("the node made ahead was not taken")
		}
		r.aheads(1) // another one
		if r.count() != 2 {
			t.Errorf("%d nodes", r.count())
		}
	})
}

// TestNodeMadeAheadMakesRoom: a learner never waits for room that only a node made ahead has, nor for one that is being made.
func TestNodeMadeAheadMakesRoom(t *testing.T) {
	for name, before := range map[string]func(r *rig){
		"ready":  func(*rig) {},
		"making": func(r *rig) { r.nodes.Delay = 2 * time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(r *rig) {
				synctest.Wait()
				before(r)
				r.nodes.MaxNodes = 1
				r.openWarm(new(atomic.Int64))
				if name == "making" {
					time.Sleep(time.Second)
				} else {
					r.aheads(1)
				}
				p := r.look(ann, lab2, "only")
				defer p.sub.Close()
				r.ok(r.Start(ann, lab2, "only"))
				p.until("ready", func(v SessionView) bool {
					if v.Phase == PhaseQueued {
						t.Fatal("the learner waits")
					}
					return v.Phase == PhaseReady
				})
				r.aheads(0)
				if r.count() != 1 {
					t.Errorf("%d nodes", r.count())
				}
				r.ok(r.End(ann, lab2))
				time.Sleep(time.Minute)
				r.aheads(1)
			})
		})
	}
}

func TestNodeMadeAheadIsGivenUp(t *testing.T) {
	warmed(t, func(r *rig, images *atomic.Int64) {
		first := r.aheads(1)
		images.Add(1)
		p := r.look(ann, lab1, "start")
		r.ok(r.Start(ann, lab1, "start"))
		p.phase(PhaseReady)
		if r.nodeOf(ann) == r.nodes.Node(first.Spec.ID) {
			t.Error("a node of the old images was taken")
		}
		second := r.aheads(1)
		if second.Spec.ID == first.Spec.ID {
			t.Error("a node of the old images is kept")
		}
		images.Add(1)
		time.Sleep(2 * time.Minute) // nobody asks
		if third := r.aheads(1); third.Spec.ID == second.Spec.ID {
			t.Error("a node of the old images is kept while nobody asks")
		}
		p.sub.Close()
		r.ok(r.End(ann, lab1))

		r.nodes.Vanish(r.aheads(1).Spec.ID) // unseen
		p = r.look(ann, lab1, "start")
		defer p.sub.Close()
		r.ok(r.Start(ann, lab1, "start"))
		p.phase(PhaseReady)
		r.aheads(1)
		r.nodes.Vanish(r.aheads(1).Spec.ID)
		time.Sleep(time.Minute)
		r.aheads(1)
		r.ok(r.Sessions.Close())
		if r.count() != 1 {
			t.Errorf("after the server's end %d nodes", r.count())
		}
		r.open()
	})
}

// TestWhatMovesIsNotMadeAhead lets a container end while nobody looks.
func TestWhatMovesIsNotMadeAhead(t *testing.T) {
	in(t, func(r *rig) {
		var images atomic.Int64
		r.openWarm(&images)
		time.Sleep(time.Second)
		synctest.Wait()
		nodes, err := r.nodes.List(r.Context())
		if err != nil || len(nodes) != 1 || nodes[0].Frozen {
			t.Fatal(nodes, err)
		}
		r.nodes.Node(nodes[0].Spec.ID).Exit("demo/web", sandbox.Exit{Code: 1})
		r.aheads(0)
		time.Sleep(time.Hour)
		r.aheads(0)
		images.Add(1)
		time.Sleep(time.Minute)
		r.aheads(1)                    // on other images it may stand still
		p := r.look(ann, lab2, "only") // another lab
		defer p.sub.Close()
		r.ok(r.Start(ann, lab2, "only"))
		p.phase(PhaseReady)
		r.aheads(1)
	})
}

// TestBusyMachineWaitsAWhile: while learners begin, their pods come first. A load that stays when nobody does is not theirs.
func TestBusyMachineWaitsAWhile(t *testing.T) {
	in(t, func(r *rig) {
		r.ok(r.Sessions.Close())
		var err error
		r.Sessions, err = Open(r.Context(), Config{
			Course: r.cfg.Course, Nodes: r.nodes, Store: r.store, Log: r.cfg.Log, Warm: 1, Busy: func() bool { return true },
		})
		r.ok(err)
		r.aheads(0)
		r.ok(r.Start(ann, lab2, "only"))
		time.Sleep(25 * time.Second)
		r.aheads(0) // 55 s after
		r.aheads(1)
	})
}

// TestMomentsBetweenSetUpAndBeginCount: what happened after the step's set-up is the step's, though it was told before the step began.
func TestMomentsBetweenSetUpAndBeginCount(t *testing.T) {
	in(t, func(r *rig) {
		p := r.look(ann, lab1, "start")
		defer p.sub.Close()
		r.ok(r.Start(ann, lab1, "start"))
		p.phase(PhaseReady)
		synctest.Wait()
		live := r.known(ann, nil).session
		live.learner.mu.Lock()
		told := live.moments.items
		live.learner.mu.Unlock()
		live.begin(live.step, warm.Start{Since: told[0].Time - 1, Now: *live.snapshot})
		live.learner.mu.Lock()
		defer live.learner.mu.Unlock()
		if len(live.attempt.seen) != len(told) || len(told) == 0 {
			t.Errorf("%d moments of %d", len(live.attempt.seen), len(told))
		}
	})
}
