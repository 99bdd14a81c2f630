package store

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/sandboxtest"
)

func TestMain(m *testing.M) {
	Main()
	imports()
	os.Exit(m.Run())
}

// opened is a host's store in a directory of its own.
func opened(t *testing.T) *Store {
	t.Helper()
	sandboxtest.Root(t)
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// files are the content of one layer: a name that ends in / is a directory.
type files map[string]string

func layerOf(t testing.TB, content files) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, data := range content {
		h := &tar.Header{Name: name, Mode: 0o755, Size: int64(len(data)), Typeflag: tar.TypeReg, Uid: 33, Gid: 33}
		if strings.HasSuffix(name, "/") {
			h.Typeflag, h.Size = tar.TypeDir, 0
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, data[:h.Size]); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func imageOf(t testing.TB, user string, layers ...v1.Layer) v1.Image {
	t.Helper()
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: thisArch, Config: v1.Config{
		Cmd: []string{"sh"}, Env: []string{"A=b"}, User: user, WorkingDir: "/srv", ExposedPorts: map[string]struct{}{"80/tcp": {}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range layers {
		img, err = mutate.Append(img, mutate.Addendum{Layer: l, History: v1.History{CreatedBy: "RUN step " + string(rune('1'+i))}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return img
}

// saved writes what docker save would.
func saved(t testing.TB, images map[string]v1.Image) *os.File {
	t.Helper()
	tags := map[name.Tag]v1.Image{}
	for n, img := range images {
		tag, err := name.NewTag(n)
		if err != nil {
			t.Fatal(err)
		}
		tags[tag] = img
	}
	file := filepath.Join(t.TempDir(), "saved.tar")
	if err := tarball.MultiWriteToFile(file, tags); err != nil {
		t.Fatal(err)
	}
	return openFile(t, file)
}

func openFile(t testing.TB, file string) *os.File {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func read(t *testing.T, s *Store, l image.Layer, file string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(s.LayerDir(l.Digest), file))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// nothing checks that no directory of an installation is left.
func nothing(t *testing.T, s *Store) {
	t.Helper()
	if left, _ := filepath.Glob(filepath.Join(s.dir, stageName)); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestImport(t *testing.T) {
	s := opened(t)
	base := layerOf(t, files{"etc/": "", "etc/passwd": "root:x:0:0::/:\nweb:x:33:34::/:\n", "etc/old": "x"})
	top := layerOf(t, files{"etc/.wh.old": "", "srv/": "", "srv/index": "hi"})
	got, err := s.Import(t.Context(), saved(t, map[string]v1.Image{"app:v1": imageOf(t, "web", base, top), "base:latest": imageOf(t, "", base)}), "")
	if err != nil {
		t.Fatal(err)
	}
	nothing(t, s)
	if len(got) != 2 {
		t.Fatalf("%+v", got)
	}
	reader, err := image.Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	app, err := reader.Lookup("docker.io/library/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	if app.Config.User != "33:34" || app.Config.WorkingDir != "/srv" || app.Config.ExposedPorts[0] != 80 || app.Layers[1].CreatedBy != "RUN step 2" || app.Source != "imported" {
		t.Errorf("%+v", app)
	}
	if _, err := reader.Lookup("base"); err != nil {
		t.Error(err)
	}
	if pinned, err := reader.Lookup("app@" + app.Manifest); err != nil || pinned.Name != "app:v1" {
		t.Errorf("%+v, %v", pinned, err)
	}
	if read(t, s, app.Layers[1], "srv/index") != "hi" {
		t.Error("the file is another")
	}
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(s.LayerDir(app.Layers[1].Digest), "etc/old"), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR {
		t.Errorf("no whiteout: %o, %v", st.Mode, err)
	}
	if err := unix.Lstat(filepath.Join(s.LayerDir(app.Layers[1].Digest), "srv/index"), &st); err != nil || st.Uid != 33 {
		t.Errorf("owner %d, %v", st.Uid, err)
	}
	layers, _ := os.ReadDir(filepath.Join(s.dir, image.LayersDir))
	if len(layers) != 2 || strings.Join(reader.On(app.Layers[0].Digest), " ") != "app:v1 base" {
		t.Errorf("%d layers; on the lowest: %v", len(layers), reader.On(app.Layers[0].Digest))
	}
	// The same as an OCI archive, from our own layout.
	other := opened(t)
	again, err := other.Import(t.Context(), tarDir(t, filepath.Join(s.dir, ociDir)), "")
	if err != nil || len(again) != 2 || again[0].Digest != got[0].Digest && again[0].Digest != got[1].Digest {
		t.Errorf("%+v, %v", again, err)
	}
}

// tarDir writes a directory as a tar.
func tarDir(t *testing.T, dir string) *os.File {
	t.Helper()
	file := filepath.Join(t.TempDir(), "oci.tar")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	if err := errors.Join(w.AddFS(os.DirFS(dir)), w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return openFile(t, file)
}

func TestImportRefuses(t *testing.T) {
	s := opened(t)
	good := layerOf(t, files{"x": "y"})
	evil := static.NewLayer(tarWith(t, &tar.Header{Name: "../../up", Typeflag: tar.TypeReg, Mode: 0o644}), types.DockerUncompressedLayer)
	many := make([]v1.Layer, image.MaxLayers+1)
	for i := range many {
		many[i] = layerOf(t, files{"x": strings.Repeat("y", i)})
	}
	foreign, err := mutate.ConfigFile(imageOf(t, "", good), &v1.ConfigFile{OS: "linux", Architecture: "s390x", RootFS: rootFS(t, good)})
	if err != nil {
		t.Fatal(err)
	}
	lying, err := mutate.ConfigFile(imageOf(t, "", good), &v1.ConfigFile{OS: "linux", Architecture: thisArch, RootFS: rootFS(t, layerOf(t, files{"x": "z"}))})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Replace([]image.Image{{Name: "nginx", Layers: []image.Layer{{Digest: "sha256:" + strings.Repeat("0", 64)}}}}); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		archive *os.File
		as      string
	}{
		"nonsense":           {archive: written(t, strings.Repeat("nonsense", 1000))},
		"nothing":            {archive: written(t, "")},
		"climbing":           {archive: saved(t, map[string]v1.Image{"a": imageOf(t, "", evil)})},
		"too many layers":    {archive: saved(t, map[string]v1.Image{"a": imageOf(t, "", many...)})},
		"no layer":           {archive: saved(t, map[string]v1.Image{"a": imageOf(t, "")})},
		"another machine":    {archive: saved(t, map[string]v1.Image{"a": foreign})},
		"another layer":      {archive: ociArchive(t, lying, nil)},
		"blob changed":       {archive: ociArchive(t, imageOf(t, "", good), func(data []byte) { data[len(data)/2] ^= 1 })},
		"unknown user":       {archive: saved(t, map[string]v1.Image{"a": imageOf(t, "nobody-here", good)})},
		"our own name":       {archive: saved(t, map[string]v1.Image{"podlab/pause": imageOf(t, "", good)})},
		"a recipe's name":    {archive: saved(t, map[string]v1.Image{"nginx:latest": imageOf(t, "", good)})},
		"two under one name": {archive: saved(t, map[string]v1.Image{"a": imageOf(t, "", good), "b": imageOf(t, "0", good)}), as: "c"},
		"no reference":       {archive: saved(t, map[string]v1.Image{"a": imageOf(t, "", good)}), as: "A B"},
	} {
		if got, err := s.Import(t.Context(), c.archive, c.as); err == nil {
			t.Errorf("%s: %+v", what, got)
		}
		nothing(t, s)
	}
	if layers, _ := os.ReadDir(filepath.Join(s.dir, image.LayersDir)); len(layers) != 0 {
		t.Errorf("%d layers are left", len(layers))
	}
	if _, err := s.Import(t.Context(), saved(t, map[string]v1.Image{"nginx": imageOf(t, "", good)}), "mine/nginx:v2"); err != nil {
		t.Errorf("under another name: %v", err)
	}
}

// A layer that is here already is not unpacked again. Its blob is looked at all the same: it is kept, and pushed on from here.
func TestBlobOfAKnownLayer(t *testing.T) {
	s := opened(t)
	good, other := layerOf(t, files{"x": "y"}), layerOf(t, files{"x": "z"})
	if _, err := s.Import(t.Context(), saved(t, map[string]v1.Image{"good": imageOf(t, "", good)}), ""); err != nil {
		t.Fatal(err)
	}
	before := listed(t, s.dir)
	lying, err := mutate.ConfigFile(imageOf(t, "", other), &v1.ConfigFile{OS: "linux", Architecture: thisArch, RootFS: rootFS(t, good)})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Import(t.Context(), ociArchive(t, lying, nil), ""); err == nil || !strings.Contains(err.Error(), "the configuration says") {
		t.Errorf("%+v, %v", got, err)
	}
	if now := listed(t, s.dir); now != before {
		t.Errorf("it left\n%s", now)
	}
	if _, err := s.Import(t.Context(), saved(t, map[string]v1.Image{"again": imageOf(t, "", good)}), ""); err != nil {
		t.Errorf("the true one: %v", err)
	}
}

func rootFS(t *testing.T, l v1.Layer) v1.RootFS {
	t.Helper()
	id, err := l.DiffID()
	if err != nil {
		t.Fatal(err)
	}
	return v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{id}}
}

func tarWith(t *testing.T, h *tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := errors.Join(w.WriteHeader(h), w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func written(t *testing.T, text string) *os.File {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return openFile(t, file)
}

// ociArchive writes an image as a tar of an OCI layout; change may spoil its layer.
func ociArchive(t *testing.T, img v1.Image, change func([]byte)) *os.File {
	t.Helper()
	dir := t.TempDir()
	to, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := to.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "a"})); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		manifest, err := img.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "blobs", "sha256", manifest.Layers[0].Digest.Hex)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		change(data)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return tarDir(t, dir)
}

// registryOn starts a registry on a loopback address and fills it.
func registryOn(t *testing.T, images map[string]v1.Image) (addr string) {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	addr = strings.TrimPrefix(server.URL, "http://")
	for n, img := range images {
		ref, err := name.ParseReference(addr + "/" + n)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(ref, img); err != nil {
			t.Fatal(err)
		}
	}
	return addr
}

func TestPull(t *testing.T) {
	s := opened(t)
	img := imageOf(t, "", layerOf(t, files{"x": "pulled"}))
	addr := registryOn(t, map[string]v1.Image{"team/app:v1": img})
	ref := addr + "/team/app:v1"
	if _, err := s.Pull(t.Context(), ref, Access{}); err == nil || !strings.Contains(err.Error(), "--registries") {
		t.Errorf("no registry is allowed, yet: %v", err)
	}
	if _, err := s.Pull(t.Context(), ref, Access{Registries: []string{"localhost:1", "docker.io"}}); err == nil {
		t.Error("another registry is allowed, yet it was asked")
	}
	allowed := Access{Registries: []string{addr}}
	got, err := s.Pull(t.Context(), ref, allowed)
	if err != nil {
		t.Fatal(err)
	}
	digest, _ := img.Digest()
	if got.Name != ref || got.Source != addr+"/team/app@"+digest.String() || read(t, s, got.Layers[0], "x") != "pulled" {
		t.Errorf("%+v", got)
	}
	nothing(t, s)
	if pinned, err := s.Pull(t.Context(), addr+"/team/app@"+digest.String(), allowed); err != nil || pinned.Digest != got.Digest {
		t.Errorf("by digest: %+v, %v", pinned, err)
	}
	if _, err := s.Pull(t.Context(), addr+"/team/app@sha256:"+strings.Repeat("0", 64), allowed); err == nil {
		t.Error("an image of another digest was taken")
	}
	if _, err := s.Pull(t.Context(), addr+"/team/none", allowed); err == nil {
		t.Error("an image that is not there was pulled")
	}
	nothing(t, s)
}

func TestPlainHTTP(t *testing.T) {
	for _, c := range []struct {
		access Access
		host   string
		want   bool
	}{
		{Access{}, "127.0.0.1:5000", true},
		{Access{}, "localhost:5000", true},
		{Access{}, "[::1]:5000", true},
		{Access{}, "10.0.0.5:5000", false}, // go-containerregistry would
		{Access{}, "registry.example:5000", false},
		{Access{}, "x.localhost", false},
		{Access{Insecure: []string{"10.0.0.5:5000"}}, "10.0.0.5:5000", true},
		{Access{Insecure: []string{"10.0.0.5:5000"}}, "10.0.0.5:5001", false},
		{Access{Any: true}, "10.88.0.7:5000", true},
	} {
		tr := &transport{access: c.access, registry: c.host}
		if got := tr.mayBePlain(c.host); got != c.want {
			t.Errorf("%+v %s: %v", c.access, c.host, got)
		}
		elsewhere := &transport{access: c.access, registry: "other:1"}
		if elsewhere.mayBePlain(c.host) && !c.access.Any {
			t.Errorf("%+v: a registry may send the client to http://%s", c.access, c.host)
		}
	}
}

// A run that was killed leaves a directory and layers without a name: the next clears both.
func TestAfterACrash(t *testing.T) {
	s := opened(t)
	got, err := s.Import(t.Context(), saved(t, map[string]v1.Image{"a": imageOf(t, "", layerOf(t, files{"x": "y"}))}), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{".new-123/layers/x", "layers/" + strings.Repeat("ab", 32)} {
		if err := os.MkdirAll(filepath.Join(s.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	if s, err = Open(s.dir); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	nothing(t, s)
	c, err := s.Collect(time.Time{}, 0)
	if err != nil || c.Layers != 1 || c.Blobs != 0 {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := os.Stat(s.LayerDir(got[0].Layers[0].Digest)); err != nil {
		t.Error(err)
	}
}

func TestCollect(t *testing.T) {
	s := opened(t)
	shared := layerOf(t, files{"x": "shared"})
	archive := saved(t, map[string]v1.Image{"a": imageOf(t, "", shared, layerOf(t, files{"y": "a"})), "b": imageOf(t, "", shared)})
	if _, err := s.Import(t.Context(), archive, ""); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	time.Sleep(20 * time.Millisecond)
	if err := s.Remove("a:latest"); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Collect(started, 0); err != nil || c.Layers != 0 || c.Held != 1 {
		t.Errorf("a node from before may stand on it: %+v, %v", c, err)
	}
	if c, err := s.Collect(time.Time{}, time.Minute); err != nil || c.Layers != 0 || c.Held != 1 {
		t.Errorf("it was in an image a moment ago: %+v, %v", c, err)
	}
	if c, err := s.Collect(time.Now(), 0); err != nil || c.Layers != 1 || c.Bytes == 0 {
		t.Errorf("%+v, %v", c, err)
	}
	left, _ := os.ReadDir(filepath.Join(s.dir, image.LayersDir))
	blobs, _ := os.ReadDir(filepath.Join(s.dir, ociDir, "blobs", "sha256"))
	if len(left) != 1 || len(blobs) != 3 { // a layer, a configuration, a manifest
		t.Errorf("%d layers and %d blobs are left", len(left), len(blobs))
	}
	if err := s.Remove("a"); err == nil {
		t.Error("it was removed twice")
	}
	nothing(t, s)
}

func TestOneAtATime(t *testing.T) {
	s := opened(t)
	opened := make(chan *Store)
	go func() {
		other, _ := Open(s.dir)
		opened <- other
	}()
	select {
	case <-opened:
		t.Fatal("two have it")
	case <-time.After(50 * time.Millisecond):
	}
	s.Close()
	(<-opened).Close()
}

// What a jailed process hands over is looked at again.
func TestCheck(t *testing.T) {
	sandboxtest.Root(t)
	for what, make := range map[string]func(dir string) error{
		"set-user-id": func(d string) error { return errors.Join(os.WriteFile(d+"/x", nil, 0o755), unix.Chmod(d+"/x", 0o4755)) },
		"device":      func(d string) error { return unix.Mknod(d+"/x", unix.S_IFBLK, 0x0801) },
		"pipe":        func(d string) error { return unix.Mkfifo(d+"/x", 0o600) },
		"capability": func(d string) error {
			return errors.Join(os.WriteFile(d+"/x", nil, 0o755), unix.Setxattr(d+"/x", "user.any", []byte("x"), 0))
		},
		"owner": func(d string) error { return errors.Join(os.WriteFile(d+"/x", nil, 0o755), os.Chown(d+"/x", 1<<20, 0)) },
	} {
		dir := t.TempDir()
		if _, err := check(dir); err != nil {
			t.Fatal(err)
		}
		if err := make(dir); err != nil {
			t.Fatal(what, err)
		}
		if _, err := check(dir); err == nil {
			t.Errorf("%s: was taken", what)
		}
	}
}

func TestNumeric(t *testing.T) {
	files := map[string]string{"etc/passwd": "root:x:0:0\nweb:x:33:34:::\nlong\n", "etc/group": "www:x:40:\n"}
	read := func(f string) []byte { return []byte(files[f]) }
	for user, want := range map[string]string{"": "", "web": "33:34", "33": "33:34", "99": "99:0", "web:www": "33:40", "1:2": "1:2"} {
		if got, err := numeric(user, read); err != nil || got != want {
			t.Errorf("%q: %q, %v", user, got, err)
		}
	}
	for _, user := range []string{"nobody", "web:none", "70000", "-1", "1:70000"} {
		if got, err := numeric(user, read); err == nil {
			t.Errorf("%q: %q", user, got)
		}
	}
}

// What lies in a node's own directory on top of the host's images: no copies of its layers; packed from files where no blob is.
func TestNodeStore(t *testing.T) {
	host := opened(t)
	base := layerOf(t, files{"x": "base"})
	if _, err := host.Import(t.Context(), saved(t, map[string]v1.Image{"base": imageOf(t, "", base)}), ""); err != nil {
		t.Fatal(err)
	}
	node, err := OpenNode(t.TempDir(), host.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	addr := registryOn(t, map[string]v1.Image{"app": imageOf(t, "", base, layerOf(t, files{"y": "own"}))})
	got, err := node.Pull(t.Context(), addr+"/app", Access{Any: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(node.LayerDir(got.Layers[0].Digest)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the host's layer was copied: %v", err)
	}
	reader, err := node.Reader()
	if err != nil {
		t.Fatal(err)
	}
	if dir := reader.LayerPath(got.Layers[0]); !strings.HasPrefix(dir, host.dir) {
		t.Errorf("the lowest layer is at %s", dir)
	}
	for _, ref := range []string{"base", addr + "/app"} {
		img, err := reader.Lookup(ref)
		if err != nil {
			t.Fatal(err)
		}
		made, err := node.OCI(img, time.Unix(0, 0))
		if err != nil {
			t.Fatal(err)
		}
		if digest, err := Push(context.Background(), made, addr+"/again", Access{Any: true}); err != nil || digest != img.Manifest {
			t.Errorf("%s: pushed as %s, was %s, %v", ref, digest, img.Manifest, err)
		}
	}
}
