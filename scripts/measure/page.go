package main

import (
	"context"
	"os"
	"os/exec"
)

// benchTerminal prints a large file in a pod's terminal, and interrupts endless output there, before the eyes of Chromium.
func benchTerminal(ctx context.Context, b *bench) error { return b.browse(ctx, "terminal") }

// browse runs a part of web/test/measure.mjs, which drives Chromium and prints figures of its own. Started from the root of the clone.
func (b *bench) browse(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "node", append([]string{"web/test/measure.mjs"}, args...)...)
	cmd.Env = append(os.Environ(), "PODLAB_SITE=http://"+b.host.addr)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
