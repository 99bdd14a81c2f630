package engine

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// openPID opens a pidfd that Go's poller can wait for: a wait for a process then costs no thread. Until its end has been waited for,
// the pid cannot be another process's.
func openPID(pid int) (*os.File, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	return os.NewFile(uintptr(fd), "pidfd"), nil
}

// awaitEnd returns when the process has ended, or the pidfd is closed.
func awaitEnd(pidfd *os.File) error {
	raw, err := pidfd.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(hasEnded)
}

// hasEnded asks whether the process of a pidfd has ended: it can then be read (pidfd_open(2)).
func hasEnded(pidfd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return n > 0 && !errors.Is(err, unix.EINTR)
}

// sendSignal signals the process of a pidfd; one that has ended is no error.
func sendSignal(pidfd *os.File, s unix.Signal) (err error) {
	raw, err := pidfd.SyscallConn()
	if err != nil {
		return err
	}
	failed := raw.Control(func(fd uintptr) { err = unix.PidfdSendSignal(int(fd), s, nil, 0) })
	if errors.Is(err, unix.ESRCH) {
		err = nil
	}
	return errors.Join(failed, err)
}
