package pidfd

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWaitAndSignal(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	f, err := Open(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- Wait(f) }()
	if err := Signal(f, unix.SIGKILL); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("waiting: %v", err)
	}
	cmd.Wait()
	if err := errors.Join(Signal(f, unix.SIGKILL), Wait(f)); err != nil {
		t.Errorf("a process that has ended: %v", err)
	}
	f.Close()
	if err := Signal(f, unix.SIGKILL); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a closed one: %v", err)
	}
}

func TestCloseEndsWait(t *testing.T) {
	f, err := Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- Wait(f) }()
	f.Close()
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("waiting: %v", err)
	}
}

func TestNamespace(t *testing.T) {
	own, err := os.Stat("/proc/self/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	if inode, err := Namespace(os.Getpid()); err != nil || inode != own.Sys().(*syscall.Stat_t).Ino {
		t.Errorf("own: %d %v", inode, err)
	}
	if _, err := Namespace(1 << 30); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of no process: %v", err)
	}
}
