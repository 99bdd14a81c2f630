package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/client"
	"podlab/sandbox/internal/sandboxtest"
)

// used is what a node's group says of the processor time that it used.
func used(t testing.TB, d *sandboxtest.Daemon, id string) string {
	t.Helper()
	g, err := groupsOf(d)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("/sys/fs/cgroup/cpuacct", g.Path(id), "cpuacct.usage")
	if g.Unified {
		path = filepath.Join("/sys/fs/cgroup", g.Path(id), "cpu.stat")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

// TestFreezeStopsEverything freezes a node that is busy in its root group and in one of its own.
func TestFreezeStopsEverything(t *testing.T) {
	d := start(t)
	ctx := t.Context()
	node := d.Node(t, sandbox.NodeSpec{ID: "one"})
	dir := "/sys/fs/cgroup/freezer"
	if isV2(t) {
		dir = "/sys/fs/cgroup"
	}
	sh(t, node, "mkdir "+dir+"/a; (while :; do :; done) >/dev/null 2>&1 & (while :; do :; done) >/dev/null 2>&1 & echo $! > "+dir+"/a/cgroup.procs")
	for range 3 {
		if err := d.Freeze(ctx, "one"); err != nil {
			t.Fatal(err)
		}
		if nodes, err := d.List(ctx); err != nil || !nodes[0].Frozen {
			t.Errorf("list: %v %v", nodes, err)
		}
		before := used(t, d, "one")
		short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		if _, err := (client.Agent{Socket: node.Socket}).Snapshot(short); short.Err() == nil {
			t.Errorf("a frozen node answers: %v", err)
		}
		cancel()
		if after := used(t, d, "one"); after != before {
			t.Errorf("a frozen node computes: %s, then %s", before, after)
		}
		began := time.Now()
		if err := d.Thaw(ctx, "one"); err != nil {
			t.Fatal(err)
		}
		if got := sh(t, node, "echo here"); got != "here" {
			t.Errorf("thawed: %q", got)
		}
		t.Logf("an answer %v after the touch", time.Since(began))
		if after := used(t, d, "one"); after == before {
			t.Error("a thawed node does not compute: this test shows nothing")
		}
	}
}
