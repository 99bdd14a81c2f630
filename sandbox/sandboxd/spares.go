package main

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/pidfd"
)

// calm is how long nobody must have asked for a node before a spare is made: whoever got one needs the processors for its pods.
const calm = 500 * time.Millisecond

const again = 10 * time.Second // from a spare that could not be made to the next

// A spare is a node that nobody has asked for yet: complete, with disk, root, init and agent. Whoever asks for one of its shape gets it by
// a change of name. It has no record until then, so a later daemon removes it as half made. Spares are of the shapes that were asked for
// last, since what comes is mostly what came. They take room that nobody wants; a node that is asked for goes first.
//
// All fields are under host.mu.
type spares struct {
	recent []sandbox.NodeSpec // shapes, as many as there shall be spares; oldest first
	asked  time.Time          // the last time
}

// shape is all of a spec that makes a difference to what is made.
func shape(spec sandbox.NodeSpec) sandbox.NodeSpec {
	spec.ID, spec.Owner = "", ""
	return spec
}

// expect lets spares be made of the default shape until others are asked for.
func (h *host) expect() {
	spec, err := h.set.Complete(sandbox.NodeSpec{ID: "spare"})
	if err == nil {
		h.spares.recent = slices.Repeat([]sandbox.NodeSpec{shape(spec)}, h.set.Spares)
	}
}

// take gives a spare to who asked for a node like it, nil when there is none. The caller holds mu, and has looked for name and room.
func (h *host) take(spec sandbox.NodeSpec) *node {
	if s := &h.spares; len(s.recent) > 0 {
		s.recent, s.asked = append(s.recent[1:], shape(spec)), time.Now()
	}
	for key, n := range h.nodes {
		if n.spare && !n.dying && closed(n.ready) && shape(n.Spec) == shape(spec) && pidfd.Lives(n.pidfd) {
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
	defer h.dropSpares(func(*node) bool { return true })
	tick := time.NewTicker(calm / 2)
	defer tick.Stop()
	for h.set.Spares > 0 && ctx.Err() == nil {
		surplus, missing := h.compare()
		h.dropSpares(func(n *node) bool { return slices.Contains(surplus, n) })
		if missing != nil && h.addSpare(*missing) {
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// compare finds spares that are not wanted any more, or in the way, and the shape of one that could be made.
func (h *host) compare() (surplus []*node, missing *sandbox.NodeSpec) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	want, room := slices.Clone(h.spares.recent), h.set.MaxNodes-h.places(false)
	for _, n := range h.nodes {
		if !n.spare || n.dying {
			continue
		}
		at := slices.Index(want, shape(n.Spec))
		if room -= h.set.Places(n.Spec); at < 0 || room < 0 {
			surplus = append(surplus, n)
			continue
		}
		want = slices.Delete(want, at, at+1)
	}
	if len(want) > 0 && room >= h.set.Places(want[0]) && time.Since(h.spares.asked) >= calm && len(surplus) == 0 {
		missing = &want[0]
	}
	return surplus, missing
}

// addSpare makes one. Its name, until it is given away, is one that nobody can ask for.
func (h *host) addSpare(spec sandbox.NodeSpec) bool {
	spec.ID = sparePrefix + strings.ToLower(rand.Text()[:12])
	n, err := h.reserve(spec, true)
	if err == nil {
		err = h.make(n)
	}
	if err != nil {
		h.log.Warn("no spare node", "error", err)
		h.mu.Lock()
		h.spares.asked = time.Now().Add(again - calm)
		h.mu.Unlock()
	}
	return err == nil
}

const sparePrefix = "_"

// dropSpares destroys spares and waits until they are gone.
func (h *host) dropSpares(which func(*node) bool) {
	h.mu.Lock()
	var drop []*node
	for _, n := range h.nodes {
		if n.spare && which(n) {
			n.dying = true
			drop = append(drop, n)
		}
	}
	h.mu.Unlock()
	for _, n := range drop {
		if err := n.kill(); err != nil {
			h.log.Error("a spare node stays", "error", err)
		}
	}
	for _, n := range drop {
		<-n.gone
	}
}
