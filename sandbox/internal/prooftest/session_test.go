package prooftest

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/content"
	"podlab/labs"
	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// page reads a learner's frames.
type page struct {
	testing.TB
	frames *labs.Subscription
	last   labs.Frame
	now    *sandbox.Snapshot
}

func (p *page) until(what string, wanted func() bool) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), sandboxtest.Within(20*time.Second))
	defer cancel()
	for {
		frame, err := p.frames.Next(ctx)
		if err != nil {
			p.Fatalf("waiting for %s: %v; session %+v", what, err, p.last.Session)
		}
		p.last = frame
		if frame.Snapshot != nil {
			p.now = frame.Snapshot
		}
		if wanted() {
			return
		}
	}
}

// lives returns the processes of pods by what names them for ever.
func (p *page) lives() map[int]int64 {
	all := map[int]int64{}
	for _, c := range p.now.Containers {
		if c.Pod != "" && c.PID != 0 {
			all[c.PID] = c.Started
		}
	}
	return all
}

// TestSessionOutlivesDaemons kills the daemon, the agent and the server's half under a learner, each without warning: the pod's
// processes stay, progress stays, and moments come through again. Then the node's end is told.
func TestSessionOutlivesDaemons(t *testing.T) {
	daemon := sandboxtest.Start(t)
	course, err := labs.Load(content.FS)
	if err != nil {
		t.Fatal(err)
	}
	lab, ok := course.Lab("3.1-infra-container")
	if !ok {
		t.Fatal("no such lab")
	}
	i := slices.IndexFunc(lab.Steps, func(s *labs.Step) bool { return s.ID == "restart" })
	if i < 0 {
		t.Fatal("no such step")
	}
	step := lab.Steps[i]
	config := labs.Config{Course: course, Nodes: daemon, Store: labs.NewMemory()}
	sessions, err := labs.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { sessions.Close() }()
	open := func() *page {
		frames, err := sessions.Subscribe("ann", lab.ID, step.ID)
		if err != nil {
			t.Fatal(err)
		}
		return &page{TB: t, frames: frames}
	}
	p := open()
	ready := func() bool {
		return p.last.Session.Phase == labs.PhaseReady && p.now != nil && len(p.now.Pods) == 1 && len(p.lives()) >= 2
	}

	began := time.Now()
	if err := sessions.Start("ann", lab.ID, step.ID); err != nil {
		t.Fatal(err)
	}
	p.until("ready", ready)
	t.Logf("start to ready: %v", time.Since(began).Round(time.Millisecond))
	began = time.Now()
	if err := sessions.Reset("ann", lab.ID, step.ID); err != nil {
		t.Fatal(err)
	}
	p.until("reset", func() bool { return ready() && p.last.Session.Generation == 2 })
	reset := time.Since(began)
	t.Logf("reset: %v", reset.Round(time.Millisecond))
	if reset > sandboxtest.Within(2*time.Second) {
		t.Errorf("a reset takes %v", reset)
	}
	before := p.lives()

	mark := 0
	kernelSeen := func() func() bool {
		mark++
		name := "mark" + string(rune('a'+mark))
		access, err := sessions.Agent("ann", lab.ID)
		if err != nil {
			t.Fatal(err)
		}
		script := "cp /bin/true /tmp/" + name + " && /tmp/" + name
		if exit, err := access.Exec(t.Context(), sandbox.ExecSpec{Argv: []string{"sh", "-c", script}}, sandbox.Streams{}); err != nil || exit.Code != 0 {
			t.Fatal(exit, err)
		}
		return func() bool {
			return slices.ContainsFunc(p.last.Moments, func(m sandbox.Moment) bool { return m.Kind == sandbox.MomentExit && m.Name == name })
		}
	}
	p.until("moments", kernelSeen())

	daemon.Stop(t, unix.SIGKILL)
	time.Sleep(300 * time.Millisecond)
	daemon.Restart(t)
	p.until("moments after the daemon's death", kernelSeen())

	life := p.now.Agent
	access, err := sessions.Agent("ann", lab.ID)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = access.Exec(t.Context(), sandbox.ExecSpec{Argv: []string{"sh", "-c", "pkill -9 -f 'podlab-node agent'"}}, sandbox.Streams{}) // dies with the agent
	p.until("another life of the agent", func() bool { return p.now.Agent != life })
	if after := p.lives(); !same(before, after) {
		t.Errorf("processes changed: %v, then %v", before, after)
	}

	p.frames.Close()
	if err := sessions.Close(); err != nil {
		t.Fatal(err)
	}
	if sessions, err = labs.Open(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	p = open()
	p.until("found again", ready)
	if after := p.lives(); !same(before, after) || p.last.Session.Generation != 2 {
		t.Errorf("the server did not find its node again: %v, then %v, generation %d", before, after, p.last.Session.Generation)
	}
	p.until("moments after the server's restart", kernelSeen())

	nodes, err := daemon.List(t.Context())
	if err != nil || len(nodes) != 1 || !strings.HasPrefix(nodes[0].Spec.ID, "s-") {
		t.Fatal(nodes, err)
	}
	if err := unix.Kill(nodes[0].PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.until("the node's end", func() bool { return p.last.Session.Phase == labs.PhaseGone })
	if e := p.last.Session.Error; e == nil || e.Code != sandbox.CodeNodeGone || e.Params["reason"] != sandbox.GoneInitEnded {
		t.Errorf("told %v", e)
	}
	if err := sessions.Start("ann", lab.ID, step.ID); err != nil {
		t.Fatal(err)
	}
	p.until("a new node", func() bool { return ready() && p.last.Session.Generation == 3 })

	if info, err := daemon.Info(t.Context()); err != nil {
		t.Fatal(err)
	} else if info.Cgroup == 1 { // v2 refuses groups beyond the limit, and the node lives
		if access, err = sessions.Agent("ann", lab.ID); err != nil {
			t.Fatal(err)
		}
		const flood = "i=0; while [ $i -lt 2000 ] && mkdir /sys/fs/cgroup/memory/g$i; do i=$((i+1)); done"
		_, _ = access.Exec(t.Context(), sandbox.ExecSpec{Argv: []string{"sh", "-c", flood}}, sandbox.Streams{}) // dies with the node
		p.until("the node's end by too many groups", func() bool { return p.last.Session.Phase == labs.PhaseGone })
		if e := p.last.Session.Error; e == nil || e.Code != sandbox.CodeNodeGone || e.Params["reason"] != sandbox.GoneTooManyGroups {
			t.Errorf("told %v", e)
		}
		if err := sessions.Start("ann", lab.ID, step.ID); err != nil {
			t.Fatal(err)
		}
		p.until("a node after too many groups", ready)
	}
	p.frames.Close()

	// The machine is stopped on purpose and started again.
	if err := sessions.Close(); err != nil {
		t.Fatal(err)
	}
	daemon.Stop(t, unix.SIGINT)
	daemon.Restart(t)
	if sessions, err = labs.Open(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	p = open()
	p.until("the end with the machine", func() bool { return p.last.Session.Phase == labs.PhaseGone })
	if e := p.last.Session.Error; e == nil || e.Params["reason"] != sandbox.GoneMachineStopped {
		t.Errorf("told %v", e)
	}
	p.frames.Close()
	if err := sessions.End("ann", lab.ID); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(sandboxtest.Within(10 * time.Second)); ; time.Sleep(50 * time.Millisecond) {
		nodes, err := daemon.List(t.Context())
		if err == nil && len(nodes) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nodes are left:", nodes, err)
		}
	}
}

func same(a, b map[int]int64) bool {
	if len(a) != len(b) {
		return false
	}
	for pid, start := range a {
		if b[pid] != start {
			return false
		}
	}
	return true
}

// TestProbesAreHidden runs a check's command on a real node: no moment and no snapshot may show it.
func TestProbesAreHidden(t *testing.T) {
	daemon := sandboxtest.Start(t)
	course, err := labs.Load(os.DirFS("../../../labs/testdata/course"))
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := labs.Open(t.Context(), labs.Config{Course: course, Nodes: daemon, Store: labs.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	defer sessions.Close()
	frames, err := sessions.Subscribe("ann", "1.1-demo", "next")
	if err != nil {
		t.Fatal(err)
	}
	defer frames.Close()
	p := &page{TB: t, frames: frames}
	for range 5 {
		if err := sessions.Reset("ann", "1.1-demo", "next"); err != nil {
			t.Fatal(err)
		}
		var seen []string
		look := func() {
			for _, m := range p.last.Moments {
				if m.Name == "hostname" || strings.HasSuffix(m.Path, "/hostname") {
					seen = append(seen, m.Kind+" "+m.Name)
				}
			}
			for _, process := range p.now.Processes {
				if process.Name == "hostname" {
					seen = append(seen, "process")
				}
			}
		}
		generation := p.last.Session.Generation
		p.until("passed", func() bool {
			if p.now != nil {
				look()
			}
			s := p.last.Session
			return s.Generation > generation && len(s.Checks) == 1 && s.Checks[0].State == labs.CheckPassed
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		for {
			frame, err := p.frames.Next(ctx)
			if err != nil {
				break
			}
			p.last = frame
			look()
		}
		cancel()
		if len(seen) > 0 {
			t.Fatal("the probe is seen: ", seen)
		}
	}
}
