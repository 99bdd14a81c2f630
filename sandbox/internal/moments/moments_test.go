package moments

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"podlab/sandbox"
)

// traced are the inits of the pid namespaces that a tracer looks at.
type traced map[uint64]int

func (t traced) Add(pidns uint64, init int) error {
	t[pidns] = init
	return nil
}

func (t traced) Remove(pidns uint64) { delete(t, pidns) }

// TestMomentsGoToTheirNode: each node's are its own, and numbered on in its next life and by the next daemon.
func TestMomentsGoToTheirNode(t *testing.T) {
	tracer := traced{}
	logs := New(tracer, "")
	sink := logs.Sink()
	dir := t.TempDir()
	one, err := logs.Begin(1, 101, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	two, err := logs.Begin(2, 102, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if tracer[1] != 101 || tracer[2] != 102 {
		t.Errorf("traced: %v", tracer)
	}
	sink.Moment(1, sandbox.Moment{PID: 11})
	sink.Moment(2, sandbox.Moment{PID: 22})
	sink.Lost(1, 3)
	sink.Moment(1, sandbox.Moment{PID: 12})
	sink.Moment(9, sandbox.Moment{PID: 99})
	logs.End(1)
	sink.Moment(1, sandbox.Moment{PID: 13})
	if got := one.Items(); len(got) != 2 || got[1].Seq != 5 || got[1].PID != 12 || got[1].Source != sandbox.SourceKernel {
		t.Errorf("one: %+v", got)
	}
	if got := two.Items(); len(got) != 1 || got[0].Seq != 1 || got[0].PID != 22 {
		t.Errorf("two: %+v", got)
	}
	if len(tracer) != 1 {
		t.Errorf("traced still: %v", tracer)
	}
	again, err := logs.Begin(3, 103, t.TempDir(), one)
	if err != nil || again != one || again.Last() != 5 {
		t.Errorf("in its next life: %v, last %d", err, again.Last())
	}
	one.Close()
	next, err := logs.Begin(1, 104, dir, nil)
	if err != nil || next.Last() < 5 {
		t.Errorf("with the next daemon: %v, last %d", err, next.Last())
	}
	next.Close()
	two.Close()
}

// TestAgentsLooksAreNotKept: what an agent enters is no news; what others enter is, and its own forks are.
func TestAgentsLooksAreNotKept(t *testing.T) {
	logs := New(traced{}, "")
	sink := logs.Sink()
	log, err := logs.Begin(1, 1<<30, t.TempDir(), nil) // no such process
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for _, one := range []sandbox.Moment{
		{Kind: sandbox.MomentSetns, PID: 7}, // nobody knows yet who that is
		{Kind: sandbox.MomentFork, PID: 8, PPID: 1, Thread: true},
		{Kind: sandbox.MomentSetns, PID: 8},
		{Kind: sandbox.MomentFork, PID: 9, PPID: 1},
		{Kind: sandbox.MomentSetns, PID: 9, Thread: true}, // is not kept
		{Kind: sandbox.MomentFork, PID: 10, PPID: 9},
		{Kind: sandbox.MomentSetns, PID: 10},
		{Kind: sandbox.MomentUnshare, PID: 9},
		{Kind: sandbox.MomentFork, PID: 11, PPID: 1}, // its next life
		{Kind: sandbox.MomentSetns, PID: 11},         // is not kept
		{Kind: sandbox.MomentSetns, PID: 9},
	} {
		sink.Moment(1, one)
	}
	var got []string
	for _, one := range log.Items() {
		got = append(got, fmt.Sprint(one.Seq, " ", one.Kind, " ", one.PID))
	}
	want := []string{"1 setns 7", "2 fork 8", "3 setns 8", "4 fork 9", "5 fork 10", "6 setns 10", "7 unshare 9", "8 fork 11", "9 setns 9"}
	if !slices.Equal(got, want) {
		t.Errorf("kept:\n%q, want\n%q", got, want)
	}
}

// TestFindsTheAgent: of an init's children, that is the agent which executes the agent's file with the agent's argument, if it is the only one.
func TestFindsTheAgent(t *testing.T) {
	dir := t.TempDir()
	program, other := filepath.Join(dir, "podlab-node"), filepath.Join(dir, "podlab-agent")
	sh, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{program, other} {
		if err := os.WriteFile(file, sh, 0o755); err != nil { //nolint:gosec // it is executed
			t.Fatal(err)
		}
	}
	for _, script := range []string{"agent", "shell"} {
		if err := os.WriteFile(filepath.Join(dir, script), []byte("echo; read line"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	child := func(file, script string) int {
		cmd := exec.Command(file, script)
		cmd.Dir = dir
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err == nil {
			_, err = out.Read(make([]byte, 1))
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
		return cmd.Process.Pid
	}
	found := func() int {
		var a agent
		a.find(os.Getpid(), program)
		return int(a.pid.Load())
	}
	child(other, "agent")
	child(program, "shell")
	if pid := found(); pid != 0 {
		t.Errorf("%d is not the agent", pid)
	}
	one := child(program, "agent")
	child(other, "agent")
	if pid := found(); pid != one {
		t.Errorf("the agent is %d, not %d", one, pid)
	}
	child(program, "agent")
	if pid := found(); pid != 0 {
		t.Errorf("of two %d is taken for the agent", pid)
	}
}
