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

// settled gives what is being torn down two seconds: the kernel frees a namespace a moment after its last process.
func settled(t *testing.T, before Inventory, mark string) []string {
	t.Helper()
	var found []string
	for end := time.Now().Add(2 * time.Second); ; time.Sleep(100 * time.Millisecond) {
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
	cmd := exec.Command("sh", "-c", "sleep 5 >/dev/null 2>&1 & echo $!")
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
