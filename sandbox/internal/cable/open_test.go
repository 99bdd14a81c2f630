package cable

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"podlab/sandbox/internal/pidfd"
)

// TestOpen opens the network of a process while it lives, and not that of one that has ended.
func TestOpen(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	init, err := pidfd.Open(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer init.Close()
	end, err := Open(pid, init, "10.88.7.0/24")
	if err != nil {
		t.Fatal(err)
	}
	end.Network.Close()
	if end.Card() != "link7" {
		t.Errorf("card %s", end.Card())
	}
	if _, err := Open(pid, init, "10.88.7.0"); err == nil {
		t.Error("an address is taken for a subnet")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := pidfd.Wait(init); err != nil { // and not reaped: the pid is still its
		t.Fatal(err)
	}
	if _, err := Open(pid, init, "10.88.7.0/24"); !errors.Is(err, ErrGone) && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of one that has ended: %v", err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("it was not killed")
	}
	if _, err := Open(os.Getpid(), init, "10.88.7.0/24"); !errors.Is(err, ErrGone) {
		t.Errorf("of another process with its pid: %v", err)
	}
}
