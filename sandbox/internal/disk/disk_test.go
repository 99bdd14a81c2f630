package disk

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/sandboxtest"
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// loops are the loop devices before files in a directory.
func loops(dir string) (found []string) {
	backing, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, path := range backing {
		if file, err := os.ReadFile(path); err == nil && strings.HasPrefix(string(file), dir) {
			found = append(found, path)
		}
	}
	return found
}

// TestMount makes two disks of a size: both empty and of that size; what one holds the other does not; nothing is left of them.
func TestMount(t *testing.T) {
	sandboxtest.Root(t)
	const size = 64 << 20
	dir := t.TempDir()
	maker := &Maker{Dir: filepath.Join(dir, "disks")}
	ok(t, os.Mkdir(maker.Dir, 0o700))
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	for _, at := range []string{one, two} {
		ok(t, os.Mkdir(at, 0o755))
		ok(t, maker.Mount(size, at))
		t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
		var stat unix.Statfs_t
		ok(t, unix.Statfs(at, &stat))
		if total := int64(stat.Blocks) * stat.Bsize; total > size || total < size*9/10 || stat.Files != size/bytesPerInode {
			t.Errorf("%s: %d bytes, %d inodes", at, total, stat.Files)
		}
		entries, err := os.ReadDir(at)
		if err != nil || len(entries) != 0 {
			t.Errorf("on a new disk: %v %v", entries, err)
		}
		ok(t, os.WriteFile(filepath.Join(at, "file"), nil, 0o600))
	}
	if found := loops(maker.Dir); len(found) != 2 {
		t.Errorf("loop devices: %q", found)
	}
	ok(t, unix.Unmount(one, 0))
	ok(t, unix.Unmount(two, 0))
	names, err := os.ReadDir(maker.Dir)
	if err != nil || len(names) != 1 || names[0].Name() != "template-67108864.img" {
		t.Errorf("left: %v %v", names, err)
	}
	for tries := 0; len(loops(maker.Dir)) > 0; tries++ { // the kernel frees them a moment after the last mount
		if tries == 500 { // 10 s, as in sandbox/internal/chaos: one worker for the whole machine
			t.Fatalf("loop devices stay: %q", loops(maker.Dir))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestRemoveUnfinished(t *testing.T) {
	maker := &Maker{Dir: t.TempDir()}
	for _, name := range []string{"template-1.img", "template-2.img.new", "123.new"} {
		ok(t, os.WriteFile(filepath.Join(maker.Dir, name), nil, 0o600))
	}
	ok(t, maker.RemoveUnfinished())
	names, err := os.ReadDir(maker.Dir)
	if err != nil || len(names) != 1 || names[0].Name() != "template-1.img" {
		t.Errorf("left: %v %v", names, err)
	}
}

func TestSparseCopy(t *testing.T) {
	const size = 8 << 20
	dir := t.TempDir()
	file := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		ok(t, err)
		t.Cleanup(func() { f.Close() })
		return f
	}
	from, to := file("from"), file("to")
	ok(t, from.Truncate(size))
	for _, at := range []int64{0, 3 << 20, size - 4} {
		_, err := from.WriteAt([]byte("data"), at)
		ok(t, err)
	}
	ok(t, sparseCopy(to, from, size))
	want, err := os.ReadFile(from.Name())
	ok(t, err)
	got, err := os.ReadFile(to.Name())
	ok(t, err)
	if string(got) != string(want) {
		t.Error("the copy differs")
	}
	var stat unix.Stat_t
	ok(t, unix.Fstat(int(to.Fd()), &stat))
	if stat.Blocks*512 > size/4 {
		t.Errorf("the copy takes %d bytes for 12", stat.Blocks*512)
	}
}
