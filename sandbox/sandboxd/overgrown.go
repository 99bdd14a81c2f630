package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/cgroup"
	"podlab/sandbox/internal/tables"
	"podlab/sandbox/internal/userns"
)

// destroyOvergrown destroys nodes with more groups than they may have, on v1. Nothing softer helps: root of a node may make groups, since
// the agent is that too.
func (h *host) destroyOvergrown(ctx context.Context) {
	h.mu.RLock()
	nodes := slices.Collect(maps.Values(h.nodes))
	h.mu.RUnlock()
	for _, n := range nodes { // not spares: nobody is in them
		if !closed(n.ready) || !h.groups.Overgrown(n.place) {
			continue
		}
		h.log.Warn("node is destroyed: too many control groups", "node", n.Spec.ID, "most", cgroup.Most)
		h.punish(ctx, n.Spec.ID, sandbox.GoneTooManyGroups)
	}
}

func (h *host) punish(ctx context.Context, id, reason string) {
	ctx, cancel := context.WithTimeout(ctx, clearTime)
	defer cancel()
	if err := h.destroy(ctx, id, reason); err != nil {
		h.log.Error("node stays", "node", id, "error", err)
	}
}

// watchTerminals destroys nodes with too many pseudo-terminals while these are scarce. Nothing softer helps: each node has a limit for its own
// /dev/pts, but root of a node may mount others.
func (h *host) watchTerminals(ctx context.Context) {
	const every = 250 * time.Millisecond // two small files each time
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !tables.TerminalsScarce() {
			continue
		}
		held, err := tables.Terminals(h.nodeOf)
		if err != nil {
			h.log.Error("terminals are not counted", "error", err)
		}
		for id, n := range held {
			if n > tables.MostTerminals {
				h.log.Warn("node is destroyed: too many terminals", "node", id, "held", n)
				h.punish(ctx, id, sandbox.GoneTooManyTerminals)
			}
		}
	}
}

// nodeOf is the id of the node that a uid of the host belongs to, "" for none.
func (h *host) nodeOf(uid uint32) string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, n := range h.nodes {
		if closed(n.ready) && uid >= n.Base && uid-n.Base < userns.Size {
			return n.Spec.ID
		}
	}
	return ""
}
