package walls

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// TestTables lets one node take all it can of each of the kernel's tables. The neighbour still gets its own.
func TestTables(t *testing.T) {
	d := sandboxtest.Start(t)
	neighbour := d.Agent(d.Node(t, sandbox.NodeSpec{ID: "neighbour"}))
	smuggle(t, neighbour, "")
	for _, c := range []struct {
		table  string
		most   int  // the attacker is content with so many
		closed bool // nobody in a node gets any
	}{
		{"files", 19000, false}, {"inotify", 1000, false}, {"epoll", 5000, false}, {"terminals", 200, false}, {"shm", 5000, false},
		{"msg", 40000, false}, {"sem", 40000, false}, {"mq", 1000, false}, {"timers", 100000, false}, {"locks", 5000, false},
		{"mounts", 3000, false}, {"netns", 500, false}, {"aio", 1000, true}, {"keys", 1000, true}, {"filters", 1000, true},
	} {
		t.Run(c.table, func(t *testing.T) {
			hog := d.Agent(d.Node(t, sandbox.NodeSpec{ID: "hog"}))
			smuggle(t, hog, "")
			took := held(t, hog, "hold", c.table, fmt.Sprint(c.most))
			const some = 8 // of everything
			left := strings.TrimSpace(run(t, neighbour, "", attacker, "hold", c.table, fmt.Sprint(some), "and go"))
			t.Logf("the attacker: %s; the neighbour: %s", took, left)
			want := fmt.Sprint(some, " ")
			if c.closed {
				want = "0 "
			}
			if !strings.HasPrefix(left, want) {
				t.Errorf("the attacker has %s, and the neighbour gets %s", took, left)
			}
			if c.closed != strings.HasPrefix(took, "0 ") {
				t.Errorf("the attacker has %s", took)
			}
			reset(t, d, "hog")
			if err := d.Destroy(t.Context(), "hog"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// reset is what a learner's page does: it makes the node anew, in less than 2 s whatever was done to it.
func reset(t *testing.T, d *sandboxtest.Daemon, id string) {
	t.Helper()
	began := time.Now()
	if err := d.Destroy(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	agent := d.Agent(d.Node(t, sandbox.NodeSpec{ID: id}))
	if out := script(t, agent, "", "echo again"); out != "again" {
		t.Errorf("the new node says %q", out)
	}
	if took := time.Since(began); took > sandboxtest.Within(2*time.Second) {
		t.Errorf("a new node took %v", took)
	}
}

// TestTerminalsOfAll: pseudo-terminals are the host's, some 3,000 for all nodes, and whoever may mount gets as many as there are. The daemon
// destroys who takes most, the neighbour has a terminal again, and the learner is told why the node is gone.
func TestTerminalsOfAll(t *testing.T) {
	d := sandboxtest.Start(t)
	neighbour := d.Agent(d.Node(t, sandbox.NodeSpec{ID: "neighbour"}))
	smuggle(t, neighbour, "")
	hog := d.Agent(d.Node(t, sandbox.NodeSpec{ID: "hog"}))
	smuggle(t, hog, "")
	took := held(t, hog, "hold", "terminals", "100000")
	began := time.Now()
	err := d.Moments(t.Context(), "hog", 0, func(sandbox.Moments) error { return nil }) // until the node is gone
	if sandbox.CodeOf(err) != sandbox.CodeNodeGone || sandbox.Public(err).Params["reason"] != sandbox.GoneTooManyTerminals {
		t.Errorf("the node is gone because of %v", err)
	}
	t.Logf("%s held; the node was gone %v later", took, time.Since(began))
	for deadline := time.Now().Add(sandboxtest.Within(2 * time.Second)); ; time.Sleep(10 * time.Millisecond) { // the kernel takes the processes down one by one
		left := strings.TrimSpace(run(t, neighbour, "", attacker, "hold", "terminals", "8", "and go"))
		if strings.HasPrefix(left, "8 ") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the neighbour has %s", left)
		}
	}
	d.Node(t, sandbox.NodeSpec{ID: "hog"})
}
