package build

import (
	"archive/tar"
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/sandboxtest"
)

func file(data string, mode int64) Entry {
	return Entry{Type: tar.TypeReg, Mode: mode, Data: []byte(data)}
}

func TestTree(t *testing.T) {
	tree := Tree{}
	for name, e := range map[string]Entry{
		"./bin/sh":        file("sh", 0o4755),
		"lib/x/lib.so":    file("lib", 0o644),
		"bin":             {Type: tar.TypeSymlink, Mode: 0o777, Link: "usr/bin"},
		"/var/tmp":        {Type: tar.TypeDir, Mode: 0o1777},
		"etc/../etc/host": file("h", 0o644),
	} {
		if err := tree.add(name, e); err != nil {
			t.Fatal(name, err)
		}
	}
	want := "bin etc etc/host usr usr/bin usr/bin/sh usr/lib usr/lib/x usr/lib/x/lib.so var var/tmp"
	if got := strings.Join(tree.names(), " "); got != want {
		t.Errorf("names %q, want %q", got, want)
	}
	if m := tree["usr/bin/sh"].Mode; m != 0o755 {
		t.Errorf("set-user-id was kept: %o", m)
	}
	if m := tree["var/tmp"].Mode; m != 0o1777 {
		t.Errorf("sticky bit was lost: %o", m)
	}
	if err := tree.add("usr/bin/sh/deeper", file("", 0o644)); err == nil {
		t.Error("a file below a file was accepted")
	}
	if err := tree.add("usr/bin", file("", 0o644)); err == nil {
		t.Error("a file in a directory's place was accepted")
	}
}

func TestCanonicalStaysInside(t *testing.T) {
	for name, want := range map[string]string{
		"../../etc/passwd": "etc/passwd", "/..": ".", "./": ".", "sbin/../../x": "x", "lib64/ld.so": "usr/lib64/ld.so", "lib64": "lib64",
	} {
		if got := canonical(name); got != want {
			t.Errorf("canonical(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestClosed(t *testing.T) {
	base, top := Tree{}, Tree{}
	_ = base.add("bin/sh", file("", 0o755))
	_ = top.add("usr/bin/ok", file("#!/bin/sh -e\n", 0o755))
	_ = top.add("usr/share/doc/example", file("#!/usr/bin/perl\n", 0o644)) // not executable: a text
	if err := closed([]Tree{base, top}); err != nil {
		t.Error(err)
	}
	_ = top.add("usr/bin/bad", file("#!/usr/bin/perl\n", 0o755))
	if err := closed([]Tree{base, top}); err == nil || !strings.Contains(err.Error(), "/usr/bin/perl") {
		t.Errorf("a missing interpreter: %v", err)
	}
}

func TestRecipesInOrder(t *testing.T) {
	got, err := inOrder([]Recipe{{Name: "a", From: "c"}, {Name: "b"}, {Name: "c", From: "b"}})
	if err != nil || got[0].Name+got[1].Name+got[2].Name != "bca" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := inOrder([]Recipe{{Name: "a", From: "a"}}); err == nil {
		t.Error("an image on itself was accepted")
	}
}

func TestRecipeRefusesUnknownField(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "x", recipeFile)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("pakages: [bash]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readRecipes(dir); err == nil || !strings.Contains(err.Error(), "pakages") {
		t.Errorf("error %v", err)
	}
}

// The real recipes, made twice with nothing shared, give the same index; what lies on the disk has the digest it is named for;
// and a third run finds nothing to do.
func TestReproducible(t *testing.T) {
	sandboxtest.Root(t)
	first, second := buildAll(t), buildAll(t)
	if !bytes.Equal(readIndex(t, first.out), readIndex(t, second.out)) {
		t.Errorf("two builds differ:\n%s\n%s", readIndex(t, first.out), readIndex(t, second.out))
	}
	s, err := image.Open(first.out)
	if err != nil {
		t.Fatal(err)
	}
	for _, img := range s.List() {
		for _, l := range img.Layers {
			onDisk, err := readTree(s.LayerPath(l))
			if err != nil {
				t.Fatal(err)
			}
			if d, err := onDisk.digest(first.at); err != nil || d != l.Digest {
				t.Errorf("%s: layer %s on disk is %s, %v", img.Name, l.Digest, d, err)
			}
		}
	}
	sharing(t, s)
	before, start := written(t, first.out), time.Now()
	if err := first.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("nothing to do, in %v", time.Since(start))
	if after := written(t, first.out); !maps.Equal(before, after) {
		t.Errorf("nothing changed, yet files were written: %v, then %v", before, after)
	}
}

// written tells when the index of a store and each of its layers were last changed.
func written(t *testing.T, store string) map[string]time.Time {
	t.Helper()
	at := map[string]time.Time{}
	for _, pattern := range []string{image.IndexFile, image.LayersDir + "/*"} {
		names, _ := filepath.Glob(filepath.Join(store, pattern))
		for _, name := range names {
			info, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			at[name] = info.ModTime()
		}
	}
	if len(at) < 3 {
		t.Fatalf("only %v in the store", at)
	}
	return at
}

// sharing checks that images on one base hold the same directory, not a copy of it.
func sharing(t *testing.T, s *image.Store) {
	t.Helper()
	bottom := map[string]string{}
	for _, img := range s.List() {
		bottom[img.Name] = s.LayerPath(img.Layers[0])
	}
	if bottom["nginx"] != bottom["debian"] || bottom["podlab/node"] != bottom["debian"] || bottom["busybox"] == bottom["debian"] {
		t.Errorf("lowest layers: %v", bottom)
	}
}

// buildAll makes the images of the repository in a new directory. Debian's packages are kept between tests: apt checks them.
func buildAll(t *testing.T) *builder {
	t.Helper()
	cache := t.TempDir()
	if err := os.Symlink(packageCache(t), filepath.Join(cache, "debs")); err != nil {
		t.Fatal(err)
	}
	b := &builder{recipes: "../../../../content/images", out: t.TempDir(), cache: cache}
	if err := b.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return b
}

func packageCache(t *testing.T) string {
	dir := os.Getenv("PODLAB_CACHE")
	if dir == "" {
		dir = "/var/cache/podlab"
	}
	dir = filepath.Join(dir, "debs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func readIndex(t *testing.T, dir string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, image.IndexFile))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
