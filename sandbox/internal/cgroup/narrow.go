package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// wanted are the controllers of version 1 that a node's own groups are for: limits and use (memory, pids, cpu, cpuacct), signals to all in a
// group (freezer), and the one that libcontainer starts nothing without (devices).
var wanted = []string{"cpu", "cpuacct", "devices", "freezer", "memory", "pids"}

// Narrow unmounts the hierarchies below root that no pod needs: each one costs every container a group to make, join, mount and remove. The
// node itself stays in the host's groups of all of them, with the host's limits. On v2 there is nothing to do.
func Narrow(root string) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err == nil {
		return nil
	}
	var errs []error
	for _, entry := range entries {
		isWanted := func(controller string) bool { return slices.Contains(wanted, controller) }
		if slices.ContainsFunc(strings.Split(entry.Name(), ","), isWanted) { // joint ones are named "cpu,cpuacct"
			continue
		}
		path := filepath.Join(root, entry.Name())
		if entry.IsDir() { // else the link of one of the joint ones
			errs = append(errs, os.NewSyscallError("umount "+path, unix.Unmount(path, unix.MNT_DETACH)))
		}
		errs = append(errs, os.Remove(path))
	}
	return errors.Join(errs...)
}
