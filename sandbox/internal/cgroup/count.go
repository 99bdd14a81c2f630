package cgroup

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

// Limits of one node's groups. v2 keeps them itself (cgroup.max.descendants, cgroup.max.depth). v1 does not, yet the whole host has 65,535
// memory groups, and a node with tens of thousands takes many seconds to remove.
const (
	Most    = 512 // in one hierarchy
	Deepest = 16
)

// How often groups are counted.
const (
	groupsEvery = 250 * time.Millisecond // between looks at the host's number of groups: one small file
	WalkEvery   = 5 * time.Second        // between walks in any case: named hierarchies are not in that file
	groupsGrow  = 256                    // so many more groups on the host, and the nodes' are counted at once
)

// Overgrown tells whether a node has too many groups in some hierarchy, or too deep ones.
func (t *Tree) Overgrown(id string) bool {
	for _, hierarchy := range t.Hierarchies {
		left := Most
		if overgrown(filepath.Join(hierarchy, t.Path(id)), Deepest, &left) {
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

// Watch looks for too many groups until ctx ends: it calls grown whenever nodes may have become overgrown. On v2 it returns at once.
func (t *Tree) Watch(ctx context.Context, grown func(context.Context)) {
	if t.Unified {
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
		now := onHost()
		seen = min(seen, now)
		if now-seen < groupsGrow && time.Since(walked) < WalkEvery {
			continue
		}
		grown(ctx)
		walked, seen = time.Now(), onHost()
	}
}

// onHost is the number of groups in the largest hierarchy with a controller, 0 where the kernel does not say.
func onHost() (most int) {
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
