package layer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// item is one entry of a tar made for a test.
type item struct {
	name string
	kind byte
	link string
	data string
	mode int64
	uid  int
}

func dir(name string) item { return item{name: name, kind: tar.TypeDir, mode: 0o755} }
func file(name, data string) item {
	return item{name: name, kind: tar.TypeReg, data: data, mode: 0o644}
}
func symlink(name, to string) item {
	return item{name: name, kind: tar.TypeSymlink, link: to, mode: 0o777}
}
func hard(name, first string) item {
	return item{name: name, kind: tar.TypeLink, link: first, mode: 0o644}
}
func device(name string) item        { return item{name: name, kind: tar.TypeChar, mode: 0o666} }
func packed(items ...item) []byte    { return tarOf(items) }
func at(root, name string) string    { return filepath.Join(root, name) }
func deep(n int, name string) string { return strings.Repeat("d/", n) + name }

func tarOf(items []item) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, i := range items {
		h := &tar.Header{Name: i.name, Typeflag: i.kind, Linkname: i.link, Size: int64(len(i.data)), Mode: i.mode, Uid: i.uid,
			ModTime: time.Unix(1_000_000_000, 0)}
		if err := w.WriteHeader(h); err != nil {
			panic(err)
		}
		if _, err := io.WriteString(w, i.data); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// unpack unpacks into a directory with a file beside it that no entry may reach.
func unpack(t testing.TB, data []byte, bounds Bounds) (top string, report Report, err error) {
	t.Helper()
	parent := t.TempDir()
	if err := os.WriteFile(at(parent, "outside"), []byte("untouched"), 0o600); err != nil {
		t.Fatal(err)
	}
	top = at(parent, "layer")
	if err := os.Mkdir(top, 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(top)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	report, err = Unpack(bytes.NewReader(data), root, bounds)
	entries, readErr := os.ReadDir(parent)
	outside, _ := os.ReadFile(at(parent, "outside"))
	if readErr != nil || len(entries) != 2 || string(outside) != "untouched" {
		t.Fatalf("it reached out of its directory: %v %v %q", readErr, entries, outside)
	}
	return top, report, err
}

func content(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func stat(t *testing.T, file string) (st unix.Stat_t) {
	t.Helper()
	if err := unix.Lstat(file, &st); err != nil {
		t.Fatal(file, err)
	}
	return st
}

func opaque(file string) bool {
	value := make([]byte, 8)
	n, err := unix.Lgetxattr(file, opaqueAttr, value)
	return err == nil && string(value[:n]) == "y"
}

func TestUnpack(t *testing.T) {
	data := packed(
		dir("./"), dir("etc/"), file("etc/host", "h"), file("/etc/abs", "a"), item{name: "usr/bin/su", kind: tar.TypeReg, data: "su", mode: 0o6755, uid: 7},
		hard("etc/same", "etc/host"), symlink("bin", "/usr/bin"), file("bin/sh", "sh"), symlink("lib", "usr/../../../usr/lib"), file("lib/x", "x"),
		device("dev/mem"), item{name: "tmp/", kind: tar.TypeDir, mode: 0o1777}, file("etc/host2", "1"), file("etc/host2", "22"),
		dir("was/"), file("was/a", "a"), symlink("was", "elsewhere"), symlink("link", "etc"), dir("link/"), file("link/own", "o"),
	)
	top, report, err := unpack(t, data, Default)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	if want := "sha256:" + hex.EncodeToString(sum[:]); report.DiffID != want || report.Skipped != 1 || report.Entries != 20 {
		t.Errorf("%+v, want %s", report, want)
	}
	for name, want := range map[string]string{"etc/host": "h", "etc/abs": "a", "etc/same": "h", "usr/bin/sh": "sh", "usr/lib/x": "x", "etc/host2": "22", "link/own": "o"} {
		if got := content(t, at(top, name)); got != want {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
	}
	su := stat(t, at(top, "usr/bin/su"))
	if su.Mode&0o7777 != 0o755 || su.Uid != 7 || su.Mtim.Sec != 1_000_000_000 {
		t.Errorf("su: %o %d %d", su.Mode, su.Uid, su.Mtim.Sec)
	}
	if m := stat(t, at(top, "tmp")); m.Mode&0o7777 != 0o1777 || m.Mtim.Sec != 1_000_000_000 {
		t.Errorf("tmp: %o %d", m.Mode, m.Mtim.Sec)
	}
	if a, b := stat(t, at(top, "etc/host")), stat(t, at(top, "etc/same")); a.Ino != b.Ino {
		t.Error("the hard link is a copy")
	}
	if target, _ := os.Readlink(at(top, "was")); target != "elsewhere" {
		t.Errorf("was → %q", target)
	}
	if _, err := os.Lstat(at(top, "dev/mem")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a device was made: %v", err)
	}
	if _, err := os.Lstat(at(top, "etc/own")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a directory in a link's place was written through")
	}
}

func TestWhiteouts(t *testing.T) {
	top, _, err := unpack(t, packed(
		dir("a/"), file("a/.wh.gone", ""), file("a/.wh..wh..opq", ""), file(".wh.old", ""), file(".wh..wh.plnk", ""),
		file("kept", "k"), file(".wh.kept", ""), // hides the lower one only
		file(".wh.again", ""), file("again", "new"), file(".wh.dir", ""), dir("dir/"), dir("dir2/"), file(".wh.dir2", ""),
	), Default)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a/gone", "old"} {
		if !isWhiteout(stat(t, at(top, name))) {
			t.Errorf("%s is no whiteout", name)
		}
	}
	for _, name := range []string{"a", "dir", "dir2"} {
		if !opaque(at(top, name)) {
			t.Errorf("%s is not opaque", name)
		}
	}
	if content(t, at(top, "kept")) != "k" || content(t, at(top, "again")) != "new" {
		t.Error("the layer hides its own files")
	}
	if _, err := os.Lstat(at(top, ".wh.plnk")); err == nil {
		t.Error("aufs' own file was taken for a whiteout")
	}
	back, report, err := repacked(t, top)
	if err != nil || report.Skipped != 0 || !isWhiteout(stat(t, at(back, "a/gone"))) || !opaque(at(back, "a")) {
		t.Errorf("packed and unpacked again: %+v, %v", report, err)
	}
}

// repacked packs a directory and unpacks that.
func repacked(t *testing.T, dir string) (string, Report, error) {
	t.Helper()
	var b bytes.Buffer
	if _, err := Pack(&b, dir); err != nil {
		t.Fatal(err)
	}
	back, report, err := unpack(t, b.Bytes(), Default)
	if id, _, idErr := DiffID(dir); idErr != nil || id != report.DiffID {
		t.Errorf("DiffID %s, %v; unpacked %s", id, idErr, report.DiffID)
	}
	if again, _, _ := DiffID(back); again != report.DiffID {
		t.Errorf("what was unpacked is packed otherwise: %s, was %s", again, report.DiffID)
	}
	return back, report, err
}

func TestUnpackRefuses(t *testing.T) {
	small := Bounds{Bytes: 1 << 20, Entries: 3, Ratio: 200}
	for what, data := range map[string][]byte{
		"climbing":              packed(file("../outside", "x")),
		"climbing inside":       packed(file("a/../../outside", "x")),
		"climbing link":         packed(hard("x", "../outside")),
		"link to a lower layer": packed(hard("x", "etc/passwd")),
		"link to a directory":   packed(dir("d/"), hard("x", "d")),
		"link to a link":        packed(symlink("s", "../outside"), hard("x", "s")),
		"below a file":          packed(file("f", "x"), file("f/y", "y")),
		"links in a circle":     packed(symlink("a", "b"), symlink("b", "a"), file("a/x", "x")),
		"empty whiteout":        packed(file(".wh.", "")),
		"whiteout of dot":       packed(file(".wh..", "")),
		"whiteout of parent":    packed(file(".wh...", "")),
		"owner out of range":    packed(item{name: "x", kind: tar.TypeReg, uid: 70000}),
		"too many":              packed(file("1", ""), file("2", ""), file("3", ""), file("4", "")),
		"too large":             packed(file("x", strings.Repeat("x", 2<<20))),
		"too deep":              packed(file(deep(200, "x"), "x")),
		"long name":             packed(file(strings.Repeat("x", 256), "x")),
		"cut short":             packed(file("x", strings.Repeat("x", 10_000)))[:4000],
		"no tar":                []byte(strings.Repeat("nonsense", 200)),
		"bad gzip":              append([]byte{0x1f, 0x8b, 8, 0}, make([]byte, 100)...),
	} {
		if _, _, err := unpack(t, data, small); err == nil {
			t.Errorf("%s: was unpacked", what)
		}
	}
}

// A link out of the layer leads to the same path inside of it.
func TestLinksStayInside(t *testing.T) {
	top, _, err := unpack(t, packed(symlink("up", "../../.."), file("up/outside", "mine"), symlink("root", "/"), file("root/too", "mine")), Default)
	if err != nil || content(t, at(top, "outside")) != "mine" || content(t, at(top, "too")) != "mine" {
		t.Errorf("%v", err)
	}
}

func zip(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

func TestCompressed(t *testing.T) {
	plain := packed(file("x", strings.Repeat("text ", 1000)))
	squeezer, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := sha256.Sum256(plain)
	for what, data := range map[string][]byte{"gzip": zip(plain), "zstd": squeezer.EncodeAll(plain, nil), "plain": plain} {
		_, report, err := unpack(t, data, Default)
		if err != nil || report.DiffID != "sha256:"+hex.EncodeToString(want[:]) {
			t.Errorf("%s: %+v, %v", what, report, err)
		}
	}
}

// 1 GiB of zeros comes as one MB of gzip: it is stopped after a few dozen MB.
func TestBomb(t *testing.T) {
	read, write := io.Pipe()
	go func() {
		packer := gzip.NewWriter(write)
		w := tar.NewWriter(packer)
		_ = w.WriteHeader(&tar.Header{Name: "zeros", Typeflag: tar.TypeReg, Mode: 0o644, Size: 1 << 30})
		_, err := io.CopyN(w, zeros{}, 1<<30)
		write.CloseWithError(errors.Join(err, packer.Close()))
	}()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	_, err = Unpack(read, root, Default)
	read.CloseWithError(io.ErrClosedPipe)
	st, statErr := root.Stat("zeros")
	if !errors.Is(err, ErrTooLarge) || statErr != nil || st.Size() > 64<<20 {
		t.Errorf("%v; it wrote %v %v", err, st, statErr)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
