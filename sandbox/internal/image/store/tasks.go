package store

import (
	"context"
	"encoding/json"
	"os"

	"podlab/sandbox/internal/image/jail"
	"podlab/sandbox/internal/image/layer"
)

// Tasks that run in the jail. Each sees one directory, as /, and its own argument.
const (
	taskImport = "import" // descriptor 0: the archive → []Fetched
	taskPull   = "pull"   // pullArgs → []Fetched
	taskUnpack = "unpack" // descriptor 0: the blob → layer.Report
	taskSum    = "sum"    // descriptor 0: the blob → its DiffID
)

// Main runs a task if this process is one of Open's stores' own. A program that opens a host's store calls it first of all.
func Main() {
	jail.Main(map[string]jail.Task{
		taskImport: func(ctx context.Context, _ json.RawMessage) (any, error) { return fetchArchive(ctx, os.Stdin, "/") },
		taskUnpack: func(context.Context, json.RawMessage) (any, error) { return unpackInto(os.Stdin, "/") },
		taskSum:    func(context.Context, json.RawMessage) (any, error) { return layer.Sum(os.Stdin, layer.Default) },
		taskPull: func(ctx context.Context, raw json.RawMessage) (any, error) {
			var args pullArgs
			if err := json.Unmarshal(raw, &args); err != nil {
				return nil, err
			}
			return fetchRemote(ctx, args, "/")
		},
	})
}

func unpackInto(blob *os.File, dir string) (layer.Report, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return layer.Report{}, err
	}
	defer root.Close()
	return layer.Unpack(blob, root, layer.Default)
}
