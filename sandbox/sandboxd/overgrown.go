package main

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Groups of one node. v2 limits them itself (cgroup.max.descendants). v1 does not, yet the whole host has 65,535 memory groups, and a
// node with tens of thousands takes many seconds to remove.
const (
	mostGroups = 512 // in one hierarchy
	mostDepth  = 16

	groupsEvery = 250 * time.Millisecond // between looks at the host's number of groups: one small file
	walkEvery   = 5 * time.Second        // between walks in any case: named hierarchies are not in that file
	groupsGrow  = 256                    // so many more groups on the host, and the nodes' are counted at once
)

// watchGroups destroys nodes with more groups than they may have, on v1, until ctx ends. Nothing softer helps: root of a node may make
// groups, since the agent is that too.
func (h *host) watchGroups(ctx context.Context) {
	if h.groups.unified {
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
		now := groupsOnHost()
		if now < seen {
			seen = now
		}
		if now-seen < groupsGrow && time.Since(walked) < walkEvery {
			continue
		}
		h.destroyOvergrown(ctx)
		walked, seen = time.Now(), groupsOnHost()
	}
}

func (h *host) destroyOvergrown(ctx context.Context) {
	for _, n := range h.list() {
		if !h.groups.overgrown(n.Spec.ID) {
			continue
		}
		h.log.Warn("node is destroyed: too many control groups", "node", n.Spec.ID, "most", mostGroups)
		ctx, cancel := context.WithTimeout(ctx, clearTime)
		if err := h.destroy(ctx, n.Spec.ID); err != nil {
			h.log.Error("node stays", "node", n.Spec.ID, "error", err)
		}
		cancel()
	}
}

// overgrown tells whether a node has too many groups in some hierarchy, or too deep ones.
func (g *groups) overgrown(id string) bool {
	for _, hierarchy := range g.hierarchies {
		left := mostGroups
		if overgrown(filepath.Join(hierarchy, g.path(id)), mostDepth, &left) {
			return true
		}
	}
	return false
}

// overgrown takes the groups below dir from left. A group's directory has two links and one more for each group in it.
func overgrown(dir string, depth int, left *int) bool {
	info, err := os.Lstat(dir)
	if err != nil {
		return !errors.Is(err, os.ErrNotExist) // it may have gone; a path can be too long
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || stat.Nlink <= 2 {
		return false
	}
	if *left -= int(stat.Nlink) - 2; *left < 0 || depth == 0 {
		return true
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	for _, entry := range entries {
		if entry.IsDir() && overgrown(filepath.Join(dir, entry.Name()), depth-1, left) {
			return true
		}
	}
	return false
}

// groupsOnHost is the number of groups in the largest hierarchy with a controller, 0 where the kernel does not say.
func groupsOnHost() (most int) {
	file, err := os.Open("/proc/cgroups")
	if err != nil {
		return 0
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text()) // name, hierarchy, number, enabled
		if len(fields) == 4 && fields[1] != "0" {
			n, _ := strconv.Atoi(fields[2]) // the heading is no number
			most = max(most, n)
		}
	}
	return most
}
