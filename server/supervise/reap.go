package supervise

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// childMark tells a supervisor that a reaper runs above it.
const childMark = "PODLAB_REAPED=1"

// AsPID1 makes the process a bare init when it is PID 1, as in a container: it runs itself once more as a child, passes signals on,
// reaps whatever is left to it, and returns the child's exit status. Anywhere else it returns at once with ok false.
func AsPID1() (status int, ok bool) {
	if os.Getpid() != 1 {
		return 0, false
	}
	signals := make(chan os.Signal, 64)
	signal.Notify(signals) // all: PID 1 has no default actions to rely on
	self, err := os.Executable()
	if err != nil {
		return 1, true
	}
	child := exec.Command(self, os.Args[1:]...) //nolint:gosec // this program
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.Env = append(os.Environ(), childMark)
	if err := child.Start(); err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		return 1, true
	}
	return reap(child.Process.Pid, signals), true
}

// reap waits for every child until the main one has ended.
func reap(main int, signals <-chan os.Signal) int {
	for sig := range signals {
		switch sig {
		case syscall.SIGCHLD:
			if status, ended := collect(main); ended {
				return status
			}
		case syscall.SIGURG, syscall.SIGPIPE: // the Go runtime's own, and nobody's
		default:
			_ = syscall.Kill(main, sig.(syscall.Signal)) // it may be gone
		}
	}
	return 1
}

// collect takes the status of all children that have ended.
func collect(main int) (status int, ended bool) {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return status, ended
		}
		if pid == main {
			status, ended = ws.ExitStatus(), true
			if ws.Signaled() {
				status = 128 + int(ws.Signal())
			}
		}
	}
}
