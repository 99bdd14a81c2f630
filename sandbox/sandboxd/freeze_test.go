package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/client"
	"podlab/sandbox/internal/sandboxtest"
)

// used is the processor time that a node's group says it used.
func used(t testing.TB, d *sandboxtest.Daemon, id string) time.Duration {
	t.Helper()
	g, err := groupsOf(d)
	if err != nil {
		t.Fatal(err)
	}
	path, unit := filepath.Join("/sys/fs/cgroup/cpuacct", g.Path(id), "cpuacct.usage"), time.Nanosecond
	if g.Unified {
		path, unit = filepath.Join("/sys/fs/cgroup", g.Path(id), "cpu.stat"), time.Microsecond
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	n, err := strconv.Atoi(strings.TrimPrefix(line, "usage_usec "))
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(n) * unit
}

// toRest is what the processes of a frozen node may still use: the kernel counts each as frozen in its own last act (cgroup_enter_frozen),
// and it must get a processor once more to lie down. Here that is up to 30 µs in one freeze of thirty.
const toRest = 2 * time.Millisecond

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
		if more := used(t, d, "one") - before; more > sandboxtest.Within(toRest) {
			t.Errorf("a frozen node computes: %v in 300 ms", more)
		}
		began := time.Now()
		if err := d.Thaw(ctx, "one"); err != nil {
			t.Fatal(err)
		}
		if got := sh(t, node, "echo here"); got != "here" {
			t.Errorf("thawed: %q", got)
		}
		t.Logf("an answer %v after the touch", time.Since(began))
		for end := time.Now().Add(sandboxtest.Within(10 * time.Second)); used(t, d, "one")-before <= sandboxtest.Within(toRest); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("a thawed node does not compute: this test shows nothing")
			}
		}
	}
}
