package store

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"podlab/sandbox/internal/image"
)

// markUnused writes down since when a layer has been in no image, and forgets it where it is in one again.
func (s *Store) markUnused(images []image.Image) error {
	used := layersOf(images)
	entries, err := os.ReadDir(filepath.Join(s.dir, image.LayersDir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		mark := filepath.Join(s.dir, unusedDir, e.Name())
		if used[e.Name()] {
			err = os.Remove(mark)
		} else {
			var f *os.File
			if f, err = os.OpenFile(mark, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err == nil {
				err = f.Close()
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

func layersOf(images []image.Image) map[string]bool {
	used := map[string]bool{}
	for _, img := range images {
		for _, l := range img.Layers {
			used[strings.TrimPrefix(l.Digest, "sha256:")] = true
		}
	}
	return used
}

// Collected says what Collect did.
type Collected struct {
	Layers, Blobs int
	Bytes         int64
	Held          int // layers that may still be in use
}

// Collect removes layers and blobs that no image names. oldest is when the oldest node that lives was started, zero for none: a container
// on it may stand on any layer that an image named since then, so those stay. Layers that were in an image less than quiet ago
// stay too: a node may just be coming into being.
func (s *Store) Collect(oldest time.Time, quiet time.Duration) (c Collected, err error) {
	return s.collect(func(_ string, since time.Time) bool {
		before := time.Now().Add(-quiet) // of each layer anew: it may have been found unused just now
		if !oldest.IsZero() && oldest.Before(before) {
			before = oldest
		}
		return since.After(before)
	})
}

// CollectBut removes layers and blobs that no image names, but for the layers whose DiffIDs are in use.
func (s *Store) CollectBut(inUse map[string]bool) (Collected, error) {
	return s.collect(func(layer string, _ time.Time) bool { return inUse["sha256:"+layer] })
}

// collect asks of each layer that is in no image, by its hex digits and since when it is so, whether it must stay.
func (s *Store) collect(held func(layer string, since time.Time) bool) (c Collected, err error) {
	images, err := s.List()
	if err != nil {
		return c, err
	}
	if err := s.markUnused(images); err != nil {
		return c, err
	}
	if err := s.collectLayers(&c, held); err != nil {
		return c, err
	}
	return c, s.collectBlobs(&c, images)
}

func (s *Store) collectLayers(c *Collected, held func(layer string, since time.Time) bool) error {
	marks, err := os.ReadDir(filepath.Join(s.dir, unusedDir))
	if err != nil {
		return err
	}
	for _, e := range marks {
		mark, dir := filepath.Join(s.dir, unusedDir, e.Name()), filepath.Join(s.dir, image.LayersDir, e.Name())
		info, err := e.Info()
		if err != nil {
			return err
		}
		if held(e.Name(), info.ModTime()) {
			c.Held++
			continue
		}
		bytes, err := s.discard(dir)
		if err != nil {
			return err
		}
		c.Layers, c.Bytes = c.Layers+1, c.Bytes+bytes
		if err := os.Remove(mark); err != nil {
			return err
		}
	}
	return nil
}

// discard removes a layer: its name first, so that it is never half there.
func (s *Store) discard(dir string) (bytes int64, err error) {
	stage, err := s.stage()
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(stage)
	away := filepath.Join(stage, "away")
	if err := os.Rename(dir, away); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return 0, nil
		}
		return 0, err
	}
	bytes, err = sizeOf(away)
	return bytes, errors.Join(err, os.RemoveAll(stage))
}

func (s *Store) collectBlobs(c *Collected, images []image.Image) error {
	used := map[string]bool{}
	for _, img := range images {
		if img.Manifest == "" {
			continue
		}
		hash, data, err := s.manifest(img)
		if err != nil {
			return err
		}
		var m v1.Manifest
		if err := json.Unmarshal(data, &m); err != nil {
			return err
		}
		used[hash.Hex], used[m.Config.Digest.Hex] = true, true
		for _, l := range m.Layers {
			used[l.Digest.Hex] = true
		}
	}
	dir := filepath.Join(s.dir, ociDir, "blobs", "sha256")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if used[e.Name()] {
			continue
		}
		if info, err := e.Info(); err == nil {
			c.Bytes += info.Size()
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
		c.Blobs++
	}
	return nil
}
