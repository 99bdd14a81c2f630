package main

import (
	"errors"
	"slices"

	"podlab/sandbox"
	"podlab/sandbox/internal/record"
)

// adoptAll finds the nodes of an earlier daemon again and removes everything else that it left.
func (h *host) adoptAll() error {
	lives, rests, err := h.machine.Places()
	if err != nil {
		return err
	}
	for _, place := range rests {
		h.machine.Clear(place)
	}
	for _, place := range lives {
		if id, err := h.adopt(place); err != nil {
			h.log.Warn("a node of an earlier daemon is removed", "node", id, "error", err)
			h.ended.Add(id, sandbox.GoneInitEnded)
			h.machine.Clear(place)
		}
	}
	h.cabling.Lock()
	defer h.cabling.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range h.nodes {
		n.Links = slices.DeleteFunc(n.Links, func(l sandbox.Link) bool { return h.nodes[l.Node] == nil })
	}
	return nil
}

// adopt finds one node again, by its record. The node must still be the one recorded: same process, same pid namespace.
func (h *host) adopt(place string) (id string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, err := record.Read(h.set.State(place))
	if err != nil {
		return place, err
	}
	id = r.Spec.ID
	if h.nodes[id] != nil {
		return id, errors.New("another node has its name")
	}
	n := newNode(r)
	l, frozen, err := h.machine.Find(place, r)
	if err != nil {
		return id, err
	}
	if err := h.trace(n, l); err != nil {
		h.moments.End(l.PIDNS)
		l.Leave()
		return id, err
	}
	h.nodes[id] = n
	n.note(l)
	n.alive, n.frozen = true, frozen
	close(n.ready)
	h.await(n, l)
	h.log.Info("node found again", "node", id, "pid", n.PID)
	return id, nil
}
