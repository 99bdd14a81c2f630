package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// layerOf is the directory of an image's own layer: the last in its list (see sandbox/internal/image).
func layerOf(dir, name string) (string, error) {
	data, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		return "", err
	}
	var images []struct {
		Name   string
		Layers []struct{ Digest string }
	}
	if err := json.Unmarshal(data, &images); err != nil {
		return "", err
	}
	for _, img := range images {
		if img.Name == name && len(img.Layers) > 0 {
			return filepath.Join(dir, "layers", strings.TrimPrefix(img.Layers[len(img.Layers)-1].Digest, "sha256:")), nil
		}
	}
	return "", fmt.Errorf("no image %s in %s", name, dir)
}
