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

// benchFrames opens the development page with 300 busy processes in a browser.
func benchFrames(ctx context.Context, _ *bench) error {
	return printed(pageProgram(ctx, "web/bench/frames.mjs"))
}

// browse runs a program of web/bench: the site's address comes first among its arguments.
func (b *bench) browse(ctx context.Context, program string, args ...string) error {
	return printed(pageProgram(ctx, program, append([]string{b.site()}, args...)...))
}

func (b *bench) site() string { return "http://" + b.host.addr }

// pageProgram is a program that drives Chromium and writes figures of its own. It ends in good order with ctx, so that its browser does, too.
func pageProgram(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "node", append([]string{program}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.Stderr = os.Stderr
	return cmd
}

// printed runs a program whose lines are figures as they are.
func printed(cmd *exec.Cmd) error {
	cmd.Stdout = os.Stdout
	return cmd.Run()
}
