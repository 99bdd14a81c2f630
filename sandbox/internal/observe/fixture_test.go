package observe

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// fixture unpacks testdata/node.txtar into a directory of the test's own.
func fixture(t testing.TB) string {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/node.txtar")
	must(t, err)
	root := t.TempDir()
	for _, f := range archive.Files {
		path := filepath.Join(root, f.Name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		data := string(f.Data)
		if path, ok := strings.CutSuffix(path, "@"); ok {
			must(t, os.Symlink(strings.TrimSpace(data), path))
			continue
		}
		if filepath.Base(path) == "cmdline" {
			data = strings.ReplaceAll(strings.TrimSuffix(data, "\n"), "|", "\x00")
		}
		must(t, os.WriteFile(path, []byte(data), 0o644))
	}
	return root
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
