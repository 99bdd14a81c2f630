package main

import (
	"context"
	"errors"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/disk"
	"podlab/sandbox/internal/pidfd"
	"podlab/sandbox/internal/rootfs"
)

// A stopped node is one whose init was killed while the daemon held its disk. It keeps its name, room, ids, place, moments and links.
// The disk is held by a mount of the daemon's own, so it does not outlive the daemon, and nothing is left of it after whatever end.

// stop ends everything on a node and keeps its files.
func (h *host) stop(ctx context.Context, id string) error {
	n, unlock, err := h.change(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	if h.isStopped(n) {
		return nil
	}
	if err := rootfs.Hold(h.work(n), func(at string) error { return disk.Again(n.Disk, at) }); err != nil {
		return err
	}
	h.mu.Lock()
	n.stopped = n.alive && pidfd.Lives(n.pidfd) // then the device was its own when it was mounted
	stopped := n.stopped
	h.mu.Unlock()
	if !stopped {
		return errors.Join(errNoNode(id), rootfs.Release(h.work(n)))
	}
	if err := n.kill(); err != nil {
		return err
	}
	if err := h.groups.Remove(ctx, n.place); err != nil { // what is frozen does not die
		return err
	}
	select {
	case <-n.halted:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// change finds a living node and takes its lock. By the time that it has it, the node may have been started anew.
func (h *host) change(ctx context.Context, id string) (n *node, unlock func(), err error) {
	for {
		n, ok := h.find(ctx, id)
		if !ok {
			return nil, nil, errNoNode(id)
		}
		n.changing.Lock()
		if now, ok := h.find(ctx, id); ok && now == n {
			return n, n.changing.Unlock, nil
		}
		n.changing.Unlock()
	}
}

func (h *host) isStopped(n *node) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return n.stopped
}

// halt removes what is left of a node's life, when it was stopped, and not what it keeps.
func (h *host) halt(n *node) {
	if n.process != nil {
		_, _ = n.process.Wait()
	}
	n.removing.Lock()
	h.clear(n.place)
	n.removing.Unlock()
	h.tracer.Remove(n.PIDNS)
	h.moments.Remove(n.PIDNS)
	n.pidfd.Close()
	close(n.halted)
	h.log.Info("node is stopped", "node", n.Spec.ID)
}

// restart boots a stopped node. When that fails it is still stopped.
func (h *host) restart(ctx context.Context, id string) (sandbox.Node, error) {
	old, unlock, err := h.change(ctx, id)
	if err != nil {
		return sandbox.Node{}, err
	}
	defer unlock()
	if !h.isStopped(old) {
		return h.public(old), nil
	}
	<-old.halted
	h.making <- struct{}{}
	defer func() { <-h.making }()
	began := time.Now()
	n := newNode(old.Node)
	n.place, n.moments, n.changing, n.again, n.Started = old.place, old.moments, old.changing, true, began.UnixMilli()
	close(n.ready)
	if err := h.start(n); err != nil {
		return sandbox.Node{}, err
	}
	h.log.Info("node is started again", "node", id, "pid", n.PID, "took", time.Since(began).Round(time.Millisecond))
	err = h.succeed(old, n)
	return h.public(n), err
}

// succeed puts a node's new life in the place of its old one, with the links that it has by now.
func (h *host) succeed(old, n *node) error {
	h.cabling.Lock()
	defer h.cabling.Unlock()
	n.Links = old.Links
	h.live(n)
	return errors.Join(h.rewrite(n), h.plugAll(n))
}

// discard removes a node that is stopped; done is false for any other.
func (h *host) discard(n *node, reason string) (done bool) {
	n.changing.Lock()
	defer n.changing.Unlock()
	h.mu.Lock()
	done = n.stopped && n.alive && h.nodes[n.Spec.ID] == n
	if done {
		n.alive, n.dying = false, true
	}
	h.mu.Unlock()
	if !done {
		return false
	}
	<-n.halted
	h.ended.Add(n.Spec.ID, reason)
	if err := rootfs.Release(h.work(n)); err != nil {
		h.log.Error("a node's disk stays", "node", n.Spec.ID, "error", err)
	}
	h.unlink(n)
	h.forget(n)
	close(n.gone)
	h.log.Info("node is gone", "node", n.Spec.ID, "reason", reason)
	return true
}
