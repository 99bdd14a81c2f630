package store

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/image/layer"
)

// manifest reads the OCI manifest of an image that has one, with its digest.
func (s *Store) manifest(img image.Image) (v1.Hash, []byte, error) {
	hash, err := v1.NewHash(img.Manifest)
	if err != nil {
		return hash, nil, err
	}
	data, err := os.ReadFile(s.blob(hash))
	return hash, data, err
}

// layoutIndex is the layout's index.json (OCI image specification, image-layout.md).
func (s *Store) layoutIndex(images []image.Image) ([]byte, error) {
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{}}
	for _, img := range images {
		if img.Manifest == "" {
			continue
		}
		hash, data, err := s.manifest(img)
		if err != nil {
			return nil, err
		}
		var is struct {
			MediaType types.MediaType `json:"mediaType"`
		}
		if err := json.Unmarshal(data, &is); err != nil {
			return nil, err
		}
		if is.MediaType == "" {
			is.MediaType = types.OCIManifestSchema1
		}
		index.Manifests = append(index.Manifests, v1.Descriptor{
			MediaType: is.MediaType, Digest: hash, Size: int64(len(data)), Platform: &v1.Platform{OS: "linux", Architecture: thisArch},
			Annotations: map[string]string{"org.opencontainers.image.ref.name": img.Name},
		})
	}
	data, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

func (s *Store) blob(h v1.Hash) string {
	return filepath.Join(s.dir, ociDir, "blobs", h.Algorithm, h.Hex)
}

// AddOCI writes the image into the layout, from its layers' directories, and sets its Digest and Manifest. base is what it stands on:
// the manifest of an image of this store whose layers are its lowest ones, or empty.
func (s *Store) AddOCI(img *image.Image, base string, at time.Time) error {
	made, err := s.assemble(img, base, at)
	if err != nil {
		return err
	}
	digest, err := addImage(layout.Path(filepath.Join(s.dir, ociDir)), made)
	if err != nil {
		return err
	}
	config, err := made.ConfigName()
	img.Manifest, img.Digest = digest, config.String()
	return err
}

// OCI returns an image as one that can be pushed. Layers that lie nowhere as blobs are packed from their directories.
func (s *Store) OCI(img image.Image, at time.Time) (v1.Image, error) {
	if found, err := s.fromLayout(img.Manifest); err == nil {
		return found, nil
	}
	base, err := s.base(img)
	if err != nil {
		return nil, err
	}
	return s.assemble(&img, base, at)
}

// base returns the manifest of the image that lies in a layout and has most of img's lowest layers, or "".
func (s *Store) base(img image.Image) (manifest string, err error) {
	reader, err := s.Reader()
	if err != nil {
		return "", err
	}
	most := 0
	for _, other := range reader.List() {
		n := len(other.Layers)
		if other.Manifest == "" || n <= most || n > len(img.Layers) {
			continue
		}
		if slices.EqualFunc(other.Layers, img.Layers[:n], func(a, b image.Layer) bool { return a.Digest == b.Digest }) {
			manifest, most = other.Manifest, n
		}
	}
	return manifest, nil
}

// fromLayout finds an image by its manifest, here or below.
func (s *Store) fromLayout(manifest string) (v1.Image, error) {
	hash, err := v1.NewHash(manifest)
	if err != nil {
		return nil, err
	}
	for _, dir := range append([]string{s.dir}, s.below...) {
		at := layout.Path(filepath.Join(dir, ociDir))
		if data, err := at.Bytes(hash); err == nil {
			return partial.CompressedToImage(&stored{at: at, manifest: data})
		}
	}
	return nil, fmt.Errorf("%s is in no layout here", manifest)
}

// assemble makes an OCI image of directories, on top of a base's blobs.
func (s *Store) assemble(img *image.Image, base string, at time.Time) (v1.Image, error) {
	made, first := mutate.MediaType(empty.Image, types.OCIManifestSchema1), 0
	made = mutate.ConfigMediaType(made, types.OCIConfigJSON)
	if base != "" {
		found, err := s.fromLayout(base)
		if err != nil {
			return nil, err
		}
		layers, err := found.Layers()
		if err != nil {
			return nil, err
		}
		made, first = found, len(layers)
	}
	reader, err := s.Reader()
	if err != nil {
		return nil, err
	}
	for _, l := range img.Layers[first:] {
		packed, err := s.pack(reader, l)
		if err != nil {
			return nil, err
		}
		made, err = mutate.Append(made, mutate.Addendum{
			Layer: packed, MediaType: types.OCILayer, History: v1.History{CreatedBy: l.CreatedBy, Created: v1.Time{Time: at}},
		})
		if err != nil {
			return nil, err
		}
	}
	config, err := made.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", thisArch, v1.Time{Time: at}
	config.Config = v1.Config{
		Env: img.Config.Env, Entrypoint: img.Config.Entrypoint, Cmd: img.Config.Cmd, WorkingDir: img.Config.WorkingDir, User: img.Config.User,
		StopSignal: img.Config.StopSignal,
	}
	for _, port := range img.Config.ExposedPorts {
		if config.Config.ExposedPorts == nil {
			config.Config.ExposedPorts = map[string]struct{}{}
		}
		config.Config.ExposedPorts[strconv.Itoa(port)+"/tcp"] = struct{}{}
	}
	return mutate.ConfigFile(made, config)
}

// pack makes a compressed layer of a directory. It must give the layer's own DiffID.
func (s *Store) pack(reader *image.Store, l image.Layer) (v1.Layer, error) {
	dir := reader.LayerPath(l)
	packed, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		read, write := io.Pipe()
		go func() {
			_, err := layer.Pack(write, dir)
			write.CloseWithError(err)
		}()
		return read, nil
	}, tarball.WithCompressionLevel(gzip.BestSpeed), tarball.WithCompressedCaching, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	is, err := packed.DiffID()
	if err == nil && is.String() != l.Digest {
		err = fmt.Errorf("layer %s cannot be made again from its files: they give %s", l.Digest, is)
	}
	return packed, err
}

// stored is an image whose blobs lie in a layout. layout.Path.Image would look for it in index.json, which a reader does not need.
type stored struct {
	at       layout.Path
	manifest []byte
}

func (i *stored) MediaType() (types.MediaType, error) {
	m, err := i.parsed()
	if err == nil && m.MediaType != "" {
		return m.MediaType, nil
	}
	return types.OCIManifestSchema1, err
}

func (i *stored) RawManifest() ([]byte, error) { return i.manifest, nil }

func (i *stored) parsed() (*v1.Manifest, error) {
	return v1.ParseManifest(strings.NewReader(string(i.manifest)))
}

func (i *stored) RawConfigFile() ([]byte, error) {
	m, err := i.parsed()
	if err != nil {
		return nil, err
	}
	return i.at.Bytes(m.Config.Digest)
}

func (i *stored) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	m, err := i.parsed()
	if err != nil {
		return nil, err
	}
	for _, d := range append(m.Layers, m.Config) {
		if d.Digest == h {
			return &storedLayer{i.at, d}, nil
		}
	}
	return nil, fmt.Errorf("no layer %s", h)
}

type storedLayer struct {
	at   layout.Path
	desc v1.Descriptor
}

func (l *storedLayer) Digest() (v1.Hash, error)            { return l.desc.Digest, nil }
func (l *storedLayer) Compressed() (io.ReadCloser, error)  { return l.at.Blob(l.desc.Digest) }
func (l *storedLayer) Size() (int64, error)                { return l.desc.Size, nil }
func (l *storedLayer) MediaType() (types.MediaType, error) { return l.desc.MediaType, nil }
func (l *storedLayer) Descriptor() (*v1.Descriptor, error) { return &l.desc, nil }
