package engine

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// consoleSocket is how a container's first stage hands over the master of the pty it made in the container's own devpts.
type consoleSocket struct{ ours, theirs *os.File }

func newConsoleSocket() (*consoleSocket, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	return &consoleSocket{ours: os.NewFile(uintptr(fds[0]), "console"), theirs: os.NewFile(uintptr(fds[1]), "console")}, nil
}

func (c *consoleSocket) close() {
	c.ours.Close()
	c.theirs.Close()
}

// receive returns the master. The process has been started: it was sent before, so this does not wait.
func (c *consoleSocket) receive() (*os.File, error) {
	c.theirs.Close() // a sender that died shows as the end of the stream
	name, rights := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(int(c.ours.Fd()), name, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) != 1 {
		return nil, errors.Join(errors.New("console: no pty came"), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, errors.Join(errors.New("console: no pty came"), err)
	}
	return polled(fds[0]), nil
}
