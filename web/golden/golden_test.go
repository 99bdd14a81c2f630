package golden_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"podlab/web/golden"
)

var update = flag.Bool("update", false, "write the frames")

// TestFrames holds testdata/frames against what the Go types make now: a changed contract shows itself here, and in the views' tests.
func TestFrames(t *testing.T) {
	const dir = "../testdata/frames"
	for name, frames := range golden.All() {
		want, err := json.MarshalIndent(frames, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, '\n')
		path := filepath.Join(dir, name+".json")
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		have, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, want) {
			t.Errorf("%s is not current: go test ./web/golden -update", path)
		}
	}
}
