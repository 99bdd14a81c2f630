package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/cgroup"
	"podlab/sandbox/internal/sandboxtest"
)

// TestFloodOfGroups makes groups in a node until it is gone; on v2 the kernel stops that instead. The neighbour stays,
// and a new node of that name is soon there.
func TestFloodOfGroups(t *testing.T) {
	d := start(t)
	d.Node(t, sandbox.NodeSpec{ID: "neighbour"})
	g, err := groupsOf(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, hierarchy := range g.Hierarchies {
		name := filepath.Base(hierarchy)
		if !g.Unified && name != "memory" && name != "pids" && name != "systemd" { // the last has no controller
			continue
		}
		t.Run(name, func(t *testing.T) {
			d.Node(t, sandbox.NodeSpec{ID: "flood"})
			made := flood(t, filepath.Join(hierarchy, g.Path("flood")), name == "pids")
			if g.Unified && made > cgroup.Most {
				t.Errorf("%d groups made", made)
			}
			if !g.Unified {
				gone(t, d.List, "flood")
				if why := whyGone(t, d, "flood"); why != sandbox.GoneTooManyGroups {
					t.Errorf("the node is gone because of %q", why)
				}
			}
			began := time.Now()
			if err := d.Destroy(t.Context(), "flood"); err != nil {
				t.Fatal(err)
			}
			d.Node(t, sandbox.NodeSpec{ID: "flood"})
			took := time.Since(began)
			t.Logf("removed with %d groups, and a new one there, in %v", made, took)
			if took > sandboxtest.Within(2*time.Second) {
				t.Errorf("a new node took %v", took)
			}
			if err := d.Destroy(t.Context(), "flood"); err != nil {
				t.Fatal(err)
			}
		})
	}
	nodes, err := d.List(t.Context())
	if err != nil || len(nodes) != 1 {
		t.Errorf("the neighbour: %v %v", nodes, err)
	}
}

// flood makes up to 3000 groups, as a learner may: until it is refused, or the node is being removed.
func flood(t *testing.T, dir string, nested bool) (made int) {
	t.Helper()
	at, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(at)
	for ; made < 3000; made++ {
		name := fmt.Sprint("g", made)
		if nested && made >= 30 {
			name = fmt.Sprintf("g%d/%s", made%30, name)
		}
		if unix.Mkdirat(at, name, 0o755) != nil {
			break
		}
	}
	return made
}

// gone waits until the daemon has removed a node by itself.
func gone(t *testing.T, list func(context.Context) ([]sandbox.Node, error), id string) {
	t.Helper()
	for deadline := time.Now().Add(2 * cgroup.WalkEvery); ; time.Sleep(20 * time.Millisecond) {
		nodes, err := list(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(nodes, func(n sandbox.Node) bool { return n.Spec.ID == id }) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the node with too many groups lives")
		}
	}
}
