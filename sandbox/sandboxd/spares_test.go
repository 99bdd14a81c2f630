package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
	"podlab/sandbox/internal/spare"
)

// awaitSpares waits until there are that many, taken or not, and the daemon has said of each that it can be taken.
func awaitSpares(t testing.TB, d *sandboxtest.Daemon, want int) {
	t.Helper()
	var places []string
	for end := time.Now().Add(sandboxtest.Within(10 * time.Second)); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		groups, err := groupsOf(d)
		if err != nil {
			t.Fatal(err)
		}
		said := d.Said()
		places = slices.DeleteFunc(groups.Nodes(), func(place string) bool { return !strings.HasPrefix(place, spare.Prefix) })
		made := func(place string) bool { return strings.Contains(said, `msg="spare node" node=`+place) }
		if len(places) == want && !slices.ContainsFunc(places, func(place string) bool { return !made(place) }) {
			return
		}
	}
	t.Fatalf("spares %v, want %d", places, want)
}

func TestSpareIsTaken(t *testing.T) {
	d := start(t, "--spares", "2", "--max-nodes", "3")
	ctx := t.Context()
	awaitSpares(t, d, 2)
	if nodes, err := d.List(ctx); err != nil || len(nodes) != 0 {
		t.Errorf("spares are listed: %v %v", nodes, err)
	}
	if info, err := d.Info(ctx); err != nil || info.Nodes != 0 {
		t.Errorf("spares are counted: %+v %v", info, err)
	}
	before := time.Now()
	one := d.Node(t, sandbox.NodeSpec{ID: "one"})
	t.Logf("a spare was taken in %v", time.Since(before))
	if got := sh(t, one, "hostname; id -u"); got != "node\n0" {
		t.Errorf("in the node: %q", got)
	}
	if one.Started < before.UnixMilli() || !strings.Contains(one.Socket, "/_") {
		t.Errorf("no spare: %+v", one)
	}
	if _, err := d.Create(ctx, sandbox.NodeSpec{ID: "one"}); code(err) != sandbox.CodeNameTaken {
		t.Errorf("second node of a name: %v", err)
	}
	for _, id := range []string{"two", "three"} { // spares make room, of whatever size
		if _, err := d.Create(ctx, sandbox.NodeSpec{ID: id, Memory: 300 << 20}); err != nil {
			t.Errorf("with a spare in the way: %v", err)
		}
	}
	if _, err := d.Create(ctx, sandbox.NodeSpec{ID: "four"}); code(err) != sandbox.CodeMachineFull {
		t.Errorf("fourth of three nodes: %v", err)
	}
	awaitSpares(t, d, 1) // one, which is taken
	for _, id := range []string{"one", "two", "three"} {
		if err := d.Destroy(ctx, id); err != nil {
			t.Error(err)
		}
	}
	if why := whyGone(t, d, "one"); why != sandbox.GoneDestroyed {
		t.Errorf("why it is gone: %s", why)
	}
	d.Stop(t, unix.SIGINT)
	nothingLeft(t, d)
}

func TestSparesFollowWhatIsAskedFor(t *testing.T) {
	d := start(t, "--spares", "1")
	awaitSpares(t, d, 1)
	d.Node(t, sandbox.NodeSpec{ID: "one", Hostname: "eins"})
	for end := time.Now().Add(10 * time.Second); !strings.Contains(d.Said(), "hostname=eins") && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	awaitSpares(t, d, 1)
	two := d.Node(t, sandbox.NodeSpec{ID: "two", Hostname: "eins", Owner: "ann"})
	if !strings.Contains(two.Socket, "/_") {
		t.Errorf("no spare of the shape asked for last: %+v", two)
	}
	if got := sh(t, two, "hostname"); got != "eins" {
		t.Errorf("its name is %q", got)
	}
}

func TestSparesEndWithTheirDaemon(t *testing.T) {
	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		d := start(t, "--spares", "2")
		awaitSpares(t, d, 2)
		one := d.Node(t, sandbox.NodeSpec{ID: "one"})
		d.Stop(t, signal)
		if signal == unix.SIGTERM {
			awaitSpares(t, d, 1) // the one that was taken
		}
		d.Restart(t)
		if got := sh(t, one, "echo here"); got != "here" {
			t.Errorf("%v: %q", signal, got)
		}
		if nodes, err := d.List(t.Context()); err != nil || len(nodes) != 1 || nodes[0].Spec.ID != "one" || nodes[0].Socket != one.Socket {
			t.Errorf("%v: found again: %+v %v", signal, nodes, err)
		}
		if err := d.Destroy(t.Context(), "one"); err != nil {
			t.Error(err)
		}
		d.Stop(t, unix.SIGINT)
		nothingLeft(t, d)
	}
}
