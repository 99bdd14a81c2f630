package trace

import (
	"os"
	"testing"
)

// needRoot skips a test that only root can run; where CI is set that is a failure, so that a skip never looks like a pass.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Getuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("needs root")
	}
	t.Skip("needs root")
}
