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
	Path   string
	Device uint64   // of its disk (stat(2))
	Log    *os.File // on the node's own disk, so that it is bounded, and lives and dies with the node
	work   string
}

// Make mounts a root below the directory work, which it makes, with a disk of that many bytes. users is the user namespace whose ids,
// from base on, it is for. The caller closes the root, whatever becomes of the node: the node's own copies of the mounts stay.
func Make(from Source, work string, size int64, base uint32, users *os.File) (_ *Root, err error) {
	r := &Root{Path: filepath.Join(work, "root"), work: work}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	if err := makeDirectories(0o711, work, r.disk(), r.Path); err != nil {
		return nil, err
	}
	if err := from.Disk(size, r.disk()); err != nil {
		return nil, err
	}
	upper, data := filepath.Join(r.disk(), "root"), filepath.Join(r.disk(), "data")
	if err := makeDirectories(0o755, upper, filepath.Join(r.disk(), "work"), data); err != nil {
		return nil, err
	}
	// Before the overlay: it keeps the owner that its directory has when it is mounted.
	if err := chownAll(int(base), upper, filepath.Join(r.disk(), "work"), data); err != nil {
		return nil, err
	}
	return r, r.assemble(from, base, users, true)
}

// Again mounts the root of a node that ran on a disk, which is held at work (Hold). What is on it is hostile. When it fails, the disk stays held.
func Again(from Source, work string, base uint32, users *os.File) (*Root, error) {
	r := &Root{Path: filepath.Join(work, "root"), work: work}
	err := makeDirectories(0o711, r.Path)
	if err == nil { // overlayfs refuses what was not unmounted in order, since its file system may have lost something: this one was held
		err = os.RemoveAll(filepath.Join(r.disk(), "work", "work", "incompat"))
	}
	if err == nil {
		err = r.assemble(from, base, users, false)
	}
	if err != nil {
		return nil, errors.Join(err, r.Drop())
	}
	return r, nil
}

// assemble puts the root together on its disk.
func (r *Root) assemble(from Source, base uint32, users *os.File, fresh bool) error {
	layers, err := layers(from.Images)
	if err != nil {
		return err
	}
	if err := mountOverlay(r.Path, layers, r.disk(), users); err != nil {
		return err
	}
	data := filepath.Join(r.disk(), "data")
	for _, mount := range []struct {
		target, source string
		users          *os.File
	}{{Images, from.Images, users}, {Programs, from.Programs, users}, {Disk, data, nil}} {
		if err := mountInside(r.Path, mount.target, mount.source, base, mount.users, fresh); err != nil {
			return err
		}
	}
	log := filepath.Join(data, "node.log")
	if err := os.Remove(log); err != nil && !errors.Is(err, os.ErrNotExist) { // whatever the learner made of it
		return err
	}
	if r.Log, err = os.OpenFile(log, os.O_CREATE|os.O_EXCL|os.O_RDWR|os.O_APPEND|unix.O_NOFOLLOW, 0o600); err != nil {
		return err
	}
	var disk unix.Stat_t
	if err := unix.Stat(r.disk(), &disk); err != nil {
		return err
	}
	r.Device = disk.Dev
	return r.Log.Chown(int(base), int(base))
}

func (r *Root) disk() string { return filepath.Join(r.work, "disk") }

// Hold mounts a node's disk below the directory work, beside the node's own mounts, so that it outlives the node.
func Hold(work string, mount func(at string) error) error {
	r := &Root{Path: filepath.Join(work, "root"), work: work}
	err := makeDirectories(0o711, work, r.disk())
	if err == nil {
		err = mount(r.disk())
	}
	if err != nil {
		return errors.Join(err, r.Close())
	}
	return nil
}

// Release ends Hold.
func Release(work string) error {
	return (&Root{Path: filepath.Join(work, "root"), work: work}).Close()
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
func (r *Root) Close() error {
	failed := r.Drop()
	for unix.Unmount(r.disk(), unix.MNT_DETACH) == nil {
	}
	for _, at := range []string{r.disk(), r.work} {
		if err := os.Remove(at); err != nil && !errors.Is(err, os.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// Drop is Close for all but the disk.
func (r *Root) Drop() (failed error) {
	if r.Log != nil {
		r.Log.Close()
	}
	for unix.Unmount(r.Path, unix.MNT_DETACH) == nil {
	}
	entries, _ := os.ReadDir(r.work)
	for _, entry := range entries {
		if at := filepath.Join(r.work, entry.Name()); at != r.disk() {
			_ = unix.Unmount(at, unix.MNT_DETACH) // not all of them are mounted
			failed = errors.Join(failed, os.Remove(at))
		}
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
