package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/pidfd"
)

// node is a node of this host. Of its record only the links change once it lives.
type node struct {
	record

	place     string // of its group, its directory of state and its socket: its first id, which for a spare is not its last
	pidfd     *os.File
	container *libcontainer.Container
	process   *libcontainer.Process // nil when an earlier daemon started it
	moments   moments

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

// record is what a later daemon must know to find a node again. It is written last: a node without one is half made.
type record struct {
	Spec    sandbox.NodeSpec `json:"spec"`
	Base    uint32           `json:"base"` // first of its ids on the host
	PID     int              `json:"pid"`
	PIDNS   uint64           `json:"pidns"`
	Started int64            `json:"started"` // Unix milliseconds
	Disk    uint64           `json:"disk"`    // number of its device
	Links   []sandbox.Link   `json:"links,omitempty"`
}

func newNode(r record) *node {
	return &node{record: r, place: r.Spec.ID, ready: make(chan struct{}), gone: make(chan struct{}), halted: make(chan struct{}), changing: new(sync.Mutex)}
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
	if n.pidfd, err = pidfd.Open(pid); err != nil {
		return err
	}
	var ns unix.Stat_t
	if err = unix.Stat(fmt.Sprintf("/proc/%d/ns/pid", pid), &ns); err != nil {
		return &os.PathError{Op: "stat", Path: fmt.Sprintf("/proc/%d/ns/pid", pid), Err: err}
	}
	n.PIDNS = ns.Ino
	return nil
}
