package main

import (
	"context"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/cgroup"
)

// How often groups are counted.
const (
	groupsEvery = 250 * time.Millisecond // between looks at the host's number of groups: one small file
	walkEvery   = 5 * time.Second        // between walks in any case: named hierarchies are not in that file
	groupsGrow  = 256                    // so many more groups on the host, and the nodes' are counted at once
)

// watchGroups destroys nodes with more groups than they may have, on v1, until ctx ends. Nothing softer helps: root of a node may make
// groups, since the agent is that too.
func (h *host) watchGroups(ctx context.Context) {
	if h.groups.Unified {
		return
	}
	tick := time.NewTicker(groupsEvery)
	defer tick.Stop()
	var walked time.Time
	seen := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := cgroup.OnHost()
		if now < seen {
			seen = now
		}
		if now-seen < groupsGrow && time.Since(walked) < walkEvery {
			continue
		}
		h.destroyOvergrown(ctx)
		walked, seen = time.Now(), cgroup.OnHost()
	}
}

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
