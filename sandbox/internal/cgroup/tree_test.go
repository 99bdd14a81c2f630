package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/sandboxtest"
)

// open makes a tree of this test's own, with a group for node "one" in every hierarchy.
func open(t *testing.T) *Tree {
	t.Helper()
	sandboxtest.Root(t)
	tree, err := Open(fmt.Sprint("podlab-test-", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tree.Remove(t.Context(), "one"); err != nil {
			t.Error(err)
		}
		if err := tree.RemoveParent(); err != nil {
			t.Error(err)
		}
		for _, hierarchy := range tree.Hierarchies {
			if _, err := os.Stat(filepath.Join(hierarchy, tree.Parent)); err == nil {
				t.Errorf("%s stays in %s", tree.Parent, hierarchy)
			}
		}
	})
	for _, hierarchy := range tree.Hierarchies {
		if err := os.MkdirAll(filepath.Join(hierarchy, tree.Path("one")), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

// descend makes a group in the open one and enters it.
func descend(t *testing.T, at int, name string) int {
	t.Helper()
	if err := unix.Mkdirat(at, name, 0o755); err != nil {
		t.Fatal(err)
	}
	next, err := step(at, name)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// TestRemoveDeep removes groups that are nested deeper than a path can be long and oddly named, with a process at the bottom that is
// frozen.
func TestRemoveDeep(t *testing.T) {
	tree := open(t)
	if nodes := tree.Nodes(); !slices.Equal(nodes, []string{"one"}) {
		t.Errorf("nodes: %q", nodes)
	}
	hierarchy, depth, freeze, frozen := tree.Hierarchies[0], 60, "cgroup.freeze", "1"
	if !tree.Unified { // a hierarchy's own limit of the depth is none; the freezer is one of them
		i := slices.IndexFunc(tree.Hierarchies, func(path string) bool { return filepath.Base(path) == "freezer" })
		if i < 0 {
			t.Fatalf("no freezer among %q", tree.Hierarchies)
		}
		hierarchy, freeze, frozen = tree.Hierarchies[i], "freezer.state", "FROZEN"
	}
	at, err := unix.Open(filepath.Join(hierarchy, tree.Path("one")), unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"-rf", "* ", "\x1b[31m"} { // the kernel refuses line breaks
		if err := unix.Mkdirat(at, name, 0o755); err != nil {
			t.Error(err)
		}
	}
	for range depth {
		at = descend(t, at, strings.Repeat("d", 200))
	}
	sleeper := exec.Command("sleep", "1000")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	write(at, "cgroup.procs", strconv.Itoa(sleeper.Process.Pid))
	write(at, freeze, frozen)
	unix.Close(at)
	began := time.Now()
	if err := tree.Remove(t.Context(), "one"); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > sandboxtest.Within(2*time.Second) {
		t.Errorf("removing took %v", took)
	}
	if err := sleeper.Wait(); err == nil || sleeper.ProcessState.Sys().(interface{ Signaled() bool }).Signaled() == false {
		t.Errorf("the process at the bottom: %v", err)
	}
	if nodes := tree.Nodes(); len(nodes) != 0 {
		t.Errorf("nodes: %q", nodes)
	}
}

func TestOvergrown(t *testing.T) {
	tree := open(t)
	dir := filepath.Join(tree.Hierarchies[0], tree.Path("one"))
	if tree.Overgrown("one") || tree.Overgrown("nobody") {
		t.Error("too many, without any")
	}
	for i := range Most / 2 {
		if err := os.MkdirAll(filepath.Join(dir, fmt.Sprint(i), "below"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if tree.Overgrown("one") {
		t.Errorf("%d are too many", Most)
	}
	if !tree.Unified && onHost() < 1 {
		t.Error("no groups on the host")
	}
	if err := os.Mkdir(filepath.Join(dir, "one more"), 0o755); err != nil {
		t.Fatal(err)
	}
	if !tree.Overgrown("one") {
		t.Errorf("%d are not too many", Most+1)
	}
}

func TestTooDeep(t *testing.T) {
	tree := open(t)
	dir := filepath.Join(tree.Hierarchies[0], tree.Path("one"))
	for depth := 0; depth <= Deepest+1; depth++ {
		if tree.Overgrown("one") != (depth > Deepest) {
			t.Errorf("%d deep: %v", depth, tree.Overgrown("one"))
		}
		dir = filepath.Join(dir, "d")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestControllers(t *testing.T) {
	tree := open(t)
	if err := tree.HasController("memory"); err != nil {
		t.Error(err)
	}
	if tree.HasController("no such") == nil {
		t.Error("a controller that nobody has")
	}
}

func TestDelegate(t *testing.T) {
	tree := open(t)
	const owner = 0x1000_0000
	if err := tree.Delegate("one", owner); err != nil {
		t.Fatal(err)
	}
	for _, hierarchy := range tree.Hierarchies {
		for name, want := range map[string]uint32{"": owner, "cgroup.procs": owner, "notify_on_release": 0, "memory.limit_in_bytes": 0, "memory.max": 0} {
			var stat unix.Stat_t
			err := unix.Stat(filepath.Join(hierarchy, tree.Path("one"), name), &stat)
			if err == nil && stat.Uid != want || err != nil && want == owner {
				t.Errorf("%s %s belongs to %d (%v)", hierarchy, name, stat.Uid, err)
			}
		}
	}
}
