package main

import (
	"context"
	"errors"
	"syscall"
	"time"

	"podlab/sandbox"
)

// stop sends SIGTERM to a container's first process, and SIGKILL when it has not ended after so many seconds. The shell that this
// runs in is root of the node, so kill(2) is enough.
func (p *program) stop(ctx context.Context, name string, seconds int) error {
	c, err := p.plainContainer(ctx, name)
	if err != nil {
		return err
	}
	if c.State != sandbox.StateRunning {
		return nil
	}
	if err := kill(c.PID, syscall.SIGTERM); err != nil {
		return err
	}
	patient, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second)
	defer cancel()
	_, err = p.untilExited(patient, name)
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return err
	}
	if err := kill(c.PID, syscall.SIGKILL); err != nil {
		return err
	}
	_, err = p.untilExited(ctx, name)
	return err
}

// kill takes a process that is gone for one that was killed.
func kill(pid int, number syscall.Signal) error {
	if err := syscall.Kill(pid, number); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}
