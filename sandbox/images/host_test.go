package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"podlab/sandbox"
	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/image/store"
	"podlab/sandbox/internal/sandboxtest"
)

// changed is an image as docker save would write it: busybox, and a layer that deletes a file, makes a directory anew and one executable
// set-user-id.
func changed(t *testing.T, dir string) string {
	t.Helper()
	s, err := store.Open(dir)
	must(t, err)
	defer s.Close()
	reader, err := s.Reader()
	must(t, err)
	busybox, err := reader.Lookup("busybox")
	must(t, err)
	base, err := s.OCI(busybox, time.Unix(0, 0))
	must(t, err)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []*tar.Header{
		{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755}, {Name: "etc/.wh.group", Typeflag: tar.TypeReg},
		{Name: "var/www/", Typeflag: tar.TypeDir, Mode: 0o755}, {Name: "var/", Typeflag: tar.TypeDir, Mode: 0o755}, {Name: "var/.wh..wh..opq", Typeflag: tar.TypeReg},
		{Name: "srv/su", Typeflag: tar.TypeReg, Mode: 0o4755, Uid: 1000}, {Name: "dev/sda", Typeflag: tar.TypeBlock, Mode: 0o666, Devmajor: 8},
	} {
		must(t, w.WriteHeader(h))
	}
	must(t, w.Close())
	top, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	must(t, err)
	img, err := mutate.Append(base, mutate.Addendum{Layer: top, History: v1.History{CreatedBy: "by hand"}})
	must(t, err)
	tag, err := name.NewTag("changed:v1")
	must(t, err)
	file := filepath.Join(t.TempDir(), "saved.tar")
	must(t, tarball.WriteToFile(file, tag, img))
	return file
}

// reach waits until a pod has a status, as kubectl get pods shows it.
func reach(t *testing.T, agent sandbox.Agent, pod, status string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), sandboxtest.Within(time.Minute))
	defer cancel()
	reached := errors.New("reached")
	err := agent.Watch(ctx, nil, func(u sandbox.Update) error {
		if u.Snapshot == nil {
			return nil
		}
		for _, p := range u.Snapshot.Pods {
			if p.Metadata.Name == pod && p.Columns().Status == status {
				return reached
			}
		}
		return nil
	})
	if !errors.Is(err, reached) {
		t.Fatalf("%s is not %s: %v", pod, status, err)
	}
}

// An image that is imported while a node runs is there at once, a pod that waited for it starts, and its container sees the layers as they were
// meant; gc waits for the node.
func TestImportedImageInANode(t *testing.T) {
	sandboxtest.Root(t)
	data := dataWith(t)
	d := sandboxtest.Start(t, sandboxtest.Data(data))
	e := &env{ctx: t.Context(), run: d.Run, nodes: d}
	node := d.Node(t, sandbox.NodeSpec{ID: "one"})
	agent := d.Agent(node)
	run := func(argv ...string) string {
		var out bytes.Buffer
		if _, err := agent.Exec(t.Context(), sandbox.ExecSpec{Argv: argv}, sandbox.Streams{Out: &out, Err: &out}); err != nil {
			t.Error(err)
		}
		return out.String()
	}
	if out := run("container", "run", "changed:v1"); !strings.Contains(out, "changed:v1") {
		t.Errorf("before it is there: %s", out)
	}
	pod := `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"early"},"spec":{"containers":[{"name":"a","image":"changed:v1","command":["sleep","1000"]}]}}`
	_, err := agent.Apply(t.Context(), [][]byte{[]byte(pod)})
	must(t, err)
	reach(t, agent, "early", "ErrImagePull")
	reach(t, agent, "early", "ImagePullBackOff")
	archive := changed(t, filepath.Join(data, "images"))
	must(t, (&importCmd{dataDir: dataDir{data}, File: archive}).Run(e))
	reach(t, agent, "early", "Running")
	must(t, agent.Delete(t.Context(), sandbox.Ref{Kind: sandbox.ManifestPod, Name: "early"}, 0))
	out := run("container", "run", "--rm", "changed:v1", "sh", "-c", "ls /etc/group 2>&1; ls /var/www | wc -l; ls -A /var; stat -c '%a %u' /srv/su; ls /dev/sda 2>&1; ls /bin/sh")
	if want := "ls: /etc/group: No such file or directory\n0\nwww\n755 1000\nls: /dev/sda: No such file or directory\n/bin/sh\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
	run("container", "run", "-d", "--name", "stays", "changed:v1", "sleep", "600")
	must(t, (&rmCmd{dataDir: dataDir{data}, Names: []string{"changed:v1"}}).Run())
	layers := func() int {
		entries, err := os.ReadDir(filepath.Join(data, "images", image.LayersDir))
		must(t, err)
		return len(entries)
	}
	before := layers()
	collect := func() store.Collected {
		s, err := dataDir{data}.open()
		must(t, err)
		defer s.Close()
		oldest, err := e.oldestNode()
		must(t, err)
		c, err := s.Collect(oldest, 0)
		must(t, err)
		return c
	}
	if c := collect(); c.Layers != 0 || c.Held != 1 || layers() != before {
		t.Errorf("while a node stands on it: %+v", c)
	}
	must(t, d.Destroy(t.Context(), node.Spec.ID))
	if c := collect(); c.Layers != 1 || layers() != before-1 {
		t.Errorf("after the node: %+v", c)
	}
}

// Without an answer from the daemon, gc does nothing where nodes may be.
func TestOldestNodeUnknown(t *testing.T) {
	e := &env{ctx: t.Context(), run: t.TempDir(), nodes: silent{}}
	if oldest, err := e.oldestNode(); err != nil || !oldest.IsZero() {
		t.Errorf("no state directory: %v, %v", oldest, err)
	}
	must(t, os.MkdirAll(filepath.Join(e.run, "sandboxd", "one"), 0o700))
	if _, err := e.oldestNode(); err == nil {
		t.Error("there are nodes, and nobody says which")
	}
}

type silent struct{ sandbox.Nodes }

func (silent) List(context.Context) ([]sandbox.Node, error) { return nil, errors.New("no answer") }
