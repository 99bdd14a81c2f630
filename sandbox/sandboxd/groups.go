package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"
)

// groups are the nodes' control groups: parent/ID in every hierarchy that is mounted. The node's own directory belongs to the node, so
// that its agent can make groups for pods in it; the files with the limits stay root's.
type groups struct {
	parent      string   // below a hierarchy's root
	hierarchies []string // mount points
	unified     bool     // cgroup v2 only
}

// openGroups finds the hierarchies. Two daemons on one host (tests, trials) have different run directories and so different parents.
func openGroups(run string) (*groups, error) {
	g := &groups{parent: "podlab", unified: cgroups.IsCgroup2UnifiedMode()}
	if run != "/run/podlab" {
		sum := fnv.New32a()
		sum.Write([]byte(run))
		g.parent = fmt.Sprintf("podlab-%08x", sum.Sum32())
	}
	found, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return nil, err
	}
	for _, m := range found {
		if strings.HasPrefix(m.Mountpoint, "/sys/fs/cgroup") && !slices.Contains(g.hierarchies, m.Mountpoint) {
			g.hierarchies = append(g.hierarchies, m.Mountpoint)
		}
	}
	if len(g.hierarchies) == 0 {
		return nil, errors.New("no cgroup hierarchy below /sys/fs/cgroup")
	}
	if g.unified {
		return g, leaveRoot(g.hierarchies[0])
	}
	return g, nil
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
		moved := os.WriteFile(filepath.Join(leaf, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
		if moved != nil && !errors.Is(moved, unix.ESRCH) { // it may have ended
			err = errors.Join(err, moved)
		}
	}
	return err
}

func (g *groups) path(id string) string { return filepath.Join(g.parent, id) }

// hasController looks for a controller of either version.
func (g *groups) hasController(name string) error {
	if g.unified {
		list, err := os.ReadFile(filepath.Join(g.hierarchies[0], "cgroup.controllers"))
		if err == nil && !slices.Contains(strings.Fields(string(list)), name) {
			err = fmt.Errorf("only %s", strings.TrimSpace(string(list)))
		}
		return err
	}
	_, err := cgroups.FindCgroupMountpoint("", name)
	return err
}

// delegate gives a node its directories, on v2 with what is needed to enable controllers for groups in it.
func (g *groups) delegate(id string, owner uint32) error {
	for _, hierarchy := range g.hierarchies {
		dir := filepath.Join(hierarchy, g.path(id))
		for _, name := range []string{"", "cgroup.procs", "tasks", "cgroup.threads", "cgroup.subtree_control"} {
			err := os.Lchown(filepath.Join(dir, name), int(owner), int(owner))
			if err != nil && !errors.Is(err, os.ErrNotExist) { // each version has some of them
				return err
			}
		}
	}
	return nil
}

// nodes lists what has a group, in whatever hierarchy.
func (g *groups) nodes() (ids []string) {
	for _, hierarchy := range g.hierarchies {
		entries, _ := os.ReadDir(filepath.Join(hierarchy, g.parent)) // not there before the first node
		for _, entry := range entries {
			if entry.IsDir() && !slices.Contains(ids, entry.Name()) {
				ids = append(ids, entry.Name())
			}
		}
	}
	return ids
}

// remove kills what is left in a node's groups and removes them in every hierarchy, until ctx ends.
func (g *groups) remove(ctx context.Context, id string) error {
	for {
		var failed error
		for _, hierarchy := range g.hierarchies {
			failed = errors.Join(failed, removeGroup(filepath.Join(hierarchy, g.path(id))))
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

// removeParents removes the groups that held the nodes'.
func (g *groups) removeParents() error {
	var failed error
	for _, hierarchy := range g.hierarchies {
		if err := os.Remove(filepath.Join(hierarchy, g.parent)); err != nil && !errors.Is(err, os.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// removeGroup removes a group and all below it, deepest first, and kills what is in them. A learner may have nested groups deeper than any
// path is long, named them anything, and frozen them: a frozen process does not die (v1). So it walks by descriptors, one at a time, and
// lets everything run on its way down. The cgroup file system has no symbolic links.
func removeGroup(dir string) error {
	at, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: dir, Err: err}
	}
	write(at, "cgroup.kill", "1") // v2: all below too
	var above []string            // names on the way down
	for {
		write(at, "freezer.state", "THAWED") // v1
		write(at, "cgroup.freeze", "0")      // v2
		killAll(at)
		child, err := firstChild(at)
		if err != nil {
			unix.Close(at)
			return err
		}
		if child != "" {
			above = append(above, child)
			at, err = step(at, child)
		} else if len(above) > 0 {
			last := above[len(above)-1]
			above = above[:len(above)-1]
			if at, err = step(at, ".."); err == nil {
				err = unix.Unlinkat(at, last, unix.AT_REMOVEDIR)
			}
		} else {
			unix.Close(at)
			return unix.Rmdir(dir)
		}
		if err != nil {
			unix.Close(at)
			return &os.PathError{Op: "remove group", Path: dir, Err: err}
		}
	}
}

// step replaces the open directory at with one beside it.
func step(at int, name string) (int, error) {
	next, err := unix.Openat(at, name, unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return at, err
	}
	unix.Close(at)
	return next, nil
}

// firstChild returns the name of some directory in at, "" when there is none.
func firstChild(at int) (string, error) {
	again, err := unix.Openat(at, ".", unix.O_DIRECTORY|unix.O_CLOEXEC, 0) // at its beginning
	if err != nil {
		return "", err
	}
	dir := os.NewFile(uintptr(again), "group")
	defer dir.Close()
	for {
		entries, err := dir.ReadDir(64)
		for _, entry := range entries {
			if entry.IsDir() {
				return entry.Name(), nil
			}
		}
		if err != nil { // io.EOF is the end of the list
			return "", nil
		}
	}
}

// killAll kills the processes in the open group. They are all a node's: nothing else is ever put below parent.
func killAll(at int) {
	fd, err := unix.Openat(at, "cgroup.procs", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	procs := os.NewFile(uintptr(fd), "cgroup.procs")
	defer procs.Close()
	var pid int
	for {
		if _, err := fmt.Fscanln(procs, &pid); err != nil {
			return
		}
		if pid > 1 {
			_ = unix.Kill(pid, unix.SIGKILL) // it may be gone
		}
	}
}

// write writes a file of the open group, if this version and hierarchy has it. Where it fails, rmdir says why it matters.
func write(at int, name, text string) {
	fd, err := unix.Openat(at, name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	_, _ = unix.Write(fd, []byte(text))
	unix.Close(fd)
}
