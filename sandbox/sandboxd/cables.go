package main

import (
	"context"
	"errors"
	"slices"

	"podlab/sandbox"
	"podlab/sandbox/internal/cable"
	"podlab/sandbox/wire"
)

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
	linked, cut := h.linked(one, b)
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
	if err := h.plug(one, two, verb != wire.VerbCut); err != nil {
		return err
	}
	return errors.Join(h.note(one, b, verb == wire.VerbCut), h.note(two, a, verb == wire.VerbCut))
}

// plug puts a cable in, or takes it out. That of a stopped node waits for its start.
func (h *host) plug(a, b *node, in bool) error {
	if h.isStopped(a) || h.isStopped(b) {
		return nil
	}
	one, err := a.end()
	if err != nil {
		return err
	}
	defer one.Network.Close()
	two, err := b.end()
	if err != nil {
		return err
	}
	defer two.Network.Close()
	if in {
		return cable.Plug(one, two)
	}
	return cable.Unplug(one, two)
}

func (n *node) end() (cable.End, error) {
	end, err := cable.Open(n.PID, n.pidfd, n.Spec.Subnet)
	if errors.Is(err, cable.ErrGone) {
		err = errNoNode(n.Spec.ID)
	}
	return end, err
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

func (h *host) linked(n *node, other string) (linked, cut bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return n.Linked(other)
}

// note records how a node is linked to another, for a later daemon too. The caller holds cabling.
func (h *host) note(n *node, other string, cut bool) error {
	h.mu.Lock()
	n.Link(other, cut)
	h.mu.Unlock()
	return h.rewrite(n)
}

// rewrite writes the record of a node whose links changed. One that is stopped gets it with its start; one that is being removed is let
// alone. The caller holds cabling.
func (h *host) rewrite(n *node) error {
	if !n.removing.TryLock() {
		return nil
	}
	defer n.removing.Unlock()
	h.mu.RLock()
	lives := n.alive && !n.dying && !n.stopped
	h.mu.RUnlock()
	if !lives {
		return nil
	}
	return n.Write(h.set.State(n.place))
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
		if err := h.rewrite(other); err != nil {
			h.log.Warn("a link's end is not recorded", "node", other.Spec.ID, "error", err)
		}
	}
}

// pruneLinks forgets links to nodes that this daemon did not find again.
func (h *host) pruneLinks() {
	for _, n := range h.nodes {
		n.Links = slices.DeleteFunc(n.Links, func(l sandbox.Link) bool { return h.nodes[l.Node] == nil })
	}
}
