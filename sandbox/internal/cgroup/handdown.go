package cgroup

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// HandDown makes the controllers of a node's own group usable in the named groups below it. On v2 a group with processes cannot hand
// controllers down (cgroups(7), "no internal processes"): the caller, which must be the only process of root, moves into its leaf
// "agent", where its children are born too. On v1 there is nothing to do.
func HandDown(root string, below ...string) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(root, &fs); err != nil {
		return err
	}
	if fs.Type != unix.CGROUP2_SUPER_MAGIC {
		return nil
	}
	leaf := filepath.Join(root, "agent")
	if err := os.MkdirAll(leaf, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(leaf, "cgroup.procs"), []byte("0"), 0); err != nil {
		return err
	}
	errs := []error{handDown(root)}
	for _, name := range below {
		dir := filepath.Join(root, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, handDown(dir))
	}
	return errors.Join(errs...)
}

// handDown hands a group's controllers to the groups below it. Without cpuset and io pods lack nothing that is asked of them.
func handDown(dir string) error {
	var errs []error
	for _, controller := range []string{"memory", "pids", "cpu", "cpuset", "io"} {
		err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0)
		if err != nil && (controller == "memory" || controller == "pids" || controller == "cpu") {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
