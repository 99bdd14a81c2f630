package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/undo"
)

// ownMountNamespace gives the daemon a mount namespace of its own: what it mounts, nobody else sees, and it goes when the daemon
// goes, however that happens. What the host mounts and unmounts still reaches it. A thread can change its namespace only for itself,
// so the program is executed again by the thread that did.
func ownMountNamespace() error {
	const done = "PODLAB_MOUNTS"
	if os.Getenv(done) != "" {
		return os.Unsetenv(done)
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return os.NewSyscallError("mount", err)
	}
	return os.NewSyscallError("execve", unix.Exec("/proc/self/exe", os.Args, append(os.Environ(), done+"=1")))
}

// mountWork gives the daemon a private place to mount nodes' roots at, while it makes them.
func mountWork(dir string) error {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return err
	}
	if err := unix.Mount("podlab", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0711,size=4m"); err != nil {
		return &os.PathError{Op: "mount", Path: dir, Err: err}
	}
	return os.NewSyscallError("mount", unix.Mount("", dir, "", unix.MS_PRIVATE, ""))
}

// bind mounts the directory source at target: read-only with the ids of the user namespace, or, where users is nil, as it is.
func bind(source, target string, users *os.File) error {
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

// Directories of a node that are mounted by the daemon.
const (
	nodeDisk     = "/var/lib/podlab/disk"
	nodeImages   = "/var/lib/podlab/images"
	nodePrograms = "/opt/podlab/bin"
)

// filesystem is a node's root while it is being made: mounted in the daemon's namespace, to be copied into the node's.
type filesystem struct {
	root string
	log  *os.File // on the node's own disk, so that it is bounded, and lives and dies with the node
}

// newFilesystem mounts a node's root, with its disk, the images and the programs in it. made takes it down again; the node's own
// copies of these mounts stay.
func (h *host) newFilesystem(n *node, users *os.File, made *undo.Steps) (*filesystem, error) {
	work := filepath.Join(h.set.work(), n.Spec.ID)
	layers, err := h.layers()
	if err != nil {
		return nil, err
	}
	made.Add(func() { h.dismantle(work) })
	disk, root := filepath.Join(work, "disk"), filepath.Join(work, "root")
	if err := makeDirectories(0o711, work, disk, root); err != nil {
		return nil, err
	}
	if err := h.disks.mount(n.Spec.Disk, disk); err != nil {
		return nil, err
	}
	upper, data := filepath.Join(disk, "root"), filepath.Join(disk, "data")
	if err := makeDirectories(0o755, upper, filepath.Join(disk, "work"), data); err != nil {
		return nil, err
	}
	// Before the overlay: it keeps the owner that its directory has when it is mounted.
	if err := chownAll(int(n.Base), upper, filepath.Join(disk, "work"), data); err != nil {
		return nil, err
	}
	if err := mountOverlay(root, layers, disk, users); err != nil {
		return nil, err
	}
	for target, source := range map[string]string{nodeImages: h.set.images(), nodePrograms: h.set.programs()} {
		if err := mountInside(root, target, source, n.Base, users); err != nil {
			return nil, err
		}
	}
	if err := mountInside(root, nodeDisk, data, n.Base, nil); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(data, "node.log"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	made.Add(func() { log.Close() })
	return &filesystem{root, log}, chownAll(int(n.Base), log.Name())
}

// layers returns the directories of the node's own image, lowest first.
func (h *host) layers() (dirs []string, err error) {
	images, err := image.Open(h.set.images())
	if err != nil {
		return nil, err
	}
	img, err := images.Lookup("podlab/node")
	for _, layer := range img.Layers {
		dirs = append(dirs, images.LayerPath(layer))
	}
	return dirs, err
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
		if err := bind(layer, at, users); err != nil {
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
	return bind(source, at, users)
}

// dismantle unmounts all below work, newest first, and removes it.
func (h *host) dismantle(work string) {
	for _, at := range []string{"root", "disk"} {
		for unix.Unmount(filepath.Join(work, at), unix.MNT_DETACH) == nil {
		}
	}
	entries, _ := os.ReadDir(work)
	for _, entry := range entries {
		at := filepath.Join(work, entry.Name())
		_ = unix.Unmount(at, unix.MNT_DETACH) // not all of them are mounted
		if err := os.Remove(at); err != nil {
			h.log.Error("a node's mount point stays", "path", at, "error", err)
		}
	}
	_ = os.Remove(work)
}

func makeDirectories(mode os.FileMode, dirs ...string) error {
	for _, dir := range dirs {
		if err := os.Mkdir(dir, mode); err != nil {
			return err
		}
	}
	return nil
}

func chownAll(id int, paths ...string) error {
	for _, path := range paths {
		if err := os.Lchown(path, id, id); err != nil {
			return err
		}
	}
	return nil
}
