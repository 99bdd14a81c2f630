package layer

import (
	"archive/tar"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzUnpack: whatever the bytes, nothing outside the directory changes (see unpack), nothing forbidden is inside, the bounds hold,
// and what was unpacked can be packed and unpacked again to the same digest.
func FuzzUnpack(f *testing.F) {
	f.Add(packed(dir("etc/"), file("etc/host", "h"), hard("etc/same", "etc/host"), symlink("bin", "/usr/bin"), file("bin/sh", "sh")))
	f.Add(packed(dir("a/"), file("a/.wh.gone", ""), file("a/.wh..wh..opq", ""), file(".wh.dir", ""), dir("dir/")))
	f.Add(packed(symlink("up", "../../.."), file("up/outside", "x"), dir("up/"), file("up/x", "y")))
	f.Add(packed(symlink("a", "b"), symlink("b", "a"), file("a/x", "x")))
	f.Add(packed(item{name: "x", kind: tar.TypeReg, data: "su", mode: 0o7777, uid: 65535}, device("dev"), hard("y", "x"), hard("y", "y")))
	f.Add(packed(dir("d/"), file("d/e/f/g", "x"), symlink("d", "/outside"), file("d/x", "y")))
	f.Add(zip(packed(file("x", "compressed"))))
	bounds := Bounds{Bytes: 1 << 20, Entries: 64, Ratio: 100}
	f.Fuzz(func(t *testing.T, data []byte) {
		top, report, err := unpack(t, data, bounds)
		bytes, entries := inspect(t, top)
		// A path may make the directories above it, at most maxDepth for each entry.
		if bytes > bounds.Bytes*2 || entries > bounds.Entries*(maxDepth+1) {
			t.Fatalf("%d bytes, %d entries", bytes, entries)
		}
		if err != nil {
			return
		}
		first, _, err := DiffID(top)
		if err != nil {
			t.Fatal(err)
		}
		_ = report
		back, again, err := repackedFrom(t, top)
		if err != nil && !errors.Is(err, ErrTooLarge) {
			t.Fatalf("what was unpacked does not unpack again: %v", err)
		}
		if err == nil && again.DiffID != first {
			t.Fatalf("%s became %s in %s", first, again.DiffID, back)
		}
	})
}

func inspect(t *testing.T, top string) (bytes int64, entries int) {
	err := filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == top {
			return err
		}
		entries++
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return err
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			bytes += st.Size
			fallthrough
		case unix.S_IFDIR:
			if st.Mode&0o6000 != 0 {
				t.Fatalf("%s has mode %o", name, st.Mode)
			}
		case unix.S_IFLNK:
		default:
			if !isWhiteout(st) {
				t.Fatalf("%s is of mode %o", name, st.Mode)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes, entries
}

func repackedFrom(t *testing.T, dir string) (string, Report, error) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := Pack(f, dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return unpack(t, data, Bounds{Bytes: 64 << 20, Entries: 100_000, Ratio: 1000})
}
