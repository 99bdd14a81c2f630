package main

import (
	"context"
	"errors"

	"podlab/sandbox"
	"podlab/sandbox/internal/cable"
	"podlab/sandbox/wire"
)

// Link joins two nodes of one owner by a cable.
func (h *host) Link(ctx context.Context, a, b string) error { return h.cable(ctx, wire.VerbLink, a, b) }

// Cut cuts the cable between two nodes.
func (h *host) Cut(ctx context.Context, a, b string) error { return h.cable(ctx, wire.VerbCut, a, b) }

// Restore mends it.
func (h *host) Restore(ctx context.Context, a, b string) error {
	return h.cable(ctx, wire.VerbRestore, a, b)
}

// cable links two nodes of one owner, or cuts or restores the cable between them.
func (h *host) cable(ctx context.Context, verb, a, b string) error {
	one, found := h.find(ctx, a)
	if !found {
		return errNoNode(a)
	}
	two, found := h.find(ctx, b)
	if !found {
		return errNoNode(b)
	}
	if one == two {
		return sandbox.Errorf(sandbox.CodeBadRequest, "detail", "same node")
	}
	h.cabling.Lock() // nobody is forgotten meanwhile
	defer h.cabling.Unlock()
	linked, cut := one.Linked(b)
	switch {
	case verb != wire.VerbLink && !linked:
		return sandbox.Errorf(sandbox.CodeNotFound, "kind", "link", "name", a+" "+b)
	case linked && (verb == wire.VerbLink || cut == (verb == wire.VerbCut)):
		return nil
	case verb == wire.VerbLink && (one.Spec.Owner == "" || one.Spec.Owner != two.Spec.Owner):
		return sandbox.Errorf(sandbox.CodeDenied)
	case one.Spec.Subnet == two.Spec.Subnet:
		return sandbox.Errorf(sandbox.CodeBadRequest, "detail", "subnet")
	}
	cut = verb == wire.VerbCut
	if err := h.plug(one, two, !cut); err != nil {
		return err
	}
	return errors.Join(h.link(one, b, cut), h.link(two, a, cut))
}

// plug puts a cable in, or takes it out. That of a stopped node waits for its start.
func (h *host) plug(a, b *node, in bool) error {
	var ends [2]cable.End
	for i, n := range []*node{a, b} {
		l := h.living(n)
		if l == nil {
			return nil
		}
		end, err := l.Cable()
		if errors.Is(err, cable.ErrGone) {
			return errNoNode(n.Spec.ID)
		}
		if err != nil {
			return err
		}
		defer end.Network.Close()
		ends[i] = end
	}
	if in {
		return cable.Plug(ends[0], ends[1])
	}
	return cable.Unplug(ends[0], ends[1])
}

// plugAll puts the cables of a node in that was started again. The caller holds cabling.
func (h *host) plugAll(n *node) (failed error) {
	for _, link := range n.Links {
		h.mu.RLock()
		other := h.nodes[link.Node]
		h.mu.RUnlock()
		if other != nil && !link.Cut {
			failed = errors.Join(failed, h.plug(n, other, true))
		}
	}
	return failed
}

// link records how a node is linked to another, for a later daemon too. The caller holds cabling.
func (h *host) link(n *node, other string, cut bool) error {
	h.mu.Lock()
	n.Link(other, cut)
	h.mu.Unlock()
	return h.write(n)
}

// write writes a node's record. One that is stopped gets it with its start; what is being removed is let alone. The caller holds cabling.
func (h *host) write(n *node) error {
	h.mu.RLock()
	l, r := n.life, n.Node
	h.mu.RUnlock()
	return l.Write(&r)
}

// unlink forgets the links of others to a node that is gone; the kernel took the cables with it.
func (h *host) unlink(gone *node) {
	h.cabling.Lock()
	defer h.cabling.Unlock()
	for _, link := range gone.Links {
		h.mu.Lock()
		other := h.nodes[link.Node]
		if other != nil {
			other.Unlink(gone.Spec.ID)
		}
		h.mu.Unlock()
		if other == nil {
			continue
		}
		if err := h.write(other); err != nil {
			h.log.Warn("a link's end is not recorded", "node", other.Spec.ID, "error", err)
		}
	}
}
