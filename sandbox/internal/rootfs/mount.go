package rootfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Bind mounts the directory source at target: read-only with the ids of the user namespace, or, where users is nil, as it is.
func Bind(source, target string, users *os.File) error {
	tree, err := unix.OpenTree(unix.AT_FDCWD, source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return &os.PathError{Op: "open_tree", Path: source, Err: err}
	}
	defer unix.Close(tree)
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOSUID, Propagation: unix.MS_PRIVATE}
	if users != nil {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_IDMAP
		attr.Userns_fd = uint64(users.Fd())
	}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, attr); err != nil {
		return &os.PathError{Op: "mount_setattr", Path: source, Err: err}
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "move_mount", Path: target, Err: err}
	}
	return nil
}

// mountOverlay joins the layers, read-only and with the node's ids, and a directory of the node's disk. "volatile": a node's disk is
// never used again, so its syncs need not reach the host's disk, where they would slow down everybody.
func mountOverlay(root string, layers []string, disk string, users *os.File) error {
	var lower []string
	for i, layer := range layers {
		at := fmt.Sprintf("%s.%d", root, i)
		if err := os.Mkdir(at, 0o700); err != nil {
			return err
		}
		if err := Bind(layer, at, users); err != nil {
			return err
		}
		lower = append([]string{at}, lower...) // overlayfs wants the highest first
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s/root,workdir=%s/work,volatile,index=off,metacopy=off", strings.Join(lower, ":"), disk, disk)
	if err := unix.Mount("overlay", root, "overlay", unix.MS_NODEV|unix.MS_NOATIME, options); err != nil {
		return &os.PathError{Op: "mount overlay", Path: root, Err: err}
	}
	return nil
}

// mountInside mounts source at target below root. Nothing of root is a learner's yet, but an image may hold a symbolic link.
func mountInside(root, target, source string, base uint32, users *os.File) error {
	at := filepath.Join(root, target)
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	if err := os.Lchown(at, int(base), int(base)); err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(at); err != nil || real != at {
		return fmt.Errorf("podlab/node: %s is a symbolic link: %w", target, errors.Join(err, unix.ELOOP))
	}
	return Bind(source, at, users)
}
