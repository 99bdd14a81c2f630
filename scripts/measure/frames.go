package main

import (
	"context"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// benchFrames prints the figures of web/bench/frames.mjs, which opens the development page in a browser.
func benchFrames(ctx context.Context, _ *bench) error {
	cmd := exec.CommandContext(ctx, "node", "web/bench/frames.mjs")
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
