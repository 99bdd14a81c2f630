package prooftest

import (
	"strings"
	"testing"
	"time"

	"podlab/content"
	"podlab/labs"
	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// TestUnusedNodeRests leaves a real node alone until it is frozen, and comes back twice: by a key at a terminal that stood open, and by the
// page. The pods' processes are the same throughout, and none of them was restarted for the time that it missed.
func TestUnusedNodeRests(t *testing.T) {
	daemon := sandboxtest.Start(t, sandboxtest.Args("--spares", "1", "--memory", "384Mi", "--pids", "300")) // as the lab wants it
	course, err := labs.Load(content.FS)
	if err != nil {
		t.Fatal(err)
	}
	lab, ok := course.Lab("3.1-infra-container")
	if !ok {
		t.Fatal("no such lab")
	}
	const step = "restart"
	const rest = 2 * time.Second // longer than a busy machine takes from a key to the output
	sessions, err := labs.Open(t.Context(), labs.Config{Course: course, Nodes: daemon, Store: labs.NewMemory(), Freeze: rest})
	if err != nil {
		t.Fatal(err)
	}
	defer sessions.Close()
	open := func() *page {
		frames, err := sessions.Subscribe("ann", lab.ID, step)
		if err != nil {
			t.Fatal(err)
		}
		return &page{TB: t, frames: frames}
	}
	rests := func() {
		t.Helper()
		for end := time.Now().Add(sandboxtest.Within(20 * time.Second)); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			if nodes, err := daemon.List(t.Context()); err == nil && len(nodes) == 1 && nodes[0].Frozen {
				return
			}
		}
		t.Fatal("the node is not frozen")
	}
	p := open()
	for end := time.Now().Add(sandboxtest.Within(10 * time.Second)); !strings.Contains(daemon.Said(), "spare node") && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond) // its socket is looked at below
	}
	if err := sessions.Start("ann", lab.ID, step); err != nil {
		t.Fatal(err)
	}
	p.until("ready", func() bool { return p.last.Session.Phase == labs.PhaseReady && p.now != nil && len(p.lives()) >= 2 })
	before := p.lives()
	if nodes, err := daemon.List(t.Context()); err != nil || len(nodes) != 1 || !strings.Contains(nodes[0].Socket, "/_") {
		t.Errorf("the session's node was no spare: %+v %v", nodes, err)
	}
	access, err := sessions.Agent("ann", lab.ID)
	if err != nil {
		t.Fatal(err)
	}
	term, err := access.Terminal(t.Context(), sandbox.TerminalSpec{ID: "one", Target: "node", Size: sandbox.Size{Cols: 80, Rows: 24}})
	if err != nil {
		t.Fatal(err)
	}
	defer term.Close()
	p.frames.Close()
	rests()

	began := time.Now()
	if _, err := term.Write([]byte("echo he''re\r")); err != nil {
		t.Fatal(err)
	}
	shown := ""
	for buf := make([]byte, 4096); !strings.Contains(shown, "here"); {
		n, err := term.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		shown += string(buf[:n])
	}
	t.Logf("a command's output %v after the key", time.Since(began).Round(time.Millisecond))
	rests()

	p = open()
	defer p.frames.Close()
	p.until("a snapshot", func() bool { return p.last.Snapshot != nil && p.last.Session.Phase == labs.PhaseReady })
	p.until("a snapshot of now", func() bool {
		_, err := access.Exec(t.Context(), sandbox.ExecSpec{Argv: []string{"true"}}, sandbox.Streams{})
		return err == nil && p.now != nil
	})
	after := p.lives()
	for pid, started := range before {
		if after[pid] != started {
			t.Errorf("process %d of a pod is not there any more: %v, then %v", pid, before, after)
		}
	}
	for _, c := range p.now.Containers {
		if c.Restarts != 0 {
			t.Errorf("%s was restarted", c.ID)
		}
	}
}
