// Package store writes a directory of images (package image reads it): the host's, by an operator's commands and scripts/images, and
// the one on a node's own disk, by a learner's.
//
// Nothing in it appears half made. What is new is put together in a directory beside it, on the same disk; blobs and layers are then
// moved in by rename, and the index last. A run that is killed leaves at most that directory, or layers that nobody names: the next
// one, which takes the lock, clears both away. Whoever reads sees the old index or the new.
//
// On the host archives, registries and layers are read in a jail (package jail); what comes out of it is checked again: digests of
// blobs, kinds of files. In a node the learner's own processes do the same without: the node is their jail.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/image/jail"
	"podlab/sandbox/internal/image/layer"
)

// Names in a directory of images, besides those of package image.
const (
	ociDir    = "oci"
	unusedDir = "unused" // a file for each layer that no image names; its time is when that began
	lockFile  = ".lock"
	stageName = ".new-*"
)

// Store is a directory of images that may be written to. One process at a time has it; its methods are for one goroutine.
type Store struct {
	dir    string
	jailed bool
	below  []string // other directories of images, whose layers need no copy here
	lock   *os.File
}

// Open takes the host's directory of images, made if need be, and waits while another process has it.
func Open(dir string) (*Store, error) { return open(dir, true) }

// OpenNode takes a node's own one, which lies over the host's.
func OpenNode(dir, host string) (*Store, error) { return open(dir, false, host) }

func open(dir string, jailed bool, below ...string) (*Store, error) {
	for _, d := range []string{dir, filepath.Join(dir, image.LayersDir), filepath.Join(dir, unusedDir), filepath.Join(dir, ociDir, "blobs", "sha256")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir, jailed: jailed, below: below, lock: lock}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(&os.PathError{Op: "flock", Path: lock.Name(), Err: err}, lock.Close())
	}
	if err := s.clearStages(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

// Close lets others have the directory.
func (s *Store) Close() error { return s.lock.Close() }

// clearStages removes what a killed run left.
func (s *Store) clearStages() error {
	old, err := filepath.Glob(filepath.Join(s.dir, stageName))
	for _, dir := range old {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// stage makes a directory to put things together in.
func (s *Store) stage() (string, error) {
	dir, err := os.MkdirTemp(s.dir, stageName)
	if err != nil {
		return "", err
	}
	return dir, os.Mkdir(filepath.Join(dir, image.LayersDir), 0o700)
}

// List returns the images that this directory itself holds.
func (s *Store) List() ([]image.Image, error) {
	opened, err := image.Open(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return opened.List(), nil
}

// Reader reads this directory and those below it.
func (s *Store) Reader() (*image.Store, error) {
	if _, err := os.Stat(filepath.Join(s.dir, image.IndexFile)); errors.Is(err, fs.ErrNotExist) {
		if err := s.Replace(nil); err != nil {
			return nil, err
		}
	}
	if len(s.below) == 0 {
		return image.Open(s.dir)
	}
	return image.Open(s.below[0], s.dir)
}

// LayerDir is where a layer lies, or would lie, in this directory.
func (s *Store) LayerDir(diffID string) string {
	return filepath.Join(s.dir, image.LayersDir, strings.TrimPrefix(diffID, "sha256:"))
}

// has reports whether the layer is here or below.
func (s *Store) has(diffID string) bool {
	for _, dir := range append([]string{s.dir}, s.below...) {
		if _, err := os.Lstat(filepath.Join(dir, image.LayersDir, strings.TrimPrefix(diffID, "sha256:"))); err == nil {
			return true
		}
	}
	return false
}

// Replace makes these the images, and only these. Their layers are there already.
func (s *Store) Replace(images []image.Image) error {
	slices.SortFunc(images, func(a, b image.Image) int { return strings.Compare(a.Name, b.Name) })
	if images == nil {
		images = []image.Image{}
	}
	index, err := s.layoutIndex(images)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(images, "", "  ")
	if err != nil {
		return err
	}
	err = replaceFiles(
		newFile{filepath.Join(s.dir, ociDir, "oci-layout"), []byte(layoutVersion)},
		newFile{filepath.Join(s.dir, ociDir, "index.json"), index},
		newFile{filepath.Join(s.dir, image.IndexFile), append(data, '\n')},
	)
	if err != nil {
		return err
	}
	_ = s.markUnused(images) // on a full disk; Collect does it again before it removes anything
	return nil
}

// Add puts images in the place of those of the same names.
func (s *Store) Add(images ...image.Image) error {
	all, err := s.List()
	if err != nil {
		return err
	}
	for _, img := range images {
		all = slices.DeleteFunc(all, func(old image.Image) bool { return old.Name == img.Name })
		all = append(all, img)
	}
	return s.Replace(all)
}

// Remove takes images out of the index. Their layers stay until Collect.
func (s *Store) Remove(names ...string) error {
	all, err := s.List()
	if err != nil {
		return err
	}
	for _, name := range names {
		name = image.Familiar(name)
		at := slices.IndexFunc(all, func(img image.Image) bool { return img.Name == name })
		if at < 0 {
			return fmt.Errorf("there is no image %q", name)
		}
		if all[at].Internal {
			return fmt.Errorf("%s is Podlab's own", name)
		}
		all = slices.Delete(all, at, at+1)
	}
	return s.Replace(all)
}

// AddLayer moves a directory in as a layer. A layer that is there already stays as it is.
func (s *Store) AddLayer(dir, diffID string) error {
	to := s.LayerDir(diffID)
	if _, err := os.Lstat(to); err == nil {
		return nil
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // a container's users must get into their root
		return err
	}
	return os.Rename(dir, to)
}

// unpack unpacks a blob into the directory.
func (s *Store) unpack(ctx context.Context, blob *os.File, dir string) (report layer.Report, err error) {
	if s.jailed {
		err = jail.Run(ctx, jail.Job{Task: taskUnpack, Dir: dir, Stdin: blob}, &report)
		return report, err
	}
	return unpackInto(blob, dir)
}

// sum returns the DiffID of a blob. dir is an empty directory.
func (s *Store) sum(ctx context.Context, blob *os.File, dir string) (diffID string, err error) {
	if s.jailed {
		err = jail.Run(ctx, jail.Job{Task: taskSum, Dir: dir, Stdin: blob}, &diffID)
		return diffID, err
	}
	return layer.Sum(blob, layer.Default)
}

// newFile is what a file shall hold.
type newFile struct {
	path string
	data []byte
}

// replaceFiles writes files so that a reader sees the old content or the new, whole, after a power cut too. All of it is on the disk before
// the first takes its place, so that a full disk changes none.
func replaceFiles(files ...newFile) (err error) {
	for _, f := range files {
		tmp := f.path + ".new"
		defer os.Remove(tmp) // not there any more when all went well
		if err := writeSynced(tmp, f.data); err != nil {
			return err
		}
	}
	for _, f := range files {
		if err := os.Rename(f.path+".new", f.path); err != nil {
			return err
		}
	}
	for _, f := range files {
		err = errors.Join(err, syncDir(filepath.Dir(f.path)))
	}
	return err
}

func writeSynced(file string, data []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// syncDisk has everything on the disk of dir written out (syncfs(2)).
func syncDisk(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return os.NewSyscallError("syncfs", unix.Syncfs(int(d.Fd())))
}
