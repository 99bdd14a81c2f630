package main

import (
	"context"
	"maps"
	"slices"

	"podlab/sandbox"
	"podlab/sandbox/internal/cgroup"
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
		ctx, cancel := context.WithTimeout(ctx, clearTime)
		if err := h.destroy(ctx, n.Spec.ID, sandbox.GoneTooManyGroups); err != nil {
			h.log.Error("node stays", "node", n.Spec.ID, "error", err)
		}
		cancel()
	}
}
