package main

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/moments"
	"podlab/sandbox/internal/pidfd"
	"podlab/sandbox/internal/record"
)

// node is a node of this host.
type node struct {
	record.Node

	place     string // of its group, its directory of state and its socket: its first id, which for a spare is not its last
	pidfd     *os.File
	container *libcontainer.Container
	process   *libcontainer.Process // nil when an earlier daemon started it
	moments   moments.Log

	removing sync.Mutex             // one removal of its groups at a time
	changing *sync.Mutex            // one Freeze, Thaw, PowerOff or PowerOn at a time, over all its lives
	stopped  bool                   // under host.mu: PowerOff ended it, and its disk is held
	again    bool                   // it was stopped once: its disk is held while it is made
	halted   chan struct{}          // closed when it is stopped
	frozen   bool                   // under host.mu
	alive    bool                   // under host.mu: made, and not yet gone
	spare    bool                   // under host.mu: nobody's yet
	dying    bool                   // under host.mu: its end has begun, or it is to end
	ready    chan struct{}          // closed when it lives or could not be made
	gone     chan struct{}          // closed when all of it has been removed
	reason   atomic.Pointer[string] // why it was destroyed
}

func newNode(r record.Node) *node {
	return &node{Node: r, place: r.Spec.ID, ready: make(chan struct{}), gone: make(chan struct{}), halted: make(chan struct{}), changing: new(sync.Mutex)}
}

// kill ends the node's init, and so all of it. One that has no init any more, or not yet, is no error.
func (n *node) kill() error {
	if n.pidfd == nil {
		return nil
	}
	if err := pidfd.Signal(n.pidfd, unix.SIGKILL); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// why is the reason that it ended for, once it has.
func (n *node) why() string {
	if reason := n.reason.Load(); reason != nil {
		return *reason
	}
	return sandbox.GoneInitEnded
}

// identify opens the node's init and reads which pid namespace it is in. Both together hold for ever, however pids are used again.
func (n *node) identify(pid int) (err error) {
	n.PID = pid
	if n.pidfd, err = pidfd.Open(pid); err != nil {
		return err
	}
	if n.PIDNS, err = pidfd.Namespace(pid); err != nil {
		n.pidfd.Close()
	}
	return err
}
