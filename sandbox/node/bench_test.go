package main

import (
	"context"
	"io"
	"testing"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

func benchNode(b *testing.B) (context.Context, sandbox.Agent) {
	b.Helper()
	d := sandboxtest.Start(b)
	return b.Context(), d.Agent(d.Node(b, sandbox.NodeSpec{}))
}

// BenchmarkExecNode is a command in the node itself, from request to exit.
func BenchmarkExecNode(b *testing.B) {
	ctx, agent := benchNode(b)
	for b.Loop() {
		if exit, err := agent.Exec(ctx, sandbox.ExecSpec{Argv: []string{"true"}}, sandbox.Streams{}); err != nil || exit.Code != 0 {
			b.Fatal(exit, err)
		}
	}
}

// BenchmarkEcho is one key through socket, agent, pty and back.
func BenchmarkEcho(b *testing.B) {
	ctx, agent := benchNode(b)
	term, err := agent.Terminal(ctx, sandbox.TerminalSpec{ID: "t", Target: "node", Argv: []string{"sh", "-c", "stty raw -echo; echo x; exec cat"}})
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 64)
	if _, err := io.ReadAtLeast(term, buf, 2); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := term.Write([]byte("k")); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(term, buf[:1]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSnapshot is the whole node read and sent.
func BenchmarkSnapshot(b *testing.B) {
	ctx, agent := benchNode(b)
	for b.Loop() {
		if _, err := agent.Snapshot(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkExecContainer is a command in a pod's container.
func BenchmarkExecContainer(b *testing.B) {
	ctx, agent := benchNode(b)
	if _, err := agent.Apply(ctx, [][]byte{[]byte(demo)}); err != nil {
		b.Fatal(err)
	}
	for {
		if s, err := agent.Snapshot(ctx); err == nil && find(s, "demo/web").State == sandbox.StateRunning {
			break
		}
	}
	for b.Loop() {
		if exit, err := agent.Exec(ctx, sandbox.ExecSpec{Container: "demo/web", Argv: []string{"true"}}, sandbox.Streams{}); err != nil || exit.Code != 0 {
			b.Fatal(exit, err)
		}
	}
}
