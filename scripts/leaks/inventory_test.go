package leaks

import (
	"flag"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	take    = flag.String("take", "", "write the inventory to `file` before the tests")
	compare = flag.String("compare", "", "compare with the inventory in `file` after the tests")
)

// TestNothingLeft is the last test of scripts/test: whatever is there now and was not there before is a leak.
func TestNothingLeft(t *testing.T) {
	mark := os.Getenv(Mark)
	switch {
	case *take != "":
		inv, err := Take(mark)
		if err != nil {
			t.Fatal(err)
		}
		if err := inv.Write(*take); err != nil {
			t.Fatal(err)
		}
	case *compare != "":
		before, err := Read(*compare)
		if err != nil {
			t.Fatal(err)
		}
		for _, what := range settled(t, before, mark) {
			t.Error("left behind:", what)
		}
	default:
		t.Log("run by scripts/test with -take before and -compare after")
	}
}

// settle is how long what is being torn down may take: a browser's last processes, and the kernel, which takes down namespaces, and with
// them mounts and loop devices, one after another for the whole machine (sandbox/internal/chaos, settle).
const settle = 10 * time.Second

// settled waits for as long while something is left.
func settled(t *testing.T, before Inventory, mark string) []string {
	t.Helper()
	var found []string
	for end := time.Now().Add(settle); ; time.Sleep(100 * time.Millisecond) {
		after, err := Take(mark)
		if err != nil {
			t.Fatal(err)
		}
		if found = New(before, after); len(found) == 0 || time.Now().After(end) {
			return found
		}
	}
}

func TestNewSeesFilesAndProcesses(t *testing.T) {
	const mark = "test of the leak check"
	before, err := Take(mark)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.CreateTemp("/tmp", "leak-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	// Its own session and a parent that ends: a process such as a test would leave behind.
	cmd := exec.Command("sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!")
	cmd.Env = append(os.Environ(), Mark+"="+mark)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	pid := strings.TrimSpace(string(out))
	defer func() { _ = exec.Command("kill", pid).Run() }()

	after, err := Take(mark)
	if err != nil {
		t.Fatal(err)
	}
	found := New(before, after)
	if !slices.Contains(found, "file "+f.Name()) {
		t.Errorf("the file is not in %q", found)
	}
	if !slices.ContainsFunc(found, func(s string) bool { return strings.HasPrefix(s, "process "+pid+" ") }) {
		t.Errorf("process %s is not in %q", pid, found)
	}
}

func TestNew(t *testing.T) {
	before := Inventory{"mount": {"/a"}, "loop": nil}
	after := Inventory{"mount": {"/a", "/b"}, "loop": {"loop0 /x"}, "file": nil}
	if got := strings.Join(New(before, after), ", "); got != "loop loop0 /x, mount /b" {
		t.Errorf("New = %q", got)
	}
}

// TestOthersPass: what a machine does by itself meanwhile is no leak, and what only looks like it is one.
func TestOthersPass(t *testing.T) {
	for name, want := range map[string]bool{
		"org.chromium.Chromium.2k5M1L": true, ".org.chromium.Chromium.2k5M1L": true, "playwright_chromiumdev_profile-x": true, "go-build123": true,
		"node-compile-cache": true, "systemd-private-0-logrotate.service-x": true, "podlab-1": false, ".podlab-1": false, "TestMount1": false, "go": false,
	} {
		if passes(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
