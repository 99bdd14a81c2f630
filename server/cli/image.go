package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// imageCmd hands over to podlab-images. What reads archives and asks registries is in a program of its own, which the public one does not
// contain.
type imageCmd struct {
	Args []string `arg:"" passthrough:"" optional:"" help:"A verb and what it takes; without one they are listed."`
}

func (c *imageCmd) Run(e *env) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	program := filepath.Join(filepath.Dir(self), "podlab-images")
	if _, err := os.Stat(program); err != nil {
		return fmt.Errorf("%w: it lies beside podlab; ./scripts/images builds it", err)
	}
	args := c.Args
	if len(args) == 0 {
		args = []string{"--help"}
	}
	cmd := exec.CommandContext(e.ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Env = append(os.Environ(), "PODLAB_RUN="+e.run)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.In, e.Out, e.Err
	err = cmd.Run()
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		return exitCode(ended.ExitCode())
	}
	return err
}
