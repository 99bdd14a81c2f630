package main

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
	"podlab/sandbox/wire"
)

func TestForkBombLeavesTheAgent(t *testing.T) {
	ctx, agent := newNode(t)
	before, err := agent.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	bomb := attach(ctx, t, agent, "bomb", "node")
	typed(t, bomb, "b() { b | b & }; b 2>/dev/null\r")
	go func() { _, _ = io.Copy(io.Discard, bomb) }() // ends with the terminal
	time.Sleep(3 * time.Second)
	s, err := agent.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d processes, of %d allowed", s.Node.Usage.PIDs, s.Node.Usage.PIDsLimit)
	if s.Agent != before.Agent {
		t.Error("the agent died")
	}
	// What the page does next: it applies, or resets the node.
	apply(ctx, t, agent, demo)
	until(ctx, t, agent, "a pod beside the bomb", func(s sandbox.Snapshot) bool { return find(s, "demo/web").State == sandbox.StateRunning })
}

// TestNonsenseOnTheSocket sends what no client would. Each gets an answer or a closed connection, and the agent lives on.
func TestNonsenseOnTheSocket(t *testing.T) {
	d := sandboxtest.Start(t)
	node := d.Node(t, sandbox.NodeSpec{})
	agent := d.Agent(node)
	before, err := agent.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	frame := func(kind byte, text string) string {
		var b strings.Builder
		_ = wire.Write(&b, kind, []byte(text)) // a builder does not fail
		return b.String()
	}
	for _, text := range []string{
		"", "x", "GET / HTTP/1.1\r\n\r\n", "j\xff\xff\xff\xff", frame('0', "typed"), frame('j', ""), frame('j', "[1]"), frame('j', `{"verb":"nope"}`),
		frame('j', `{"verb":"apply","args":7}`), frame('j', `{"verb":"apply","args":{"objects":[null,{}]}}`), frame('j', `{"verb":"exec","args":{}}`),
		frame('j', `{"verb":"terminal","args":{"id":"../x","target":"node"}}`), frame('j', `{"verb":"terminal","args":{"id":"x","target":"nobody"}}`),
		frame('j', `{"verb":"dial","args":{"port":99999}}`), frame('j', `{"verb":"logs","args":{"container":"none","follow":true}}`),
		frame('j', `{"verb":"watch"}`) + frame('?', strings.Repeat("p", 1000)) + "\x00\xff\xff\xff\xff",
		frame('j', `{"verb":"exec","args":{"argv":["cat"],"stdin":true}}`) + frame('r', "{") + frame('0', "x"),
	} {
		conn, err := net.Dial("unix", node.Socket)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(sandboxtest.Within(10 * time.Second)))
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.UnixConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%.40q: the connection stays: %v", text, err)
		}
		_ = conn.Close()
	}
	// More connections than there are seats: those that say nothing lose theirs.
	var idle []net.Conn
	for range 150 {
		if conn, err := net.Dial("unix", node.Socket); err == nil {
			idle = append(idle, conn)
		}
	}
	if len(idle) < 128 {
		t.Errorf("only %d connections", len(idle))
	}
	deadline := time.Now().Add(sandboxtest.Within(10 * time.Second))
	for {
		after, err := agent.Snapshot(t.Context())
		if err == nil {
			if after.Agent != before.Agent {
				t.Error("the agent died")
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	for _, conn := range idle {
		_ = conn.Close()
	}
}
