package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// packImages writes an OCI archive of some images of a layout, named localhost/NAME:bench for containerd.
func packImages(dir, to string, names ...string) (err error) {
	path, err := layout.FromPath(dir)
	if err != nil {
		return err
	}
	index, err := path.ImageIndex()
	if err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	file, err := os.Create(to)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(file)
	defer func() { err = errors.Join(err, archive.Close(), file.Close()) }()
	var kept []v1.Descriptor
	for _, image := range manifest.Manifests {
		name := image.Annotations["org.opencontainers.image.ref.name"]
		if !slices.Contains(names, name) {
			continue
		}
		image.Annotations = map[string]string{"io.containerd.image.name": "localhost/" + name + ":bench"}
		kept = append(kept, image)
		if err := packImage(archive, path, dir, image); err != nil {
			return fmt.Errorf("image %s: %w", name, err)
		}
	}
	if len(kept) != len(names) {
		return fmt.Errorf("%d of the images %s", len(kept), strings.Join(names, ", "))
	}
	manifest.Manifests = kept
	text, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	return errors.Join(addText(archive, "index.json", text), addText(archive, "oci-layout", []byte(`{"imageLayoutVersion": "1.0.0"}`)))
}

// packImage adds an image's manifest, configuration and layers.
func packImage(archive *tar.Writer, path layout.Path, dir string, of v1.Descriptor) error {
	image, err := path.Image(of.Digest)
	if err != nil {
		return err
	}
	manifest, err := image.Manifest()
	if err != nil {
		return err
	}
	for _, blob := range append([]v1.Descriptor{of, manifest.Config}, manifest.Layers...) {
		if err := addFile(archive, filepath.Join("blobs", blob.Digest.Algorithm, blob.Digest.Hex), dir); err != nil {
			return err
		}
	}
	return nil
}

func addFile(archive *tar.Writer, name, dir string) error {
	file, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(archive, file)
	return err
}

func addText(archive *tar.Writer, name string, text []byte) error {
	if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
		return err
	}
	_, err := archive.Write(text)
	return err
}
