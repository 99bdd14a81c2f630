package main

import (
	"sync"
	"sync/atomic"

	"podlab/sandbox"
	"podlab/sandbox/internal/life"
	"podlab/sandbox/internal/moments"
	"podlab/sandbox/internal/record"
)

// node is a node of this host, over all its lives.
type node struct {
	record.Node // under host.mu; its links under host.cabling too

	moments  moments.Log
	changing sync.Mutex             // one Freeze, Thaw, PowerOff or PowerOn at a time
	life     *life.Life             // under host.mu: the one that it has, or had when it was stopped; nil while it is made
	stopped  bool                   // under host.mu: PowerOff ended its life, and its disk is held
	frozen   bool                   // under host.mu
	alive    bool                   // under host.mu: made, and not yet gone
	spare    bool                   // under host.mu: nobody's yet
	dying    bool                   // under host.mu: its end has begun, or it is to end
	ready    chan struct{}          // closed when it lives or could not be made
	gone     chan struct{}          // closed when all of it has been removed
	reason   atomic.Pointer[string] // why it was destroyed
}

func newNode(r record.Node) *node {
	return &node{Node: r, ready: make(chan struct{}), gone: make(chan struct{})}
}

// note takes down which life the node has.
func (n *node) note(l *life.Life) {
	n.life, n.PID, n.PIDNS, n.Disk = l, l.PID, l.PIDNS, l.Disk
}

// why is the reason that it ended for, once it has.
func (n *node) why() string {
	if reason := n.reason.Load(); reason != nil {
		return *reason
	}
	return sandbox.GoneInitEnded
}
