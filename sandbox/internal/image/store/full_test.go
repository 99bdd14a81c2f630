package store

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/disk"
	"podlab/sandbox/internal/sandboxtest"
)

// On a disk with a little more room each time, an import is done or leaves nothing at all.
func TestDiskFull(t *testing.T) {
	sandboxtest.Root(t)
	at := t.TempDir()
	if err := (&disk.Maker{Dir: t.TempDir()}).Mount(16<<20, at); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
	dir := filepath.Join(at, "images")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	if _, err := s.Import(t.Context(), saved(t, map[string]v1.Image{"first": imageOf(t, "", layerOf(t, files{"x": "y"}))}), ""); err != nil {
		t.Fatal(err)
	}
	before := listed(t, dir)
	noise := make([]byte, 600<<10) // does not compress
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	archive := saved(t, map[string]v1.Image{
		"big": imageOf(t, "", layerOf(t, files{"a/": "", "a/noise": string(noise)}), layerOf(t, files{"b/": "", "b/zeros": strings.Repeat("0", 300<<10)})),
	})
	tried := func(room int64) bool {
		free := leave(t, at, room)
		defer free()
		_, err := s.Import(t.Context(), archive, "")
		if err == nil {
			return true
		}
		if !strings.Contains(err.Error(), "no space left on device") {
			t.Errorf("with %d bytes of room: %v", room, err)
		}
		if now := listed(t, dir); now != before {
			t.Fatalf("with %d bytes of room: %v; it left\n%s\nbefore\n%s", room, err, now, before)
		}
		return false
	}
	enough := int64(0)
	for ; !tried(enough); enough += coarse {
		if enough > 8<<20 {
			t.Fatal("an import of 1 MB finds no room in 8 MB")
		}
	}
	for room := enough - coarse; room < enough; room += fine { // where the last writes fail: those of the index
		if !tried(room) {
			continue
		}
		if err := s.Remove("big"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Collect(time.Time{}, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// Steps of the room that is left on the disk, in bytes.
const (
	coarse = 64 << 10
	fine   = 2 << 10
)

// leave fills a file system but for so many bytes, in whole blocks.
func leave(t *testing.T, at string, room int64) (free func()) {
	t.Helper()
	ballast := filepath.Join(at, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size := int64(0)
	for piece := int64(1 << 20); piece >= 4<<10; {
		if err := unix.Fallocate(int(f.Fd()), 0, size, piece); err == nil {
			size += piece
		} else {
			piece /= 2
		}
	}
	if err := f.Truncate(max(size-room, 0)); err != nil {
		t.Fatal(err)
	}
	return func() { _ = os.Remove(ballast) }
}

// listed is every path of a directory, a line each.
func listed(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		all = append(all, strings.TrimPrefix(path, dir))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}
