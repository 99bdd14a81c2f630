package main

import (
	"context"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// benchTerminal prints a large file in a pod's terminal, and interrupts endless output there, before the eyes of Chromium.
func benchTerminal(ctx context.Context, b *bench) error {
	return b.browse(ctx, "web/bench/terminal.mjs")
}

// benchLighthouse has Lighthouse judge the home page and a lab's page.
func benchLighthouse(ctx context.Context, b *bench) error {
	return b.browse(ctx, "web/bench/lighthouse.mjs", b.lab)
}

// browse runs a program that drives Chromium and prints figures of its own: the site's address comes first among its arguments.
func (b *bench) browse(ctx context.Context, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, "node", append([]string{program, "http://" + b.host.addr}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
