package main

import (
	"context"
	"errors"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/life"
)

// A stopped node is one whose life was ended while the daemon held its disk. It keeps its name, room, ids, place, moments and links. The disk
// is held by a mount of the daemon's own, so it does not outlive the daemon, and nothing is left of it after whatever end.

// change finds a living node and takes its lock.
func (h *host) change(ctx context.Context, id string) (n *node, unlock func(), err error) {
	n, ok := h.find(ctx, id)
	if !ok {
		return nil, nil, errNoNode(id)
	}
	n.changing.Lock()
	h.mu.RLock()
	defer h.mu.RUnlock()
	if !n.alive {
		n.changing.Unlock()
		return nil, nil, errNoNode(id)
	}
	return n, n.changing.Unlock, nil
}

// living is the life that a node has, nil when it is stopped.
func (h *host) living(n *node) *life.Life {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if n.stopped {
		return nil
	}
	return n.life
}

// Freeze stops a node's processes where they are.
func (h *host) Freeze(ctx context.Context, id string) error { return h.freeze(ctx, id, true) }

// Thaw lets them go on.
func (h *host) Thaw(ctx context.Context, id string) error { return h.freeze(ctx, id, false) }

func (h *host) freeze(ctx context.Context, id string, freeze bool) error {
	n, unlock, err := h.change(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	l := h.living(n)
	if l == nil || n.frozen == freeze {
		return nil
	}
	if freeze {
		err = l.Freeze(ctx)
	} else {
		err = l.Thaw()
	}
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	n.frozen = freeze
	return nil
}

// PowerOff ends everything on a node and keeps its files.
func (h *host) PowerOff(ctx context.Context, id string) error {
	n, unlock, err := h.change(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	l := h.living(n)
	if l == nil {
		return nil
	}
	if err := l.Hold(); err != nil {
		return err
	}
	h.mu.Lock()
	n.stopped = n.alive && l.Lives() // then the disk was its own when it was held
	stopped := n.stopped
	h.mu.Unlock()
	if !stopped {
		return errors.Join(errNoNode(id), l.Release())
	}
	if err := l.End(ctx); err != nil {
		return err
	}
	select {
	case <-l.Over():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// PowerOn boots a stopped node. When that fails it is still stopped.
func (h *host) PowerOn(ctx context.Context, id string) (sandbox.Node, error) {
	n, unlock, err := h.change(ctx, id)
	if err != nil {
		return sandbox.Node{}, err
	}
	defer unlock()
	if h.living(n) == nil {
		err = h.restart(n)
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.public(n), err
}

// restart gives a stopped node another life, with the links that it has by then.
func (h *host) restart(n *node) error {
	<-n.life.Over()
	began := time.Now()
	l, err := h.begin(n, n.life.Place, true)
	if err != nil {
		return err
	}
	h.cabling.Lock()
	defer h.cabling.Unlock()
	h.mu.Lock()
	n.note(l)
	n.stopped, n.frozen, n.Started = false, false, began.UnixMilli()
	h.mu.Unlock()
	h.await(n, l)
	h.log.Info("node is started again", "node", n.Spec.ID, "pid", l.PID, "took", time.Since(began).Round(time.Millisecond))
	return errors.Join(h.write(n), h.plugAll(n))
}

// discard removes a node that is stopped; done is false for any other.
func (h *host) discard(n *node, reason string) (done bool) {
	n.changing.Lock()
	defer n.changing.Unlock()
	h.mu.Lock()
	done = n.stopped && n.alive
	if done {
		n.alive, n.dying = false, true
	}
	h.mu.Unlock()
	if !done {
		return false
	}
	n.reason.CompareAndSwap(nil, &reason)
	<-n.life.Over()
	h.ended.Add(n.Spec.ID, n.why())
	if err := n.life.Release(); err != nil {
		h.log.Error("a node's disk stays", "node", n.Spec.ID, "error", err)
	}
	h.remove(n)
	return true
}
