package main

import (
	"context"

	"podlab/sandbox"
	"podlab/sandbox/internal/life"
	"podlab/sandbox/internal/userns"
)

// destroyOvergrown destroys nodes with more groups than they may have, on v1. Nothing softer helps: root of a node may make groups, since
// the agent is that too.
func (h *host) destroyOvergrown(ctx context.Context) {
	places := make(map[string]string) // by id
	h.mu.RLock()
	for id, n := range h.nodes {
		if n.alive { // nobody is in a spare
			places[id] = n.life.Place
		}
	}
	h.mu.RUnlock()
	for id, place := range places {
		if h.machine.Groups.Overgrown(place) {
			h.punish(ctx, id, sandbox.GoneTooManyGroups)
		}
	}
}

// destroyHoarder destroys a node with too many pseudo-terminals while these are scarce. Nothing softer helps: each node has a limit for its own
// /dev/pts, but root of a node may mount others.
func (h *host) destroyHoarder(ctx context.Context, id string) {
	h.punish(ctx, id, sandbox.GoneTooManyTerminals)
}

func (h *host) punish(ctx context.Context, id, reason string) {
	h.log.Warn("node is destroyed", "node", id, "reason", reason)
	ctx, cancel := context.WithTimeout(ctx, life.ClearTime)
	defer cancel()
	h.destroyOrSay(ctx, id, reason)
}

// nodeOf is the id of the node that a uid of the host belongs to, "" for none.
func (h *host) nodeOf(uid uint32) string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for id, n := range h.nodes {
		if n.life != nil && uid >= n.Base && uid-n.Base < userns.Size {
			return id
		}
	}
	return ""
}
