package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/image"
)

// Limits of an image's own description.
const (
	maxDocument  = 4 << 20 // bytes of a manifest or a configuration
	maxCreatedBy = 512
	maxWords     = 256     // arguments, environment variables
	maxUnpacked  = 8 << 30 // bytes of all layers' files
)

// install unpacks fetched images, checks everything about them, and moves them in. Their blobs are in stage/oci.
func (s *Store) install(ctx context.Context, stage string, got []Fetched, source string) ([]image.Image, error) {
	if len(got) == 0 {
		return nil, errors.New("there is no image in it")
	}
	in := &installation{store: s, stage: stage, blobs: map[string]bool{}}
	var images []image.Image
	for _, f := range got {
		called, err := s.mayBeCalled(f.Name)
		if err != nil {
			return nil, err
		}
		img, err := in.image(ctx, f.Manifest)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", called, err)
		}
		img.Name, img.Source = called, source
		images = append(images, img)
	}
	err := in.moveIn()
	if err == nil {
		err = s.Add(images...)
	}
	if err != nil {
		return nil, errors.Join(err, in.moveOut(images[0]))
	}
	return images, nil
}

// mayBeCalled returns the name as it stands in the index. Names of images that scripts/images makes stay theirs.
func (s *Store) mayBeCalled(ref string) (string, error) {
	called := image.Familiar(ref)
	if called == "" {
		return "", errors.New("the archive does not say what its image is called: name it with --as")
	}
	if strings.HasPrefix(called, "podlab/") {
		return "", fmt.Errorf("%s: names that begin with podlab/ are Podlab's own: name it otherwise with --as", called)
	}
	if tag, _, pinned := strings.Cut(called, "@"); pinned {
		called = tag
	}
	all, err := s.List()
	if err != nil {
		return "", err
	}
	for _, img := range all {
		if img.Name == called && img.Source == "" {
			return "", fmt.Errorf("%s is made by scripts/images: name this one otherwise with --as", called)
		}
	}
	return called, nil
}

// installation is a few images on their way in.
type installation struct {
	store  *Store
	stage  string
	blobs  map[string]bool // those to move in, by hex digits
	layers []string        // those unpacked in stage, by DiffID
	moved  []move
}

// move is a file or directory that became part of the store and was not there before.
type move struct{ from, to string }

func (in *installation) image(ctx context.Context, manifestDigest string) (image.Image, error) {
	var manifest v1.Manifest
	if err := in.document(manifestDigest, &manifest); err != nil {
		return image.Image{}, fmt.Errorf("manifest: %w", err)
	}
	var config v1.ConfigFile
	if err := in.document(manifest.Config.Digest.String(), &config); err != nil {
		return image.Image{}, fmt.Errorf("configuration: %w", err)
	}
	if err := fits(&manifest, &config); err != nil {
		return image.Image{}, err
	}
	img := image.Image{Digest: manifest.Config.Digest.String(), Manifest: manifestDigest}
	created := createdBy(&config)
	for i, d := range manifest.Layers {
		l := image.Layer{Digest: config.RootFS.DiffIDs[i].String(), CreatedBy: created[i]}
		var err error
		if l.Bytes, err = in.layer(ctx, d.Digest.String(), l.Digest); err != nil {
			return image.Image{}, fmt.Errorf("layer %d: %w", i+1, err)
		}
		img.Layers = append(img.Layers, l)
		if img.Size += l.Bytes; img.Size > maxUnpacked {
			return image.Image{}, fmt.Errorf("it unpacks to over %d bytes", int64(maxUnpacked))
		}
	}
	var err error
	img.Config, err = in.config(&config.Config, img.Layers)
	return img, err
}

// fits reports whether the image can run here.
func fits(m *v1.Manifest, c *v1.ConfigFile) error {
	switch {
	case c.OS != "" && c.OS != "linux", c.Architecture != "" && c.Architecture != thisArch:
		return fmt.Errorf("it is for %s/%s, this machine is linux/%s", c.OS, c.Architecture, thisArch)
	case len(m.Layers) != len(c.RootFS.DiffIDs):
		return fmt.Errorf("its manifest has %d layers, its configuration %d", len(m.Layers), len(c.RootFS.DiffIDs))
	case len(m.Layers) == 0:
		return errors.New("it has no layer")
	case len(m.Layers) > image.MaxLayers:
		return fmt.Errorf("it has %d layers; a container here can stand on %d", len(m.Layers), image.MaxLayers)
	}
	return nil
}

// createdBy says which command made each layer: history has entries for steps that made none, too.
func createdBy(c *v1.ConfigFile) []string {
	said := make([]string, len(c.RootFS.DiffIDs))
	at := 0
	for _, h := range c.History {
		if h.EmptyLayer || at == len(said) {
			continue
		}
		text := strings.TrimSpace(strings.TrimPrefix(h.CreatedBy, "/bin/sh -c #(nop)"))
		said[at] = strings.ToValidUTF8(text[:min(len(text), maxCreatedBy)], "")
		at++
	}
	return said
}

// open opens a blob of the stage, or one that is here already, and checks that it is what its digest says.
func (in *installation) open(digest string) (*os.File, error) {
	if !image.IsDigest(digest) {
		return nil, fmt.Errorf("%.80q is no digest", digest)
	}
	digits := strings.TrimPrefix(digest, "sha256:")
	f, err := openRegular(filepath.Join(in.stage, ociDir, "blobs", "sha256", digits))
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	if err == nil && hex.EncodeToString(sum.Sum(nil)) != digits {
		err = fmt.Errorf("%s is not what its digest says", digest)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	in.blobs[digits] = true
	return f, nil
}

func openRegular(file string) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%s is no regular file", file), f.Close())
	}
	return f, nil
}

func (in *installation) document(digest string, to any) error {
	f, err := in.open(digest)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err == nil && len(data) > maxDocument {
		err = fmt.Errorf("over %d bytes", maxDocument)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(data, to)
}

// layer unpacks a blob, unless its layer is here, and returns the bytes of the layer's files. Either way the blob is read to its end: it
// is kept too, and whoever it is handed on to takes it for the layer.
func (in *installation) layer(ctx context.Context, blob, diffID string) (int64, error) {
	if !image.IsDigest(diffID) {
		return 0, fmt.Errorf("%.80q is no digest", diffID)
	}
	f, err := in.open(blob)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	here := in.store.has(diffID)
	if here || slices.Contains(in.layers, diffID) { // or in another image of this archive
		err = in.compare(ctx, f, diffID)
	} else {
		err = in.unpack(ctx, f, diffID)
	}
	switch {
	case err != nil:
		return 0, err
	case here:
		return in.store.bytesOf(diffID)
	}
	return check(in.unpacked(diffID))
}

// unpack makes the layer of a blob.
func (in *installation) unpack(ctx context.Context, blob *os.File, diffID string) error {
	dir := in.unpacked(diffID)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	report, err := in.store.unpack(ctx, blob, dir)
	if err != nil {
		return err
	}
	in.layers = append(in.layers, diffID)
	return agree(report.DiffID, diffID)
}

// compare reads a blob whose layer is here already.
func (in *installation) compare(ctx context.Context, blob *os.File, diffID string) error {
	empty, err := os.MkdirTemp(in.stage, "empty-*")
	if err != nil {
		return err
	}
	found, err := in.store.sum(ctx, blob, empty)
	if err != nil {
		return err
	}
	return agree(found, diffID)
}

func agree(found, said string) error {
	if found != said {
		return fmt.Errorf("it unpacks to %s, the configuration says %s", found, said)
	}
	return nil
}

func (in *installation) unpacked(diffID string) string {
	return filepath.Join(in.stage, image.LayersDir, strings.TrimPrefix(diffID, "sha256:"))
}

// bytesOf returns the size of a layer that is here or below: as an index says it, or counted.
func (s *Store) bytesOf(diffID string) (int64, error) {
	for _, dir := range append([]string{s.dir}, s.below...) {
		if opened, err := image.Open(dir); err == nil {
			for _, img := range opened.List() {
				for _, l := range img.Layers {
					if l.Digest == diffID {
						return l.Bytes, nil
					}
				}
			}
		}
	}
	return sizeOf(s.LayerDir(diffID))
}

// sizeOf adds up the regular files of a directory.
func sizeOf(dir string) (bytes int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	return bytes, err
}

// check looks over what an unpacking process made, without opening any of it: directories, regular files, symbolic links and
// whiteouts, of a node's users, without set-user-id bits or any attribute but overlayfs' mark of an opaque directory. It returns the
// bytes of the regular files.
func check(dir string) (bytes int64, err error) {
	err = filepath.WalkDir(dir, func(file string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(file, &st); err != nil {
			return err
		}
		if err := harmless(file, &st); err != nil {
			return fmt.Errorf("%s: %w", strings.TrimPrefix(file, dir), err)
		}
		if st.Mode&unix.S_IFMT == unix.S_IFREG {
			bytes += st.Size
		}
		return nil
	})
	return bytes, err
}

func harmless(file string, st *unix.Stat_t) error {
	if st.Uid > 65535 || st.Gid > 65535 {
		return fmt.Errorf("it belongs to %d:%d", st.Uid, st.Gid)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		return nil
	case unix.S_IFCHR:
		if st.Rdev != 0 {
			return errors.New("it is a device")
		}
		return nil
	case unix.S_IFREG, unix.S_IFDIR:
	default:
		return fmt.Errorf("its mode is %o", st.Mode)
	}
	if st.Mode&0o6000 != 0 {
		return fmt.Errorf("its mode is %o", st.Mode)
	}
	names := make([]byte, 256)
	n, err := unix.Llistxattr(file, names)
	if errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, attr := range bytes.Split(bytes.TrimRight(names[:n], "\x00"), []byte{0}) {
		if len(attr) > 0 && string(attr) != "user.overlay.opaque" && string(attr) != "security.selinux" {
			return fmt.Errorf("it has the attribute %s", attr)
		}
	}
	return nil
}

// maxSignal bounds the name of a stop signal.
const maxSignal = 32

// config keeps what is honoured of an image's configuration. The user becomes a number.
func (in *installation) config(c *v1.Config, layers []image.Layer) (image.Config, error) {
	if len(c.Env) > maxWords || len(c.Entrypoint)+len(c.Cmd) > maxWords || len(c.ExposedPorts) > maxWords || len(c.StopSignal) > maxSignal {
		return image.Config{}, errors.New("its configuration is too long")
	}
	out := image.Config{Env: c.Env, Entrypoint: c.Entrypoint, Cmd: c.Cmd, WorkingDir: c.WorkingDir, StopSignal: c.StopSignal}
	for port := range c.ExposedPorts {
		digits, _, _ := strings.Cut(port, "/")
		if n, err := strconv.Atoi(digits); err == nil {
			out.ExposedPorts = append(out.ExposedPorts, n)
		}
	}
	var err error
	out.User, err = numeric(c.User, func(file string) []byte { return in.top(layers, file) })
	return out, err
}

// top returns a file's content as the highest layer has it; nil when none does.
func (in *installation) top(layers []image.Layer, file string) []byte {
	for i := len(layers) - 1; i >= 0; i-- {
		for _, dir := range append([]string{filepath.Join(in.stage), in.store.dir}, in.store.below...) {
			root, err := os.OpenRoot(filepath.Join(dir, image.LayersDir, strings.TrimPrefix(layers[i].Digest, "sha256:")))
			if err != nil {
				continue
			}
			data, err := readFile(root, file)
			root.Close()
			if err == nil {
				return data
			}
		}
	}
	return nil
}

func readFile(root *os.Root, file string) ([]byte, error) {
	info, err := root.Lstat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fs.ErrInvalid
	}
	f, err := root.OpenFile(file, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 1<<20))
}

// moveIn makes blobs and layers part of the store. They reach the disk before their names do.
func (in *installation) moveIn() error {
	if err := syncDisk(in.stage); err != nil {
		return err
	}
	for digits := range in.blobs {
		from, to := filepath.Join(in.stage, ociDir, "blobs", "sha256", digits), filepath.Join(in.store.dir, ociDir, "blobs", "sha256", digits)
		if err := errors.Join(os.Chmod(from, 0o644), in.move(from, to, os.Rename)); err != nil {
			return err
		}
	}
	for _, diffID := range in.layers {
		add := func(from, _ string) error { return in.store.AddLayer(from, diffID) }
		if err := in.move(in.unpacked(diffID), in.store.LayerDir(diffID), add); err != nil {
			return err
		}
	}
	return nil
}

func (in *installation) move(from, to string, by func(from, to string) error) error {
	_, err := os.Lstat(to)
	if err := by(from, to); err != nil {
		return err
	}
	if errors.Is(err, fs.ErrNotExist) {
		in.moved = append(in.moved, move{from, to})
	}
	return nil
}

// moveOut undoes moveIn: on a full disk there may be no room for the index. With one of the images in the index it is too late for that.
func (in *installation) moveOut(added image.Image) error {
	all, err := in.store.List()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(all, func(img image.Image) bool { return img.Name == added.Name && img.Manifest == added.Manifest }) {
		return nil
	}
	for _, m := range in.moved {
		err = errors.Join(err, os.Rename(m.to, m.from))
	}
	return err
}
