package image

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"podlab/sandbox"
)

var (
	base = strings.Repeat("0a", 32)
	top  = strings.Repeat("1b", 32)
)

// open writes index as a directory's index and opens that.
func open(t *testing.T, index string) (*Store, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, IndexFile), []byte(index), 0o644); err != nil {
		t.Fatal(err)
	}
	return Open(dir)
}

func sample() string {
	return `[
		{"name":"nginx","digest":"sha256:` + top + `","size":3,"layers":[{"digest":"sha256:` + base + `","bytes":1},
			{"digest":"sha256:` + top + `","bytes":2}],"config":{"cmd":["nginx","-g","daemon off;"],"exposedPorts":[80]}},
		{"name":"busybox","digest":"sha256:` + base + `","layers":[{"digest":"sha256:` + base + `","bytes":1}],"config":{}},
		{"name":"podlab/node","internal":true,"digest":"sha256:` + base + `","layers":[{"digest":"sha256:` + base + `"}],"config":{}}
	]`
}

func TestLookup(t *testing.T) {
	s, err := open(t, sample())
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"nginx", "nginx:latest"} {
		img, err := s.Lookup(ref)
		if err != nil || img.Name != "nginx" || len(img.Layers) != 2 || img.Config.Cmd[0] != "nginx" {
			t.Errorf("Lookup(%q) = %+v, %v", ref, img, err)
		}
	}
	if _, err := s.Lookup("podlab/node"); err != nil {
		t.Errorf("internal image: %v", err)
	}
	if got, want := s.LayerPath(Layer{Digest: "sha256:" + base}), filepath.Join(s.dirs[0].dir, "layers", base); got != want {
		t.Errorf("LayerPath = %s, want %s", got, want)
	}
}

func TestLookupUnknown(t *testing.T) {
	s, err := open(t, sample())
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"", "ngnix", "nginx:1.25", ":latest", "../nginx"} {
		_, err := s.Lookup(ref)
		e, ok := errors.AsType[*sandbox.Error](err)
		if !ok || e.Code != sandbox.CodeUnknownImage || e.Params["image"] != ref || e.Params["known"] != "busybox, nginx" {
			t.Errorf("Lookup(%q) = %v", ref, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	layer := func(digest string) string { return `[{"name":"x","layers":[{"digest":"` + digest + `"}]}]` }
	for what, index := range map[string]string{
		"no JSON":         `nonsense`,
		"no name":         `[{"layers":[{"digest":"sha256:` + base + `"}]}]`,
		"no layer":        `[{"name":"x"}]`,
		"climbing digest": layer("sha256:../../" + base[:58]),
		"short digest":    layer("sha256:ab"),
		"no algorithm":    layer(base),
		"upper case":      layer("sha256:" + strings.ToUpper(base)),
		"too large":       strings.Repeat(" ", maxIndex+1),
	} {
		if _, err := open(t, index); err == nil {
			t.Errorf("%s: was opened", what)
		}
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("empty directory: %v", err)
	}
}
