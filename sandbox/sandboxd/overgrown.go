package main

import (
	"context"

	"podlab/sandbox"
	"podlab/sandbox/internal/cgroup"
)

// destroyOvergrown destroys nodes with more groups than they may have, on v1. Nothing softer helps: root of a node may make groups, since
// the agent is that too.
func (h *host) destroyOvergrown(ctx context.Context) {
	for _, n := range h.list() {
		if !h.groups.Overgrown(n.Spec.ID) {
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
