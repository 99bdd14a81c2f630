package rootfs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/sandboxtest"
	"podlab/sandbox/internal/userns"
)

const index = `[{"name":"podlab/node","digest":"sha256:D","layers":[{"digest":"sha256:D"}],"internal":true}]`

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// source is an image with one file and one program; a plain directory stands for the disk.
func source(t *testing.T, dir string) (Source, string) {
	t.Helper()
	digest := strings.Repeat("ab", 32)
	images, programs := filepath.Join(dir, "images"), filepath.Join(dir, "bin")
	layer := filepath.Join(images, "layers", digest)
	ok(t, os.MkdirAll(filepath.Join(layer, "etc"), 0o755))
	ok(t, os.MkdirAll(programs, 0o755))
	ok(t, os.WriteFile(filepath.Join(layer, "etc", "name"), []byte("node"), 0o644))
	ok(t, os.WriteFile(filepath.Join(programs, "podlab-node"), nil, 0o755))
	ok(t, os.WriteFile(filepath.Join(images, "index.json"), []byte(strings.ReplaceAll(index, "D", digest)), 0o644))
	return Source{Images: images, Programs: programs, Disk: func(int64, string) error { return nil }}, layer
}

// user is a user namespace and a directory that nobody else mounts in.
func user(t *testing.T) (*os.File, string) {
	t.Helper()
	sandboxtest.Root(t)
	users, err := userns.New(userns.Trial)
	ok(t, err)
	t.Cleanup(func() { users.Close() })
	dir, err := os.MkdirTemp("", "podlab-rootfs-")
	ok(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	work := filepath.Join(dir, "mnt")
	ok(t, MountWork(work))
	t.Cleanup(func() { _ = unix.Unmount(work, unix.MNT_DETACH) })
	return users, dir
}

func owner(t *testing.T, path string) uint32 {
	t.Helper()
	var stat unix.Stat_t
	if err := unix.Lstat(path, &stat); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	return stat.Uid
}

func TestMake(t *testing.T) {
	users, dir := user(t)
	from, _ := source(t, dir)
	work := filepath.Join(dir, "mnt", "n")
	// Not the work directory's own tmpfs, whose files overlayfs would take, but which has no room: the disk's place.
	from.Disk = func(size int64, at string) error {
		if size != 1<<20 {
			t.Errorf("a disk of %d bytes", size)
		}
		return unix.Mount("disk", at, "tmpfs", 0, "size=1m")
	}
	root, err := Make(from, work, 1<<20, userns.Trial, users)
	ok(t, err)
	for path, want := range map[string]uint32{"etc/name": userns.Trial, Programs + "/podlab-node": userns.Trial, Disk: userns.Trial, Images: userns.Trial} {
		if got := owner(t, filepath.Join(root.Path, path)); got != want {
			t.Errorf("%s belongs to %d, want %d", path, got, want)
		}
	}
	for path, want := range map[string]error{"etc/new": nil, Disk + "/new": nil, Programs + "/new": unix.EROFS, Images + "/new": unix.EROFS} {
		if err := os.WriteFile(filepath.Join(root.Path, path), nil, 0o600); !errors.Is(err, want) {
			t.Errorf("writing %s: %v", path, err)
		}
	}
	if _, err := root.Log.WriteString(strings.Repeat("x", 4096) + "the end"); err != nil {
		t.Error(err)
	}
	if end := root.LogEnd(); len(end) != 2048 || !strings.HasSuffix(end, "the end") {
		t.Errorf("the log ends %q", end)
	}
	ok(t, root.Close())
	nothingLeft(t, dir)
}

// nothingLeft: no directory and no mount below the one for work.
func nothingLeft(t *testing.T, dir string) {
	t.Helper()
	if entries, err := os.ReadDir(filepath.Join(dir, "mnt")); err != nil || len(entries) != 0 {
		t.Errorf("left: %v %v", entries, err)
	}
	if mounts, err := os.ReadFile("/proc/self/mounts"); err != nil || strings.Count(string(mounts), dir) != 1 {
		t.Errorf("mounts: %v\n%s", err, mounts)
	}
}

// TestMakeFails at each step: the disk, and an image that leads out of itself by a symbolic link.
func TestMakeFails(t *testing.T) {
	users, dir := user(t)
	from, layer := source(t, dir)
	full := errors.New("full")
	for name, disk := range map[string]func(int64, string) error{
		"disk": func(int64, string) error { return full },
		"link": func(_ int64, at string) error {
			ok(t, os.MkdirAll(filepath.Join(layer, "opt"), 0o755))
			ok(t, os.Symlink("/etc", filepath.Join(layer, "opt", "podlab")))
			return unix.Mount("disk", at, "tmpfs", 0, "size=1m")
		},
	} {
		from.Disk = disk
		root, err := Make(from, filepath.Join(dir, "mnt", "n"), 1<<20, userns.Trial, users)
		if err == nil || name == "disk" && !errors.Is(err, full) {
			t.Errorf("%s: %v %v", name, root, err)
		}
		if err != nil && strings.Contains(err.Error(), "mount point") {
			t.Errorf("%s: %v", name, err)
		}
		nothingLeft(t, dir)
	}
}

// TestAgainFollowsNoLink puts a root together again in which a learner made links of the directories on the daemon's way.
func TestAgainFollowsNoLink(t *testing.T) {
	users, dir := user(t)
	from, _ := source(t, dir)
	work, outside := filepath.Join(dir, "mnt", "n"), filepath.Join(dir, "outside")
	ok(t, os.MkdirAll(filepath.Join(outside, "bin"), 0o755))
	from.Disk = func(_ int64, at string) error { return unix.Mount("disk", at, "tmpfs", 0, "size=1m") }
	root, err := Make(from, work, 1<<20, userns.Trial, users)
	ok(t, err)
	ok(t, root.Drop())
	root, err = Again(from, work, userns.Trial, users)
	ok(t, err)
	ok(t, root.Drop())
	podlab := filepath.Join(work, "disk", "root", "opt", "podlab")
	ok(t, os.RemoveAll(podlab))
	ok(t, os.Symlink(outside, podlab))
	if _, err := Again(from, work, userns.Trial, users); err == nil {
		t.Error("a link was followed")
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil || strings.Contains(string(mounts), outside) {
		t.Errorf("a mount outside the root (%v)", err)
	}
	ok(t, Release(work))
	if entries, err := os.ReadDir(filepath.Join(dir, "mnt")); err != nil || len(entries) != 0 {
		t.Errorf("left: %v %v", entries, err)
	}
}
