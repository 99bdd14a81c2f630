package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/features"
	"podlab/sandbox/internal/life"
	"podlab/sandbox/internal/record"
)

// Create makes a node, or gives a spare away, and returns when its agent answers.
func (h *host) Create(_ context.Context, spec sandbox.NodeSpec) (sandbox.Node, error) {
	spec, err := h.set.Complete(spec)
	if err != nil {
		return sandbox.Node{}, err
	}
	if err := features.Refusal(h.missing); err != nil {
		return sandbox.Node{}, err
	}
	began := time.Now()
	n, given, err := h.reserve(spec, false)
	if err != nil {
		return sandbox.Node{}, err
	}
	if given {
		err = h.give(n)
	} else {
		err = h.make(n)
	}
	if err != nil {
		return sandbox.Node{}, err
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	h.log.Info("node", "node", spec.ID, "pid", n.PID, "took", time.Since(began).Round(time.Millisecond))
	return h.public(n), nil
}

// reserve takes a name, room and ids for a node. It may be given a spare, which is ready; one that is to be a spare gets room that is left.
func (h *host) reserve(spec sandbox.NodeSpec, toSpare bool) (n *node, given bool, err error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(h.set.Disks(), &disk); err != nil {
		return nil, false, err
	}
	if int64(disk.Bavail)*disk.Bsize < spec.Disk {
		return nil, false, sandbox.Errorf(sandbox.CodeMachineFull, "limit", "disk")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.nodes[spec.ID] != nil {
		return nil, false, sandbox.Errorf(sandbox.CodeNameTaken, "kind", "node", "name", spec.ID)
	}
	if h.set.Places(spec)+h.places(toSpare) > h.set.MaxNodes {
		return nil, false, sandbox.Errorf(sandbox.CodeMachineFull, "limit", fmt.Sprint(h.set.MaxNodes))
	}
	if !toSpare {
		if n := h.take(spec); n != nil {
			return n, true, nil
		}
	}
	n = newNode(record.Node{Spec: spec, Base: h.ids.Take(h.hasBase), Started: time.Now().UnixMilli()})
	n.spare = toSpare
	h.nodes[spec.ID] = n
	return n, false, nil
}

// places is how many are taken, by spares too or without. The caller holds mu.
func (h *host) places(spares bool) (taken int) {
	for _, n := range h.nodes {
		if spares || !n.spare {
			taken += h.set.Places(n.Spec)
		}
	}
	return taken
}

// hasBase reports whether some node has the ids from base on. The caller holds mu.
func (h *host) hasBase(base uint32) bool {
	for _, n := range h.nodes {
		if n.Base == base {
			return true
		}
	}
	return false
}

// give records a spare that is nobody's any more.
func (h *host) give(n *node) error {
	h.cabling.Lock()
	defer h.cabling.Unlock()
	if err := h.write(n); err != nil {
		return errors.Join(err, n.life.Kill())
	}
	return nil
}

// make makes a reserved node, and waits for its end in a goroutine.
func (h *host) make(n *node) error {
	defer close(n.ready)
	l, err := h.begin(n, n.Spec.ID, false)
	if err != nil {
		h.forget(n)
		close(n.gone)
		return err
	}
	h.mu.Lock()
	n.note(l)
	n.alive = !n.spare
	h.mu.Unlock()
	h.await(n, l)
	return nil
}

// begin gives a node a life: its first one, or another one on the disk that is held for it.
func (h *host) begin(n *node, place string, held bool) (*life.Life, error) {
	var born *life.Life
	l, err := h.machine.Begin(life.Plan{
		Place: place, Spec: n.Spec, Base: n.Base, Held: held, Ahead: n.spare,
		Born: func(l *life.Life) error {
			born = l
			return h.trace(n, l)
		},
		Complete: func(l *life.Life) error {
			h.mu.RLock()
			r, spare := n.Node, n.spare
			h.mu.RUnlock()
			if spare { // it has no record until it is given away
				return nil
			}
			r.PID, r.PIDNS, r.Disk = l.PID, l.PIDNS, l.Disk
			return l.Write(&r)
		},
	})
	if err != nil && born != nil {
		h.moments.End(born.PIDNS)
	}
	return l, err
}

// trace begins to number the kernel's moments of a node's life.
func (h *host) trace(n *node, l *life.Life) error {
	log, err := h.moments.Begin(l.PIDNS, l.PID, h.set.State(l.Place), n.moments)
	if n.moments == nil { // its first life
		n.moments = log
	}
	return err
}

// await waits for the end of a life in a goroutine, and then removes what is left of it.
func (h *host) await(n *node, l *life.Life) {
	h.waiting.Go(func() {
		if l.Wait() == nil { // else the daemon ends first
			h.bury(n, l)
		}
	})
}
