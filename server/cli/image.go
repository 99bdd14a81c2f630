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
	Args []string `arg:"" passthrough:"" optional:"" help:"podlab image --help lists the verbs."`
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
	cmd := exec.CommandContext(e.ctx, program, c.Args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Env = append(os.Environ(), "PODLAB_RUN="+e.run)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.In, e.Out, e.Err
	err = cmd.Run()
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		return exitCode(ended.ExitCode())
	}
	return err
}
