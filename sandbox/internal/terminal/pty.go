package terminal

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// OpenPTY makes a pty of the mounted devpts. The slave is for the program, the master is non-blocking.
func OpenPTY(size sandbox.Size) (master, slave *os.File, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("pty: %w", err)
	}
	master = os.NewFile(uintptr(fd), "pty")
	defer func() {
		if err != nil {
			_ = master.Close()
		}
	}()
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, fmt.Errorf("pty: unlock: %w", err)
	}
	peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return nil, nil, fmt.Errorf("pty: open slave: %w", errno)
	}
	SetSize(master, size)
	return master, os.NewFile(peer, "tty"), nil
}

// Master returns a non-blocking duplicate of a pty master with its tty set for UTF-8, and closes file.
func Master(file *os.File) (*os.File, error) {
	defer file.Close()
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("pty: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(fmt.Errorf("pty: %w", err), unix.Close(fd))
	}
	setUTF8(fd)
	return os.NewFile(uintptr(fd), "pty"), nil
}

// setUTF8 lets the line discipline erase whole characters (IUTF8 in termios(3)).
func setUTF8(fd int) {
	if t, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
		t.Iflag |= unix.IUTF8
		_ = unix.IoctlSetTermios(fd, unix.TCSETS, t) // only looks change
	}
}

// Largest size of a terminal.
const (
	maxCols = 1000
	maxRows = 500
)

// SetSize resizes the terminal of a pty master; a size without columns or rows is 80×24.
func SetSize(master *os.File, size sandbox.Size) {
	if size.Cols == 0 || size.Rows == 0 {
		size = sandbox.Size{Cols: 80, Rows: 24}
	}
	raw, err := master.SyscallConn()
	if err != nil {
		return // closed
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Col: min(size.Cols, maxCols), Row: min(size.Rows, maxRows)})
	})
}

// sizeOf is the terminal's size; zero when its master is closed.
func sizeOf(master *os.File) (size sandbox.Size) {
	raw, err := master.SyscallConn()
	if err != nil {
		return size
	}
	_ = raw.Control(func(fd uintptr) {
		if is, err := unix.IoctlGetWinsize(int(fd), unix.TIOCGWINSZ); err == nil {
			size = sandbox.Size{Cols: is.Col, Rows: is.Row}
		}
	})
	return size
}

// redraw tells the program in the foreground that its window changed, which makes full-screen programs draw anew.
func redraw(master *os.File) {
	raw, err := master.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		if group, err := unix.IoctlGetInt(int(fd), unix.TIOCGPGRP); err == nil && group > 1 {
			_ = unix.Kill(-group, unix.SIGWINCH) // it may be gone
		}
	})
}
