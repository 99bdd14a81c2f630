package prooftest

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/content"
	"podlab/labs"
	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// untilAhead waits for a frozen node other than one before.
func untilAhead(t *testing.T, d *sandboxtest.Daemon, before string) sandbox.Node {
	t.Helper()
	for end := time.Now().Add(sandboxtest.Within(30 * time.Second)); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		nodes, err := d.List(t.Context())
		i := slices.IndexFunc(nodes, func(n sandbox.Node) bool { return n.Frozen && n.Spec.ID != before })
		if err == nil && i >= 0 {
			time.Sleep(50 * time.Millisecond) // until the server has the daemon's answer too
			return nodes[i]
		}
	}
	t.Fatal("no node is made ahead")
	return sandbox.Node{}
}

func openWarm(t *testing.T, d *sandboxtest.Daemon, course *labs.Course) *labs.Sessions {
	t.Helper()
	sessions, err := labs.Open(t.Context(), labs.Config{
		Course: course, Nodes: d, Store: labs.NewMemory(), Warm: 1, Busy: func() bool { return false },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sessions.Close() })
	return sessions
}

// begin brings ann into a step and waits until it is ready.
func begin(t *testing.T, sessions *labs.Sessions, lab *labs.Lab) (p *page, took time.Duration) {
	t.Helper()
	step := lab.Steps[0].ID
	frames, err := sessions.Subscribe("ann", lab.ID, step)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(frames.Close)
	p = &page{TB: t, frames: frames}
	p.until("the page", func() bool { return true })
	began := time.Now()
	if err := sessions.Start("ann", lab.ID, step); err != nil {
		t.Fatal(err)
	}
	p.until("ready", func() bool { return p.last.Session.Phase == labs.PhaseReady && p.now != nil })
	return p, time.Since(began)
}

// TestLabsFromNodesMadeAhead begins every lab on a real node made ahead: what runs on it has run since it was made, nothing is judged by what
// happened before, and the step can be done.
func TestLabsFromNodesMadeAhead(t *testing.T) {
	daemon := sandboxtest.Start(t)
	course, err := labs.Load(content.FS)
	if err != nil {
		t.Fatal(err)
	}
	sessions := openWarm(t, daemon, course)
	for _, lab := range course.Labs() {
		before := untilAhead(t, daemon, "")
		p, cold := begin(t, sessions, lab)
		p.frames.Close()
		if err := sessions.End("ann", lab.ID); err != nil {
			t.Fatal(err)
		}
		ahead, frozen := untilAhead(t, daemon, before.Spec.ID), sinceBoot(t)
		t.Run(lab.ID, func(t *testing.T) {
			p, took := begin(t, sessions, lab)
			t.Logf("ready in %v; before, %v", took, cold)
			isOf(t, p, daemon, ahead, frozen)
			solve(t, p, sessions, lab)
		})
		if err := sessions.End("ann", lab.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := sessions.Close(); err != nil {
		t.Fatal(err)
	}
	nodes, err := daemon.List(t.Context())
	if err != nil || slices.ContainsFunc(nodes, func(n sandbox.Node) bool { return n.Frozen }) {
		t.Errorf("after the server's end: %+v %v", nodes, err)
	}
}

// sinceBoot is the time on the clock of snapshots.
func sinceBoot(t *testing.T) int64 {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		t.Fatal(err)
	}
	return now.Nano() / 1000
}

// isOf wants the page to show a node that was made ahead, as it is: what runs on it was started before it was frozen.
func isOf(t *testing.T, p *page, daemon *sandboxtest.Daemon, ahead sandbox.Node, frozen int64) {
	t.Helper()
	nodes, err := daemon.List(t.Context())
	if i := slices.IndexFunc(nodes, func(n sandbox.Node) bool { return n.Spec.ID == ahead.Spec.ID }); err != nil || i < 0 || nodes[i].Frozen {
		t.Errorf("of the node made ahead: %+v %v", nodes, err)
	}
	s := p.last.Session
	if age := p.last.Now - s.Started; age > 5000 || s.Deadline-s.Started != time.Hour.Milliseconds() {
		t.Errorf("the session is %d ms old, and has %d ms", age, s.Deadline-s.Started)
	}
	for _, c := range p.now.Containers {
		if c.State != sandbox.StateRunning || c.Started == 0 || c.Started > frozen {
			t.Errorf("%s is %s, and was started at %d µs; the node was frozen by %d", c.ID, c.State, c.Started, frozen)
		}
	}
}

// solve wants nothing to be judged yet, and all of it after the solution.
func solve(t *testing.T, p *page, sessions *labs.Sessions, lab *labs.Lab) {
	t.Helper()
	step := lab.Steps[0]
	quiet, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	for quiet.Err() == nil {
		for _, c := range p.last.Session.Checks {
			if check, _ := step.Check(c.ID); c.State != labs.CheckPending && !check.Hold {
				t.Fatalf("before anything was done: %+v", c)
			}
		}
		for _, x := range p.last.Session.Predictions {
			if x.Outcome != "" || x.Missed {
				t.Fatalf("before anything was done: %+v", x)
			}
		}
		if frame, err := p.frames.Next(quiet); err == nil {
			p.last = frame
		}
	}
	access, err := sessions.Agent("ann", lab.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := (labs.Actor{Agent: access, Lab: lab}).Do(t.Context(), step.Solution); err != nil {
		t.Fatal(err)
	}
	p.until("done", func() bool {
		s := p.last.Session
		return slices.Contains(s.StepsDone, step.ID) && !slices.ContainsFunc(s.Predictions, func(x labs.PredictionState) bool { return x.Outcome == "" })
	})
}

// TestPodMadeAhead takes a lab with a pod that is ready: after the daemon was killed too, which finds the node frozen again. A machine with one
// place gives it to a learner who begins something else.
func TestPodMadeAhead(t *testing.T) {
	daemon := sandboxtest.Start(t, sandboxtest.Args("--max-nodes", "1"))
	course, err := labs.Load(os.DirFS("../../../labs/testdata/course"))
	if err != nil {
		t.Fatal(err)
	}
	sessions := openWarm(t, daemon, course)
	ahead, frozen := untilAhead(t, daemon, ""), sinceBoot(t)
	daemon.Stop(t, unix.SIGKILL)
	daemon.Restart(t)
	lab, other := course.Labs()[0], course.Labs()[1]
	p, took := begin(t, sessions, lab)
	t.Logf("a pod is ready %v after the click", took)
	isOf(t, p, daemon, ahead, frozen)
	if len(p.now.Pods) != 1 || len(p.lives()) != 3 {
		t.Errorf("%d pods, processes %v", len(p.now.Pods), p.lives())
	}
	p.frames.Close()
	if err := sessions.End("ann", lab.ID); err != nil {
		t.Fatal(err)
	}
	untilAhead(t, daemon, ahead.Spec.ID)
	p, took = begin(t, sessions, other)
	t.Logf("in the room of a node made ahead: ready in %v", took)
	if p.last.Session.Place != 0 || took > sandboxtest.Within(3*time.Second) {
		t.Errorf("the learner waited %v: %+v", took, p.last.Session)
	}
}
