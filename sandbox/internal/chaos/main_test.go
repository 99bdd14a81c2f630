package chaos

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const inside = "PODLAB_CHAOS_INSIDE"

// full asks for the small steps and the many rounds of the nightly run.
var full = os.Getenv("PODLAB_CHAOS") == "full"

// Threads that became somebody else (prlimit) end with their goroutine, which the main thread cannot.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) {
	if os.Getuid() != 0 || os.Getenv(inside) != "" {
		code := m.Run()
		fmt.Fprintf(os.Stderr, "chaos: the kernel freed what a node had within %v; last of all %q\n", slowest.took.Round(time.Millisecond), slowest.last)
		os.Exit(code)
	}
	code, err := contained()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

// contained runs the tests in mount and network namespaces of their own, as children of this process, to which their orphans fall too. It
// reaps them all and ends those that are left.
func contained() (code int, err error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 0, os.NewSyscallError("prctl", err)
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Unshareflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
	signal.Ignore(unix.SIGINT, unix.SIGQUIT) // the tests' own to answer
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return code, nil //nolint:nilerr // ECHILD: the last child is gone
		case pid == cmd.Process.Pid:
			code = status.ExitStatus()
			for _, left := range descendants(os.Getpid()) {
				fmt.Fprintln(os.Stderr, "chaos: ending", left.pid, left.name)
				_ = unix.Kill(left.pid, unix.SIGKILL)
				code = 1
			}
		}
	}
}
