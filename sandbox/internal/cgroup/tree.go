// Package cgroup is the nodes' part of the host's control groups: PARENT/ID in every hierarchy that is mounted, of cgroup v1 and v2.
//
// A node's own group is delegated to it, so what is below it is hostile: nested deeper than any path is long, named anything, frozen,
// and, on v1, without number. The paths, limits and statistics that libcontainer needs are its own affair (opencontainers/cgroups).
package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"
)

// Tree is the nodes' groups. It holds nothing that would have to be closed.
type Tree struct {
	Parent      string   // below a hierarchy's root
	Hierarchies []string // mount points
	Unified     bool     // cgroup v2 only
}

// Open finds the hierarchies. On cgroup v2 in a container it makes room for controllers first: see leaveRoot.
func Open(parent string) (*Tree, error) {
	t := &Tree{Parent: parent, Unified: cgroups.IsCgroup2UnifiedMode()}
	found, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return nil, err
	}
	for _, m := range found {
		if strings.HasPrefix(m.Mountpoint, "/sys/fs/cgroup") && !slices.Contains(t.Hierarchies, m.Mountpoint) {
			t.Hierarchies = append(t.Hierarchies, m.Mountpoint)
		}
	}
	if len(t.Hierarchies) == 0 {
		return nil, errors.New("no cgroup hierarchy below /sys/fs/cgroup")
	}
	if t.Unified {
		return t, leaveRoot(t.Hierarchies[0])
	}
	return t, nil
}

// leaveRoot empties the root of a cgroup v2 tree that is not the host's real one (a container's), since controllers can be enabled for
// the children of a group without processes only (cgroups(7), "no internal processes").
func leaveRoot(root string) error {
	if _, err := os.Stat(filepath.Join(root, "cgroup.type")); errors.Is(err, os.ErrNotExist) {
		return nil // only the real root has no type, and it is exempt
	} else if err != nil {
		return err
	}
	leaf := filepath.Join(root, "podlab-host")
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	pids, err := cgroups.GetPids(root)
	for _, pid := range pids {
		moved := cgroups.WriteCgroupProc(leaf, pid)
		if moved != nil && !errors.Is(moved, unix.ESRCH) { // it may have ended
			err = errors.Join(err, moved)
		}
	}
	return err
}

// Path is a node's group, as below the root of every hierarchy.
func (t *Tree) Path(id string) string { return filepath.Join(t.Parent, id) }

// HasController looks for a controller of either version.
func (t *Tree) HasController(name string) error {
	if t.Unified {
		all, err := cgroups.GetAllSubsystems()
		if err == nil && !slices.Contains(all, name) {
			err = fmt.Errorf("only %s", strings.Join(all, " "))
		}
		return err
	}
	_, err := cgroups.FindCgroupMountpoint("", name)
	return err
}

// Delegate gives a node its directories, on v2 with what is needed to enable controllers for groups in it. The files with the limits stay
// root's.
func (t *Tree) Delegate(id string, owner uint32) error {
	for _, hierarchy := range t.Hierarchies {
		dir := filepath.Join(hierarchy, t.Path(id))
		for _, name := range []string{"", "cgroup.procs", "tasks", "cgroup.threads", "cgroup.subtree_control"} {
			err := os.Lchown(filepath.Join(dir, name), int(owner), int(owner))
			if err != nil && !errors.Is(err, os.ErrNotExist) { // each version has some of them
				return err
			}
		}
	}
	return nil
}

// Nodes lists what has a group, in whatever hierarchy.
func (t *Tree) Nodes() (ids []string) {
	for _, hierarchy := range t.Hierarchies {
		entries, _ := os.ReadDir(filepath.Join(hierarchy, t.Parent)) // not there before the first node
		for _, entry := range entries {
			if entry.IsDir() && !slices.Contains(ids, entry.Name()) {
				ids = append(ids, entry.Name())
			}
		}
	}
	return ids
}

// Remove kills what is left in a node's groups and removes them in every hierarchy, until ctx ends.
func (t *Tree) Remove(ctx context.Context, id string) error {
	for {
		var failed error
		for _, hierarchy := range t.Hierarchies {
			failed = errors.Join(failed, remove(filepath.Join(hierarchy, t.Path(id))))
		}
		if failed == nil {
			return nil
		}
		select { // what was killed needs a moment to be gone
		case <-ctx.Done():
			return failed
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// RemoveParent removes the group that held the nodes', in every hierarchy.
func (t *Tree) RemoveParent() error {
	var failed error
	for _, hierarchy := range t.Hierarchies {
		if err := os.Remove(filepath.Join(hierarchy, t.Parent)); err != nil && !errors.Is(err, os.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}
