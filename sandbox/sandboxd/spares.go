package main

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/pidfd"
	"podlab/sandbox/internal/spare"
)

// A spare is a node that nobody has asked for yet: complete, with disk, root, init and agent. Whoever asks for one of its shape gets it by
// a change of name. It has no record until then, so a later daemon removes it as half made. Package spare says which there shall be.

// sparePrefix begins a spare's name, and its place for ever. Nobody can ask for a node of such a name.
const sparePrefix = "_"

var destroyed = sandbox.GoneDestroyed

// expect lets spares be made of the default shape until others are asked for.
func (h *host) expect() error {
	first, err := h.set.Complete(sandbox.NodeSpec{ID: "first"})
	h.spares = spare.NewPlan(h.set.Spares, first)
	return err
}

// take gives a spare to who asked for a node like it, nil when there is none. The caller holds mu, and has looked for name and room.
func (h *host) take(spec sandbox.NodeSpec) *node {
	h.spares.Asked(spec, time.Now())
	for key, n := range h.nodes {
		if n.spare && !n.dying && closed(n.ready) && spare.Shape(n.Spec) == spare.Shape(spec) && pidfd.Lives(n.pidfd) {
			delete(h.nodes, key)
			n.spare, n.alive, n.Spec, n.Started = false, true, spec, time.Now().UnixMilli()
			h.nodes[spec.ID] = n
			return n
		}
	}
	return nil
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// keepSpares makes and removes spares until ctx ends, and then removes all.
func (h *host) keepSpares(ctx context.Context) {
	defer func() { h.drop(h.listSpares()) }()
	tick := time.NewTicker(spare.Calm / 2)
	defer tick.Stop()
	for h.set.Spares > 0 && ctx.Err() == nil {
		surplus, missing := h.compare()
		h.drop(surplus)
		if missing != nil && h.addSpare(*missing) {
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// listSpares returns those that live.
func (h *host) listSpares() (all []*node) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, n := range h.nodes {
		if n.spare && !n.dying {
			all = append(all, n)
		}
	}
	return all
}

// compare finds spares that are to go, and the shape of one that is to be made.
func (h *host) compare() (surplus []*node, missing *sandbox.NodeSpec) {
	all := h.listSpares()
	var specs []sandbox.NodeSpec
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, n := range all {
		specs = append(specs, n.Spec)
	}
	which, missing := h.spares.Compare(specs, h.set.MaxNodes-h.places(false), h.set.Places, time.Now())
	for _, i := range which {
		surplus = append(surplus, all[i])
	}
	return surplus, missing
}

// addSpare makes one.
func (h *host) addSpare(spec sandbox.NodeSpec) bool {
	began := time.Now()
	spec.ID = sparePrefix + strings.ToLower(rand.Text()[:12])
	n, err := h.reserve(spec, true)
	if err == nil {
		err = h.make(n)
	}
	if err != nil {
		h.log.Warn("no spare node", "error", err)
		h.mu.Lock()
		h.spares.Failed(time.Now())
		h.mu.Unlock()
		return false
	}
	h.log.Info("spare node", "node", spec.ID, "hostname", spec.Hostname, "took", time.Since(began).Round(time.Millisecond))
	return true
}

// drop destroys those of the nodes that are still spare, and waits until they are gone.
func (h *host) drop(nodes []*node) {
	h.mu.Lock()
	var spares []*node
	for _, n := range nodes {
		if n.spare { // else somebody has it by now
			n.dying = true
			n.reason.Store(&destroyed)
			spares = append(spares, n)
		}
	}
	h.mu.Unlock()
	for _, n := range spares {
		if err := n.kill(); err != nil {
			h.log.Error("a spare node stays", "error", err)
		}
	}
	for _, n := range spares {
		<-n.gone
	}
}
