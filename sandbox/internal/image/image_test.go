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

func TestBuildable(t *testing.T) {
	s, err := open(t, sample())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dirs[0].dir, BuildableFile), []byte(`["tomcat","team/git"]`), 0o644); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{"tomcat": "tomcat", "docker.io/library/tomcat:latest": "tomcat", "team/git": "team/git", "tomcat:9": "", "cat": ""} {
		_, err := s.Lookup(ref)
		if e, ok := errors.AsType[*sandbox.Error](err); !ok || e.Params["buildable"] != want {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

// A store that is open finds what is added, and a second directory's images over the first's, but not over internal ones.
func TestLaterAndOver(t *testing.T) {
	s, err := open(t, `[]`)
	if err != nil {
		t.Fatal(err)
	}
	host, node := s.dirs[0].dir, t.TempDir()
	if s, err = Open(host, node); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lookup("nginx"); err == nil {
		t.Error("it is not there yet")
	}
	put := func(dir, index string) {
		t.Helper()
		tmp := filepath.Join(dir, "new")
		if err := errors.Join(os.WriteFile(tmp, []byte(index), 0o644), os.Rename(tmp, filepath.Join(dir, IndexFile))); err != nil {
			t.Fatal(err)
		}
	}
	put(host, sample())
	if img, err := s.Lookup("nginx"); err != nil || len(img.Layers) != 2 {
		t.Errorf("%+v, %v", img, err)
	}
	own := func(name string) string {
		return `{"name":"` + name + `","digest":"own","layers":[{"digest":"sha256:` + top + `"}],"config":{}}`
	}
	put(node, "["+own("nginx")+","+own("podlab/node")+","+own("mine:v1")+"]")
	for ref, want := range map[string]string{"nginx": "own", "mine:v1": "own", "podlab/node": "sha256:" + base, "busybox": "sha256:" + base} {
		if img, err := s.Lookup(ref); err != nil || img.Digest != want {
			t.Errorf("%s: %+v, %v", ref, img, err)
		}
	}
	if got := strings.Join(s.On("sha256:"+top), " "); got != "mine:v1 nginx" {
		t.Errorf("on the layer: %s", got)
	}
	put(node, "nonsense")
	if img, err := s.Lookup("nginx"); err != nil || img.Digest == "own" {
		t.Errorf("with a broken index over it: %+v, %v", img, err)
	}
}
