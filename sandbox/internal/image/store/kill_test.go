package store

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/sandboxtest"
)

// imports is what the test below starts itself as: one import, to be killed.
func imports() {
	dir := os.Getenv("PODLAB_TEST_IMPORT")
	if dir == "" {
		return
	}
	s, err := Open(dir)
	if err == nil {
		var archive *os.File
		if archive, err = os.Open(os.Getenv("PODLAB_TEST_ARCHIVE")); err == nil {
			_, err = s.Import(context.Background(), archive, "")
		}
	}
	if err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// Killed at any moment, an import is done or not: no image lacks a layer, and the next to come clears away what is left.
func TestKilled(t *testing.T) {
	sandboxtest.Root(t)
	archive := saved(t, map[string]v1.Image{
		"a": imageOf(t, "", layerOf(t, files{"x": strings.Repeat("x", 1<<20)}), layerOf(t, files{"y": "y"})), "b": imageOf(t, "", layerOf(t, files{"z": "z"})),
	})
	done, killed := 0, 0
	for after := time.Duration(0); done < 3 && after < 3*time.Second; after += 7 * time.Millisecond {
		dir := t.TempDir()
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), "PODLAB_TEST_IMPORT="+dir, "PODLAB_TEST_ARCHIVE="+archive.Name())
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after)
		_ = cmd.Process.Signal(syscall.SIGKILL) // it may have ended
		if cmd.Wait() == nil {
			done++
		} else {
			killed++
		}
		whole(t, dir)
	}
	if killed < 5 || done < 3 {
		t.Errorf("%d killed, %d done: nothing was tried", killed, done)
	}
}

// whole opens a directory of images after a kill and looks it over.
func whole(t *testing.T, dir string) {
	t.Helper()
	if reader, err := image.Open(dir); err == nil {
		for _, img := range reader.List() {
			for _, l := range img.Layers {
				if _, err := os.Stat(reader.LayerPath(l)); err != nil {
					t.Errorf("%s names a layer that is not there: %v", img.Name, err)
				}
			}
		}
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	nothing(t, s)
	if _, err := s.Collect(time.Time{}, 0); err != nil {
		t.Error(err)
	}
	images, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	if layers, _ := os.ReadDir(filepath.Join(dir, image.LayersDir)); len(images) == 0 && len(layers) > 0 || len(images) > 0 && len(layers) != 3 {
		t.Errorf("%d images, %d layers", len(images), len(layers))
	}
}
