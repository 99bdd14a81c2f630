// Package image reads the images that scripts/images made: an index and unpacked layers, which every container's overlay root
// is put together from. Nothing here writes, unpacks or fetches. It is linked into podlab-node, so it stays small.
//
// A directory of images holds
//
//	index.json        a JSON list of Image, by name
//	layers/HEX/       one unpacked layer, named for the hex digits of its digest
package image

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"podlab/sandbox"
)

// IndexFile is the name of the index in a directory of images.
const IndexFile = "index.json"

// maxIndex bounds the index that is read, in bytes: a hundred images take about 50 KB.
const maxIndex = 1 << 20

// Image is what a container's root is made of and what it runs unless its manifest says otherwise.
type Image struct {
	Name     string  `json:"name"`   // without tag: nginx, podlab/node
	Digest   string  `json:"digest"` // sha256:HEX of the image's configuration and layers
	Layers   []Layer `json:"layers"` // lowest first
	Config   Config  `json:"config"`
	Size     int64   `json:"size"`               // bytes of all its layers
	Internal bool    `json:"internal,omitempty"` // not for learners: the node's own root
}

// Layer is one unpacked directory of files. Two images with the same digest in their lists share it on disk.
type Layer struct {
	Digest string `json:"digest"` // sha256:HEX of the layer as a normalised tar
	Bytes  int64  `json:"bytes"`  // of all regular files
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

// Store is an opened directory of images. It is immutable and safe for concurrent use.
type Store struct {
	dir    string
	images []Image // by name
}

// Open reads the index of dir. Whether each layer is there is not looked at.
func Open(dir string) (*Store, error) {
	f, err := os.Open(filepath.Join(dir, IndexFile))
	if err != nil {
		return nil, fmt.Errorf("images: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxIndex+1))
	if err != nil {
		return nil, fmt.Errorf("images: %w", err)
	}
	if len(data) > maxIndex {
		return nil, fmt.Errorf("images: %s is over %d bytes", f.Name(), maxIndex)
	}
	images, err := parseIndex(data)
	if err != nil {
		return nil, fmt.Errorf("images: %s: %w", f.Name(), err)
	}
	return &Store{dir: dir, images: images}, nil
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
			if !isDigest(l.Digest) {
				return nil, fmt.Errorf("image %q: %q is no digest", img.Name, l.Digest)
			}
		}
	}
	sort.Slice(images, func(i, j int) bool { return images[i].Name < images[j].Name })
	return images, nil
}

// Lookup returns the image that a manifest's image field names: NAME or NAME:latest. Anything else is a sandbox.Error of code
// unknown_image that names the images there are.
func (s *Store) Lookup(ref string) (Image, error) {
	name := strings.TrimSuffix(ref, ":latest")
	for _, img := range s.images {
		if img.Name == name {
			return img, nil
		}
	}
	return Image{}, sandbox.Errorf(sandbox.CodeUnknownImage, "image", ref, "known", strings.Join(s.public(), ", "))
}

// List returns all images by name, the internal ones too.
func (s *Store) List() []Image { return append([]Image(nil), s.images...) }

// LayerPath is the directory that holds the layer.
func (s *Store) LayerPath(l Layer) string {
	return filepath.Join(s.dir, "layers", strings.TrimPrefix(l.Digest, "sha256:"))
}

// public returns the names that a learner may use.
func (s *Store) public() []string {
	var names []string
	for _, img := range s.images {
		if !img.Internal {
			names = append(names, img.Name)
		}
	}
	return names
}

// isDigest reports whether d is "sha256:" and 64 lower-case hex digits, so that it can never leave the layers' directory.
func isDigest(d string) bool {
	digits, ok := strings.CutPrefix(d, "sha256:")
	if !ok || len(digits) != 64 {
		return false
	}
	return strings.Trim(digits, "0123456789abcdef") == ""
}
