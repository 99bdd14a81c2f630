package walls

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// claim registers an interpreter for files that begin with PODLAB1. Since Linux 6.7 each user namespace has its own binfmt_misc, for which
// nothing but root of that namespace is asked (Documentation/admin-guide/binfmt-misc.rst); before, a node cannot mount it at all.
const claim = `mkdir -p /tmp/b && mount -t binfmt_misc none /tmp/b 2>/dev/null || { echo none; exit; }
echo ':podlab:M::PODLAB1::/bin/echo:' >/tmp/b/register && echo registered`

const document = "PODLAB1 nothing that a shell knows\n"

const opened = "printf 'PODLAB1 x' >/tmp/document; chmod 755 /tmp/document; /tmp/document here 2>/dev/null; ls /tmp/b"

// TestBinfmtStaysInTheNode registers an interpreter in a node and starts such a file in another node and on the host.
func TestBinfmtStaysInTheNode(t *testing.T) {
	d := sandboxtest.Start(t)
	one, two := d.Agent(d.Node(t, sandbox.NodeSpec{ID: "one"})), d.Agent(d.Node(t, sandbox.NodeSpec{ID: "two"}))
	switch said := script(t, one, "", claim); said {
	case "registered":
		if own := script(t, one, "", opened); !strings.HasPrefix(own, "/tmp/document here\n") || !strings.Contains(own, "podlab") {
			t.Errorf("in the node itself: %q: is anything registered?", own)
		}
	case "none":
		t.Log("this kernel has no binfmt_misc for user namespaces")
	default:
		t.Fatalf("registering: %q", said)
	}
	if said := script(t, two, "", "mkdir -p /tmp/b; mount -t binfmt_misc none /tmp/b 2>/dev/null;"+opened); strings.Contains(said, "here") || strings.Contains(said, "podlab") {
		t.Errorf("in another node: %q", said)
	}
	path := filepath.Join(t.TempDir(), "document")
	if err := os.WriteFile(path, []byte(document), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), path, "here").CombinedOutput(); err == nil || strings.Contains(string(out), "here") {
		t.Errorf("on the host: %q", out)
	}
	if names, _ := filepath.Glob("/proc/sys/fs/binfmt_misc/podlab"); len(names) > 0 {
		t.Error("the host's own list has the node's entry")
	}
}
