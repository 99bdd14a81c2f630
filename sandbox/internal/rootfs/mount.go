package rootfs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Bind mounts the directory source at target: read-only with the ids of the user namespace, or, where users is nil, as it is.
func Bind(source, target string, users *os.File) error {
	at, err := unix.Open(target, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: target, Err: err}
	}
	defer unix.Close(at)
	return bindAt(source, at, users)
}

// bindAt is Bind for a target that is open.
func bindAt(source string, target int, users *os.File) error {
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
	if err := unix.MoveMount(tree, "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "move_mount", Path: source, Err: err}
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

// mountInside mounts source at target below root. An image may hold a symbolic link there, and so may a learner have made one, once root is
// not fresh any more: none is followed. In a fresh root nothing is a learner's yet, and what is missing is made.
func mountInside(root, target, source string, base uint32, users *os.File, fresh bool) error {
	if fresh {
		at := filepath.Join(root, target)
		if err := os.MkdirAll(at, 0o755); err != nil {
			return err
		}
		if err := os.Lchown(at, int(base), int(base)); err != nil {
			return err
		}
	}
	in, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: root, Err: err}
	}
	defer unix.Close(in)
	at, err := unix.Openat2(in, strings.TrimPrefix(target, "/"), &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return fmt.Errorf("podlab/node: %s is no directory, or a symbolic link: %w", target, err)
	}
	defer unix.Close(at)
	return bindAt(source, at, users)
}
