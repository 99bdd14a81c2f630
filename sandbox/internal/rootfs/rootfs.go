// Package rootfs puts a node's root together: the layers of the node's own image, read-only and with the node's ids (idmapped mounts),
// below a directory of the node's disk (overlayfs), and in it that disk, the images and the programs.
//
// It is done in a mount namespace of the daemon's own (OwnNamespace), which the kernel takes down with the daemon: on the host nothing of
// it is seen. libcontainer copies the mounts into the node's namespace; then the daemon's are taken down.
package rootfs

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/image"
)

// Directories of a node that are mounted.
const (
	Disk     = "/var/lib/podlab/disk"
	Images   = "/var/lib/podlab/images"
	Programs = "/opt/podlab/bin"
)

// Source is what roots are made of: directories of the host, and who makes a disk and mounts it.
type Source struct {
	Images, Programs string
	Disk             func(size int64, at string) error
}

// Root is a node's root while it is being made: mounted in the daemon's namespace, to be copied into the node's.
type Root struct {
	Path string
	Log  *os.File // on the node's own disk, so that it is bounded, and lives and dies with the node
	work string
}

// Make mounts a root below the directory work, which it makes, with a disk of that many bytes. users is the user namespace whose ids,
// from base on, it is for. The caller closes the root, whatever becomes of the node: the node's own copies of the mounts stay.
func Make(from Source, work string, size int64, base uint32, users *os.File) (_ *Root, err error) {
	layers, err := layers(from.Images)
	if err != nil {
		return nil, err
	}
	disk, root := filepath.Join(work, "disk"), filepath.Join(work, "root")
	r := &Root{Path: root, work: work}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	if err := makeDirectories(0o711, work, disk, root); err != nil {
		return nil, err
	}
	if err := from.Disk(size, disk); err != nil {
		return nil, err
	}
	upper, data := filepath.Join(disk, "root"), filepath.Join(disk, "data")
	if err := makeDirectories(0o755, upper, filepath.Join(disk, "work"), data); err != nil {
		return nil, err
	}
	// Before the overlay: it keeps the owner that its directory has when it is mounted.
	if err := chownAll(int(base), upper, filepath.Join(disk, "work"), data); err != nil {
		return nil, err
	}
	if err := mountOverlay(root, layers, disk, users); err != nil {
		return nil, err
	}
	for target, source := range map[string]string{Images: from.Images, Programs: from.Programs} {
		if err := mountInside(root, target, source, base, users); err != nil {
			return nil, err
		}
	}
	if err := mountInside(root, Disk, data, base, nil); err != nil {
		return nil, err
	}
	if r.Log, err = os.OpenFile(filepath.Join(data, "node.log"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600); err != nil {
		return nil, err
	}
	return r, chownAll(int(base), r.Log.Name())
}

// layers returns the directories of the node's own image, lowest first.
func layers(dir string) (dirs []string, err error) {
	images, err := image.Open(dir)
	if err != nil {
		return nil, err
	}
	img, err := images.Lookup("podlab/node")
	for _, layer := range img.Layers {
		dirs = append(dirs, images.LayerPath(layer))
	}
	return dirs, err
}

// LogEnd returns the last 2 KiB of what the node's own programs said.
func (r *Root) LogEnd() string {
	const most = 2 << 10
	size, err := r.Log.Seek(0, io.SeekEnd)
	if err != nil {
		return err.Error()
	}
	end := make([]byte, min(size, most))
	if _, err = r.Log.ReadAt(end, size-int64(len(end))); err != nil {
		return err.Error()
	}
	return string(end)
}

// Close takes the mounts down, newest first, and removes their directories. An error names what stays.
func (r *Root) Close() (failed error) {
	if r.Log != nil {
		r.Log.Close()
	}
	for _, at := range []string{"root", "disk"} {
		for unix.Unmount(filepath.Join(r.work, at), unix.MNT_DETACH) == nil {
		}
	}
	entries, _ := os.ReadDir(r.work)
	for _, entry := range entries {
		at := filepath.Join(r.work, entry.Name())
		_ = unix.Unmount(at, unix.MNT_DETACH) // not all of them are mounted
		failed = errors.Join(failed, os.Remove(at))
	}
	if err := os.Remove(r.work); err != nil && !errors.Is(err, os.ErrNotExist) {
		failed = errors.Join(failed, err)
	}
	return failed
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
