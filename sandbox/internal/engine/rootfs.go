package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/image"
)

// rootfs is a container's overlay: the image's layers below, a directory of its own above, both seen together at merged. The
// names below dir are Docker's.
type rootfs struct {
	dir    string
	layers []sandbox.Layer // lowest first, the writable one last
}

func newRootfs(dir string, store *image.Store, img image.Image) *rootfs {
	r := &rootfs{dir: dir}
	for _, l := range img.Layers {
		r.layers = append(r.layers, sandbox.Layer{
			Digest: l.Digest, Path: store.LayerPath(l), Bytes: l.Bytes, CreatedBy: l.CreatedBy, Images: store.On(l.Digest),
		})
	}
	r.layers = append(r.layers, sandbox.Layer{Path: r.upper(), Writable: true})
	return r
}

func (r *rootfs) upper() string  { return filepath.Join(r.dir, "diff") }
func (r *rootfs) merged() string { return filepath.Join(r.dir, "merged") }

// mount makes the directories and puts the overlay together.
func (r *rootfs) mount() error {
	work := filepath.Join(r.dir, "work")
	for _, dir := range []string{r.upper(), work, r.merged()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	var lower []string
	for _, l := range r.layers[:len(r.layers)-1] {
		lower = append(lower, l.Path)
	}
	slices.Reverse(lower) // overlay wants the topmost first
	// userxattr: inside a user namespace overlay keeps its marks in user.* attributes; without it removing or moving a directory
	// of a lower layer fails with EIO.
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,userxattr", strings.Join(lower, ":"), r.upper(), work)
	if err := unix.Mount("overlay", r.merged(), "overlay", 0, options); err != nil {
		return fmt.Errorf("overlay on %s: %w", r.merged(), err)
	}
	return nil
}

// unmount takes the overlay apart; what was written stays in upper.
func (r *rootfs) unmount() error {
	err := unix.Unmount(r.merged(), unix.MNT_DETACH)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) { // not mounted
		return nil
	}
	return err
}

// remove unmounts the overlay and deletes everything the container wrote.
func (r *rootfs) remove() error { return removeTree(r.dir) }

// removeTree deletes dir and all below it. What was mounted there in the meantime, by a learner perhaps, is unmounted first: its
// files are not ours.
func removeTree(dir string) error {
	if err := unmountBelow(dir); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// unmountBelow detaches every mount in this mount namespace whose mount point is below dir, the last made first.
func unmountBelow(dir string) error {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	lines := strings.Split(string(data), "\n")
	slices.Reverse(lines)
	for _, line := range lines {
		fields := strings.Fields(line)
		if len(fields) > 4 && strings.HasPrefix(fields[4], dir+"/") {
			_ = unix.Unmount(fields[4], unix.MNT_DETACH) // an octal escape in the name: that one stays, and removal says so
		}
	}
	return nil
}
