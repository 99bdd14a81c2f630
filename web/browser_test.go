//go:build browser

package web_test

import (
	"os"
	"os/exec"
	"testing"
)

// TestUnits runs the unit tests of the TypeScript (src/**/*.test.ts) in Node.js.
func TestUnits(t *testing.T) { npm(t, "test:unit") }

// TestPages opens every state of every page and every view in Chromium over golden frames: test/*.test.mjs but flow.
func TestPages(t *testing.T) { npm(t, "test:pages") }

func npm(t *testing.T, script string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "npm", "run", "--silent", script)
	cmd.Env = append(os.Environ(), "NODE_OPTIONS=--test-reporter=spec")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm run %s: %v\n%s", script, err, out)
	}
}
