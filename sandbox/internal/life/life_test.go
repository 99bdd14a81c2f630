package life

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"podlab/sandbox"
	"podlab/sandbox/internal/cgroup"
	"podlab/sandbox/internal/pidfd"
	"podlab/sandbox/internal/record"
	"podlab/sandbox/internal/sandboxtest"
	"podlab/sandbox/internal/settings"
)

// That lives begin, freeze, end and leave nothing is tested on the daemon, which has real ones.

// machine is one with directories but without nodes.
func machine(t *testing.T) *Machine {
	t.Helper()
	sandboxtest.Root(t)
	dir := t.TempDir()
	set := &settings.Settings{Run: filepath.Join(dir, "run"), Data: filepath.Join(dir, "data")}
	if err := set.MakeDirectories(); err != nil {
		t.Fatal(err)
	}
	groups, err := cgroup.Open(set.Groups())
	if err != nil {
		t.Fatal(err)
	}
	return &Machine{Groups: groups, set: set, log: slog.New(slog.DiscardHandler)}
}

// TestPlaces finds what is left in whatever way, and clears it.
func TestPlaces(t *testing.T) {
	m := machine(t)
	file := func(path string) {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, place := range []string{"state", "both"} {
		if err := os.Mkdir(m.set.State(place), 0o700); err != nil {
			t.Fatal(err)
		}
		file(filepath.Join(m.set.State(place), "moments"))
	}
	file(m.set.NodeSocket("socket"))
	file(m.set.NodeSocket("both"))
	group := filepath.Join(m.Groups.Hierarchies[0], m.Groups.Path("group"))
	t.Cleanup(func() {
		if err := m.Groups.RemoveParent(); err != nil {
			t.Error(err)
		}
	})
	if err := os.MkdirAll(filepath.Join(group, "deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	lives, rests, err := m.Places()
	if err != nil || !slices.Equal(lives, []string{"both", "state"}) || !slices.Equal(rests, []string{"group", "socket"}) {
		t.Errorf("%q and %q, %v", lives, rests, err)
	}
	for _, place := range slices.Concat(lives, rests, []string{"never-was"}) {
		m.Clear(place)
	}
	if lives, rests, err := m.Places(); err != nil || len(lives)+len(rests) != 0 {
		t.Errorf("left: %q and %q, %v", lives, rests, err)
	}
}

// sleeper is a process that is gone when the test is over.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // mostly it was killed and waited for before
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// TestFind refuses what is not the process that was recorded.
func TestFind(t *testing.T) {
	m := machine(t)
	cmd := sleeper(t)
	pidns, err := pidfd.Namespace(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]record.Node{
		"another namespace": {PID: cmd.Process.Pid, PIDNS: pidns + 1},
		"no container":      {PID: cmd.Process.Pid, PIDNS: pidns},
	} {
		if _, _, err := m.Find("one", r); err == nil {
			t.Errorf("%s: found", name)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("it was not killed")
	}
	if _, _, err := m.Find("one", record.Node{PID: cmd.Process.Pid, PIDNS: pidns}); err == nil {
		t.Error("one that has ended is found")
	}
}

// TestRecordGoesWithItsLife: nothing is written to a place that was cleared, which may be another node's by now.
func TestRecordGoesWithItsLife(t *testing.T) {
	m := machine(t)
	if err := os.Mkdir(m.set.State("one"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := sleeper(t)
	l := &Life{Place: "one", machine: m, over: make(chan struct{})}
	if err := l.identify(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	r := &record.Node{Spec: sandbox.NodeSpec{ID: "one"}}
	if err := l.Write(r); err != nil {
		t.Fatal(err)
	}
	if got, err := record.Read(m.set.State("one")); err != nil || got.Spec.ID != "one" {
		t.Errorf("%+v %v", got, err)
	}
	if !l.Lives() {
		t.Error("it does not live")
	}
	if err := l.Kill(); err != nil {
		t.Error(err)
	}
	if err := l.Wait(); err != nil {
		t.Error(err)
	}
	if l.Lives() {
		t.Error("it lives")
	}
	l.Bury()
	<-l.Over()
	if err := os.Mkdir(m.set.State("one"), 0o700); err != nil { // the next node of that name
		t.Fatal(err)
	}
	if err := l.Write(r); err != nil {
		t.Error(err)
	}
	if _, err := record.Read(m.set.State("one")); err == nil {
		t.Error("a life that is over has a record")
	}
	if err := l.Kill(); err != nil {
		t.Errorf("killed again: %v", err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("it ended by %v", cmd.ProcessState)
	}
}
