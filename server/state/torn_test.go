package state

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/labs"
)

const (
	learners = 20
	openTime = 2 * readyTime // whatever is wrong with the files
)

// filled makes a store in which each of some learners has progress and a session.
func filled(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	store, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range learners {
		learner := fmt.Sprintf("learner-%d", i)
		if err := store.SaveProgress(t.Context(), learner, "3.1-infra-container", labs.Progress{Last: "join", At: int64(i + 1)}); err != nil {
			t.Fatal(err)
		}
		if err := store.SaveSession(t.Context(), labs.Record{Learner: learner, Lab: "3.1-infra-container"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// kept counts the learners whose progress is there, and the sessions.
func kept(t *testing.T, store *Store) (progress, sessions int) {
	t.Helper()
	for i := range learners {
		all, err := store.Progress(t.Context(), fmt.Sprintf("learner-%d", i))
		if err != nil {
			t.Fatal(err)
		}
		if all["3.1-infra-container"].At == int64(i+1) {
			progress++
		}
	}
	records, err := store.Sessions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return progress, len(records)
}

func files(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && entry.Name() != "lock" {
			relative, _ := filepath.Rel(dir, path)
			paths = append(paths, relative)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestTornFiles tears each file of a store at several places: it opens in time or says why not, and never are records lost in silence but
// for those that the tear took.
func TestTornFiles(t *testing.T) {
	whole := filled(t)
	for _, name := range files(t, whole) {
		for _, quarter := range []int64{0, 1, 2, 3} {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, name)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, info.Size()*quarter/4); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			store, err := Open(dir)
			if took := time.Since(began); took > openTime {
				t.Errorf("%s torn at %d/4: open took %v", name, quarter, took)
			}
			if err != nil {
				t.Logf("%s torn at %d/4: %v", name, quarter, err)
				continue
			}
			progress, sessions := kept(t, store)
			t.Logf("%s (%d bytes) torn at %d/4: %d and %d of %d are left", name, info.Size(), quarter, progress, sessions, learners)
			if filepath.Ext(name) != ".blk" && (progress != learners || sessions != learners) {
				t.Errorf("%s torn at %d/4: %d and %d of %d are left", name, quarter, progress, sessions, learners)
			}
			if err := store.SaveProgress(t.Context(), "new", "3.1-infra-container", labs.Progress{At: 1}); err != nil {
				t.Errorf("%s torn at %d/4: a new record: %v", name, quarter, err)
			}
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestFullDisk saves until the disk is full: that is told at once, and what was saved before is there afterwards.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("needs root")
		}
		t.Skip("needs root, for a small disk")
	}
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	store, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	if err := store.SaveProgress(t.Context(), "first", "3.1-infra-container", labs.Progress{At: 7}); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, bytes.Repeat([]byte("x"), 16<<20), 0o600); err == nil {
		t.Fatal("the disk has no end")
	}
	saved := int64(0)
	for i := int64(1); i < 300; i++ {
		began := time.Now()
		err = store.SaveProgress(t.Context(), "second", "3.1-infra-container", labs.Progress{At: i})
		if took := time.Since(began); took > readyTime {
			t.Fatalf("saving on a full disk took %v: %v", took, err)
		}
		if err != nil {
			break
		}
		saved = i
	}
	t.Logf("after %d more: %v", saved, err)
	if err == nil {
		t.Error("all was saved on a full disk")
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := store.SaveProgress(t.Context(), "second", "3.1-infra-container", labs.Progress{At: 1000}); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	if store, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	for learner, want := range map[string]int64{"first": 7, "second": 1000} {
		all, err := store.Progress(t.Context(), learner)
		if err != nil || all["3.1-infra-container"].At != want {
			t.Errorf("%s: %v, %v, want %d", learner, all, err, want)
		}
	}
}
