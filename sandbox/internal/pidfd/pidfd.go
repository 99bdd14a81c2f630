// Package pidfd holds processes by descriptors (pidfd_open(2)): unlike a pid, one never becomes another process's. A wait for one costs no
// thread, since Go's poller does it.
package pidfd

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Open opens the process of a pid. The caller knows that the pid is still that process's, as long as it has not been waited for.
func Open(pid int) (*os.File, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	return os.NewFile(uintptr(fd), "pidfd"), nil
}

// Namespace is the inode of the pid namespace of a pid's process.
func Namespace(pid int) (inode uint64, err error) {
	path := fmt.Sprintf("/proc/%d/ns/pid", pid)
	var ns unix.Stat_t
	if err := unix.Stat(path, &ns); err != nil {
		return 0, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return ns.Ino, nil
}

// Wait returns when the process has ended, or with os.ErrClosed when the file was closed. It reaps nothing.
func Wait(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return closed(raw.Read(ended))
}

// closed gives the poller's error of a closed file the name that package os has for it elsewhere. It has one other, for deadlines.
func closed(err error) error {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", os.ErrClosed, err)
}

// ended reports whether the process has ended: its descriptor is then readable.
func ended(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	count, err := unix.Poll(fds, 0)
	return count > 0 && !errors.Is(err, unix.EINTR)
}

// Lives reports whether the process has not ended, as far as the file is open.
func Lives(f *os.File) bool {
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	lives := false
	err = raw.Control(func(fd uintptr) { lives = !ended(fd) })
	return err == nil && lives
}

// Signal sends a signal. That the process has ended is no error; that the file is closed is (os.ErrClosed).
func Signal(f *os.File, signal unix.Signal) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = unix.PidfdSendSignal(int(fd), signal, nil, 0) }); err != nil {
		return closed(err)
	}
	if errors.Is(failed, unix.ESRCH) {
		return nil
	}
	return os.NewSyscallError("pidfd_send_signal", failed)
}
