package kubectl

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// ErrNoManifests says that a directory holds none. It is also fs.ErrNotExist.
var ErrNoManifests = fmt.Errorf("no .yaml, .yml or .json file: %w", fs.ErrNotExist)

// Manifests puts in place of a directory its .yaml, .yml and .json files by name, as kubectl apply -f DIR. Any other name, "-" too, is
// returned as it is: what is not there is told when it is read.
func Manifests(name string) (files []string, err error) {
	info, err := os.Stat(name)
	if err != nil || !info.IsDir() {
		return []string{name}, nil //nolint:nilerr // as said above
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(entry.Name())) && !entry.IsDir() {
			files = append(files, filepath.Join(name, entry.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: %w", name, ErrNoManifests)
	}
	return files, nil
}
