// Package image reads directories of images: an index and unpacked layers, which every container's overlay root is put together
// from. Nothing here writes, unpacks or fetches: that is package store's. It is linked into podlab-node, so it stays small.
//
// A directory of images holds
//
//	index.json        a JSON list of Image, by name
//	buildable.json    a JSON list of the names that scripts/images could make, and has not
//	layers/HEX/       one unpacked layer, named for the hex digits of its DiffID
//	oci/              the same images as an OCI image layout, their layers compressed
package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"podlab/sandbox"
)

// Files in a directory of images.
const (
	IndexFile     = "index.json"
	BuildableFile = "buildable.json"
	LayersDir     = "layers"
)

// MaxLayers is how many layers an image may have: the options of the overlay mount must fit into a page of 4 KiB.
const MaxLayers = 32

// maxIndex bounds the index that is read, in bytes: a hundred images take about 50 KB.
const maxIndex = 1 << 20

// Image is what a container's root is made of and what it runs unless its manifest says otherwise.
type Image struct {
	Name     string  `json:"name"`   // as Familiar writes it: nginx, app:v1, localhost:5000/app:v1, podlab/node
	Digest   string  `json:"digest"` // sha256:HEX of the image's OCI configuration, which names its layers; docker's IMAGE ID
	Layers   []Layer `json:"layers"` // lowest first
	Config   Config  `json:"config"`
	Size     int64   `json:"size"`               // bytes of all its layers
	Internal bool    `json:"internal,omitempty"` // not for learners: the node's own root
	Manifest string  `json:"manifest,omitempty"` // sha256:HEX of its manifest in oci/; empty: it is not there
	Source   string  `json:"source,omitempty"`   // where it was imported or pulled from, or built; empty: scripts/images
}

// Layer is one unpacked directory of files. Two images with the same digest in their lists share it on disk.
type Layer struct {
	Digest    string `json:"digest"` // sha256:HEX of the layer's tar, not compressed: OCI's DiffID
	Bytes     int64  `json:"bytes"`  // of all regular files
	CreatedBy string `json:"createdBy,omitempty"`
}

// Config is the part of an OCI image configuration that is honoured here.
type Config struct {
	Env          []string `json:"env,omitempty"` // NAME=value
	Entrypoint   []string `json:"entrypoint,omitempty"`
	Cmd          []string `json:"cmd,omitempty"`
	WorkingDir   string   `json:"workingDir,omitempty"`
	User         string   `json:"user,omitempty"`       // UID or UID:GID; empty is root
	StopSignal   string   `json:"stopSignal,omitempty"` // SIGQUIT, or a number; empty is SIGTERM
	ExposedPorts []int    `json:"exposedPorts,omitempty"`
}

// Store is one directory of images, or several as one. What is added while it is open is found. Its methods may be called from any
// goroutine.
type Store struct{ dirs []*directory }

// directory is one directory of images with what its index said when it was last read.
type directory struct {
	dir string

	mu     sync.Mutex
	read   version
	images []Image // by name
}

// version tells one index from the next: each is a new file.
type version struct {
	inode   uint64
	changed time.Time
}

// Open reads the index of the first directory, which must be there. Images of those that follow come before its own of the same
// name, but not before internal ones; they may come into being later. Whether each layer is there is not looked at.
func Open(dir string, over ...string) (*Store, error) {
	s := &Store{}
	for _, d := range append([]string{dir}, over...) {
		s.dirs = append(s.dirs, &directory{dir: d})
	}
	if _, err := s.dirs[0].list(); err != nil {
		return nil, fmt.Errorf("images: %w", err)
	}
	return s, nil
}

// list returns the images of the directory as they are now.
func (d *directory) list() ([]Image, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	file := filepath.Join(d.dir, IndexFile)
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	now := version{inodeOf(info), info.ModTime()}
	if now == d.read {
		return d.images, nil
	}
	data, err := readBounded(file)
	if err != nil {
		return nil, err
	}
	images, err := parseIndex(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	d.images, d.read = images, now
	return images, nil
}

// readBounded reads a regular file of at most maxIndex bytes: in a node, a learner may have put anything in its place.
func readBounded(file string) ([]byte, error) {
	f, err := openRegular(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxIndex+1))
	if err == nil && len(data) > maxIndex {
		err = fmt.Errorf("%s is over %d bytes", file, maxIndex)
	}
	return data, err
}

func parseIndex(data []byte) ([]Image, error) {
	var images []Image
	if err := json.Unmarshal(data, &images); err != nil {
		return nil, err
	}
	for _, img := range images {
		if img.Name == "" || len(img.Layers) == 0 {
			return nil, fmt.Errorf("image %q: it needs a name and a layer", img.Name)
		}
		for _, l := range img.Layers {
			if !IsDigest(l.Digest) {
				return nil, fmt.Errorf("image %q: %q is no digest", img.Name, l.Digest)
			}
		}
	}
	slices.SortFunc(images, func(a, b Image) int { return strings.Compare(a.Name, b.Name) })
	return images, nil
}

// Familiar is a reference as people write it: without the registry and the tag that everybody leaves out.
// docker.io/library/nginx:latest is nginx.
func Familiar(ref string) string {
	for _, prefix := range []string{"index.docker.io/", "docker.io/"} {
		ref = strings.TrimPrefix(ref, prefix)
	}
	return strings.TrimSuffix(strings.TrimPrefix(ref, "library/"), ":latest")
}

// Lookup returns the image that a manifest's image field names: NAME, NAME:TAG or NAME@sha256:HEX, the digest of its manifest or its
// configuration. Anything else is a sandbox.Error of code unknown_image that names the images there are, and with "buildable" the one that
// scripts/images would make.
func (s *Store) Lookup(ref string) (Image, error) {
	name, digest, pinned := strings.Cut(Familiar(ref), "@")
	for _, img := range s.List() {
		if pinned && (img.Digest == digest || img.Manifest == digest) && repository(img.Name) == repository(name) {
			return img, nil
		}
		if !pinned && img.Name == name {
			return img, nil
		}
	}
	err := sandbox.Errorf(sandbox.CodeUnknownImage, "image", ref, "known", strings.Join(s.public(), ", "))
	if slices.Contains(Buildable(s.dirs[0].dir), name) {
		err.Params["buildable"], err.Params["detail"] = name, "buildable"
	}
	return Image{}, err
}

// repository is a name without its tag.
func repository(name string) string {
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		return name[:i]
	}
	return name
}

// List returns all images by name, the internal ones too. A directory that cannot be read has none.
func (s *Store) List() []Image {
	byName := map[string]Image{}
	for _, d := range s.dirs {
		images, _ := d.list() // missing until something is put there; of the first, Open has said so
		for _, img := range images {
			if !byName[img.Name].Internal {
				byName[img.Name] = img
			}
		}
	}
	var all []Image
	for _, img := range byName {
		all = append(all, img)
	}
	slices.SortFunc(all, func(a, b Image) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// LayerPath is the directory that holds the layer: in the first directory of images that has it, for a layer is the same
// wherever it lies.
func (s *Store) LayerPath(l Layer) string {
	var path string
	for _, d := range s.dirs {
		at := filepath.Join(d.dir, LayersDir, strings.TrimPrefix(l.Digest, "sha256:"))
		if path == "" || exists(at) && !exists(path) {
			path = at
		}
	}
	return path
}

// On returns the names of the images that stand on the layer, without the internal ones.
func (s *Store) On(digest string) []string {
	var names []string
	for _, img := range s.List() {
		if !img.Internal && slices.ContainsFunc(img.Layers, func(l Layer) bool { return l.Digest == digest }) {
			names = append(names, img.Name)
		}
	}
	return names
}

// public returns the names that a learner may use.
func (s *Store) public() []string {
	var names []string
	for _, img := range s.List() {
		if !img.Internal {
			names = append(names, img.Name)
		}
	}
	return names
}

// Buildable returns the names of the images that scripts/images could make in the directory, and has not.
func Buildable(dir string) []string {
	data, err := readBounded(filepath.Join(dir, BuildableFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var names []string
	if err != nil || json.Unmarshal(data, &names) != nil {
		return nil
	}
	return names
}

// IsDigest reports whether d is "sha256:" and 64 lower-case hex digits, so that it can never leave the layers' directory.
func IsDigest(d string) bool {
	digits, ok := strings.CutPrefix(d, "sha256:")
	if !ok || len(digits) != 64 {
		return false
	}
	return strings.Trim(digits, "0123456789abcdef") == ""
}
