package main

import (
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/spare"
)

// A spare is a node that nobody has asked for yet. It has no record until then, so a later daemon removes it as half made. Package spare says
// which there shall be.

// Spares are those that live, and the room that is left to them.
func (h *host) Spares() (have []sandbox.NodeSpec, room int) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, n := range h.nodes {
		if n.spare && !n.dying {
			have = append(have, n.Spec)
		}
	}
	return have, h.set.MaxNodes - h.places(false)
}

// MakeSpare makes one.
func (h *host) MakeSpare(spec sandbox.NodeSpec) error {
	n, _, err := h.reserve(spec, true)
	if err != nil {
		return err
	}
	return h.make(n)
}

// DropSpares destroys those of the nodes that are still spare, and waits until they are gone.
func (h *host) DropSpares(ids []string) {
	reason := sandbox.GoneDestroyed
	var spares []*node
	h.mu.Lock()
	for _, id := range ids {
		if n := h.nodes[id]; n != nil && n.spare && n.life != nil { // else somebody has it by now
			n.dying = true
			n.reason.Store(&reason)
			spares = append(spares, n)
		}
	}
	h.mu.Unlock()
	for _, n := range spares {
		if err := n.life.Kill(); err != nil {
			h.log.Error("a spare node stays", "error", err)
		}
	}
	for _, n := range spares {
		<-n.gone
	}
}

// take gives a spare to who asked for a node like it, nil when there is none. The caller holds mu, and has looked for name and room.
func (h *host) take(spec sandbox.NodeSpec) *node {
	h.spares.Asked(spec, time.Now())
	for key, n := range h.nodes {
		if n.spare && !n.dying && n.life != nil && spare.Shape(n.Spec) == spare.Shape(spec) && n.life.Lives() {
			delete(h.nodes, key)
			n.moments.Restart() // who gets it did nothing of what was
			n.spare, n.alive, n.Spec, n.Started = false, true, spec, time.Now().UnixMilli()
			h.nodes[spec.ID] = n
			return n
		}
	}
	return nil
}
