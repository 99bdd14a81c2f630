package main

import (
	"context"
	"fmt"
	"sync"

	"podlab/sandbox"
	"podlab/sandbox/internal/life"
)

// Destroy removes a node because somebody asked for it. One that is not there is no error.
func (h *host) Destroy(ctx context.Context, id string) error {
	return h.destroy(ctx, id, sandbox.GoneDestroyed)
}

// destroy removes a node for a reason, of which the first counts, and returns when it is gone.
func (h *host) destroy(ctx context.Context, id, reason string) error {
	n, ok := h.find(ctx, id)
	if n == nil {
		return ctx.Err()
	}
	if ok {
		if err := h.end(ctx, n, reason); err != nil {
			return err
		}
	}
	select {
	case <-n.gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end ends a node's life, and the next one should it be powered off and on meanwhile.
func (h *host) end(ctx context.Context, n *node, reason string) error {
	for {
		h.mu.RLock()
		l, alive, stopped := n.life, n.alive, n.stopped
		h.mu.RUnlock()
		switch {
		case !alive:
			return nil
		case stopped:
			if h.discard(n, reason) {
				return nil
			}
			continue
		}
		n.reason.CompareAndSwap(nil, &reason)
		if err := l.End(ctx); err != nil {
			return err
		}
		select {
		case <-l.Over():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// destroyAll removes all nodes.
func (h *host) destroyAll() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*life.ClearTime)
	defer cancel()
	var all sync.WaitGroup
	nodes, _ := h.List(ctx)
	for _, n := range nodes {
		all.Go(func() { h.destroyOrSay(ctx, n.Spec.ID, sandbox.GoneDestroyed) })
	}
	all.Wait()
	if left, _ := h.List(ctx); len(left) > 0 {
		return fmt.Errorf("%d nodes stay", len(left))
	}
	return nil
}

func (h *host) destroyOrSay(ctx context.Context, id, reason string) {
	if err := h.destroy(ctx, id, reason); err != nil {
		h.log.Error("node stays", "node", id, "error", err)
	}
}

// bury removes what is left of a life that has ended, and, unless the node was powered off, the node.
func (h *host) bury(n *node, l *life.Life) {
	h.mu.Lock()
	stopped, spare := n.stopped, n.spare
	if !stopped {
		n.alive, n.dying = false, true // it keeps its name from here on
	}
	h.mu.Unlock()
	if !stopped && !spare {
		h.ended.Add(n.Spec.ID, n.why())
	}
	l.Bury()
	h.moments.End(l.PIDNS)
	if stopped {
		h.log.Info("node is stopped", "node", n.Spec.ID)
		return
	}
	h.remove(n)
}

// remove forgets a node of which nothing is left.
func (h *host) remove(n *node) {
	h.unlink(n)
	h.forget(n)
	close(n.gone)
	h.log.Info("node is gone", "node", n.Spec.ID, "reason", n.why())
}

// forget frees a node's name and room, and ends its moments.
func (h *host) forget(n *node) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.nodes, n.Spec.ID)
	if n.moments != nil {
		n.moments.Close()
	}
}
