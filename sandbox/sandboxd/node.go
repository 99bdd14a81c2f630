package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// node is a node of this host. What is in record never changes once it lives.
type node struct {
	record

	pidfd     *os.File
	container *libcontainer.Container
	process   *libcontainer.Process // nil when an earlier daemon started it
	moments   *ring

	removing sync.Mutex    // one removal of its groups at a time
	freezing sync.Mutex    // one Freeze or Thaw at a time
	frozen   bool          // under host.mu
	alive    bool          // under host.mu: made, and not yet gone
	ready    chan struct{} // closed when it lives or could not be made
	gone     chan struct{} // closed when all of it has been removed
}

// record is what a later daemon must know to find a node again. It is written last: a node without one is half made.
type record struct {
	Spec    sandbox.NodeSpec `json:"spec"`
	Base    uint32           `json:"base"` // first of its ids on the host
	PID     int              `json:"pid"`
	PIDNS   uint64           `json:"pidns"`
	Started int64            `json:"started"` // Unix milliseconds
}

func newNode(r record) *node {
	return &node{record: r, ready: make(chan struct{}), gone: make(chan struct{})}
}

const recordFile = "node.json"

func (r *record) write(dir string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	fresh := filepath.Join(dir, recordFile+".new")
	if err := os.WriteFile(fresh, data, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, filepath.Join(dir, recordFile))
}

// identify opens the node's init and reads which pid namespace it is in. Both together hold for ever, however pids are used again.
func (n *node) identify(pid int) (err error) {
	n.PID = pid
	if n.pidfd, err = openProcess(pid); err != nil {
		return err
	}
	var ns unix.Stat_t
	if err = unix.Stat(fmt.Sprintf("/proc/%d/ns/pid", pid), &ns); err != nil {
		return &os.PathError{Op: "stat", Path: fmt.Sprintf("/proc/%d/ns/pid", pid), Err: err}
	}
	n.PIDNS = ns.Ino
	return nil
}

// openProcess opens a pidfd that Go's poller can wait for.
func openProcess(pid int) (*os.File, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	return os.NewFile(uintptr(fd), "pidfd"), nil
}

// kill ends the node's init, and with it, by the kernel, everything in the node.
func (n *node) kill() error {
	raw, err := n.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(pidfd uintptr) {
		_ = unix.PidfdSendSignal(int(pidfd), unix.SIGKILL, nil, 0) // it may be gone
	})
}

// wait returns when the node's init has ended, or with os.ErrClosed when the pidfd was closed.
func (n *node) wait() error {
	raw, err := n.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(ended)
}

// ended reports whether the process of a pidfd has ended (pidfd_open(2): it is then readable).
func ended(pidfd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	count, err := unix.Poll(fds, 0)
	return count > 0 && !errors.Is(err, unix.EINTR)
}
