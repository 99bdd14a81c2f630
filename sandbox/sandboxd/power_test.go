package main

import (
	"context"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/client"
	"podlab/sandbox/internal/sandboxtest"
)

// startAgain starts a stopped node.
func startAgain(t testing.TB, d *sandboxtest.Daemon, id string) sandbox.Node {
	t.Helper()
	node, err := d.PowerOn(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return node
}

func TestPowerOffKeepsFilesAndNothingElse(t *testing.T) {
	d := start(t)
	ctx := t.Context()
	node := d.Node(t, sandbox.NodeSpec{ID: "one"})
	seen, ended := make(chan sandbox.Moment, 4096), make(chan error, 1)
	go func() {
		ended <- d.Moments(ctx, "one", 0, func(m sandbox.Moments) error {
			for _, moment := range m.Items {
				seen <- moment
			}
			return nil
		})
	}()
	sh(t, node, "mkdir /data; echo kept > /data/file; echo kept > /var/lib/podlab/disk/file; echo lost > /run/file; sleep 1000 >/dev/null 2>&1 &")
	for range 3 {
		if err := d.Freeze(ctx, "one"); err != nil { // what is frozen can be stopped
			t.Fatal(err)
		}
		for range 2 {
			if err := d.PowerOff(ctx, "one"); err != nil {
				t.Fatal(err)
			}
		}
		nodes, err := d.List(ctx)
		if err != nil || len(nodes) != 1 || !nodes[0].Stopped || nodes[0].PID != 0 {
			t.Fatalf("list: %+v %v", nodes, err)
		}
		if err := unix.Kill(node.PID, 0); err == nil {
			t.Error("its init lives")
		}
		if _, err := (client.Agent{Socket: node.Socket}).Snapshot(ctx); err == nil {
			t.Error("a stopped node answers")
		}
		if _, err := d.Create(ctx, sandbox.NodeSpec{ID: "one"}); code(err) != sandbox.CodeNameTaken {
			t.Errorf("a node of a stopped one's name: %v", err)
		}
		before := time.Now()
		node = startAgain(t, d, "one")
		t.Logf("started again in %v", time.Since(before))
		if same := startAgain(t, d, "one"); same.PID != node.PID || node.Stopped || node.Frozen {
			t.Errorf("started twice: %+v, %+v", node, same)
		}
		if got := sh(t, node, "cat /data/file /var/lib/podlab/disk/file; ls /run/file; ps | grep -c 'sleep 100[0]'; true"); got != "kept\nkept\nls: /run/file: No such file or directory\n0" {
			t.Errorf("on the node: %q", got)
		}
	}
	d.Stop(t, unix.SIGKILL)
	d.Restart(t)
	if got := sh(t, node, "cat /data/file"); got != "kept" {
		t.Errorf("with the next daemon: %q", got)
	}
	if err := d.PowerOff(ctx, "one"); err != nil { // a node that an earlier daemon started
		t.Fatal(err)
	}
	node = startAgain(t, d, "one")
	if got := sh(t, node, "cat /data/file"); got != "kept" {
		t.Errorf("stopped by the next daemon: %q", got)
	}
	<-ended
	close(seen)
	last := uint64(0)
	for moment := range seen {
		if moment.Seq <= last {
			t.Fatalf("moment %d after %d", moment.Seq, last)
		}
		last = moment.Seq
	}
	if err := d.PowerOff(ctx, "one"); err != nil {
		t.Fatal(err)
	}
	if err := d.Destroy(ctx, "one"); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, d)
	if why := whyGone(t, d, "one"); why != sandbox.GoneDestroyed {
		t.Errorf("why it is gone: %s", why)
	}
	if _, err := d.PowerOn(ctx, "one"); code(err) != sandbox.CodeNotFound {
		t.Errorf("start of no node: %v", err)
	}
}

// TestStoppedNodeLeavesNothing ends the daemon in each way while a node is stopped.
func TestStoppedNodeLeavesNothing(t *testing.T) {
	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGKILL, unix.SIGINT} {
		d := start(t)
		d.Node(t, sandbox.NodeSpec{ID: "one"})
		if err := d.PowerOff(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
		d.Stop(t, signal)
		d.Restart(t)
		nothingLeft(t, d)
		if nodes, err := d.List(t.Context()); err != nil || len(nodes) != 0 {
			t.Errorf("%v: list %v %v", signal, nodes, err)
		}
	}
}

// TestPowerOnTrustsNothingOnTheDisk starts nodes again whose root made links of what the daemon touches on its way.
func TestPowerOnTrustsNothingOnTheDisk(t *testing.T) {
	d := start(t)
	ctx := context.Background()
	canary := t.TempDir() + "/canary"
	if err := os.WriteFile(canary, []byte("untouched"), 0o600); err != nil {
		t.Fatal(err)
	}
	for id, script := range map[string]string{
		"log":      "ln -sf " + canary + " /var/lib/podlab/disk/node.log; ls -l /var/lib/podlab/disk/node.log",
		"programs": "umount -l /opt/podlab/bin; rm -r /opt/podlab && ln -s / /opt/podlab; ls -ld /opt/podlab",
		"images":   "umount -l /var/lib/podlab/images; rmdir /var/lib/podlab/images && ln -s /etc /var/lib/podlab/images; ls -ld /var/lib/podlab/images",
		"proc":     "umount -l /proc; rmdir /proc; ln -s /etc /proc; ls -ld /proc",
	} {
		node := d.Node(t, sandbox.NodeSpec{ID: id})
		made := sh(t, node, script)
		if err := d.PowerOff(ctx, id); err != nil {
			t.Errorf("%s: %v", id, err)
			continue
		}
		again, err := d.PowerOn(ctx, id)
		t.Logf("%s: %s\n\tstarted: %v", id, made, err)
		if err == nil {
			if got := sh(t, again, "echo here"); got != "here" {
				t.Errorf("%s: %q", id, got)
			}
		}
		if err := d.Destroy(ctx, id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	var stat unix.Stat_t
	if err := unix.Stat(canary, &stat); err != nil || stat.Uid != 0 {
		t.Errorf("owner of the canary is %d (%v)", stat.Uid, err)
	}
	if text, err := os.ReadFile(canary); err != nil || string(text) != "untouched" {
		t.Errorf("the canary sings %q %v", text, err)
	}
	for _, path := range []string{"/podlab-node", "/bin/podlab-node", "/etc/index.json"} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is on the host", path)
		}
	}
	nothingLeft(t, d)
}
