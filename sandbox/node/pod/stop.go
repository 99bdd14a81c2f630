package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

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

// killContainers sends a signal to the first process of each container, as docker kill does.
func (p *program) killContainers(ctx context.Context, args []string) (int, error) {
	var name []string
	names, _, err := flags{values: map[string]*[]string{"s": &name, "signal": &name}}.parse(args)
	if err != nil {
		return 0, err
	}
	number, ok := signalOf(last(name, "KILL"))
	if !ok {
		return 0, wrongUsage("bad_signal", "value", last(name, ""))
	}
	if len(names) == 0 {
		return 0, wrongUsage("which_container")
	}
	for _, name := range names {
		c, err := p.plainContainer(ctx, name)
		if err == nil && c.State != sandbox.StateRunning {
			err = sandbox.Errorf(sandbox.CodeNotRunning, "kind", sandbox.ManifestContainer, "name", name)
		}
		if err == nil {
			err = kill(c.PID, number)
		}
		if err != nil {
			return 0, err
		}
		fmt.Fprintln(p.out, name)
	}
	return 0, nil
}

// signalOf reads HUP, SIGHUP and 1.
func signalOf(text string) (syscall.Signal, bool) {
	if n, err := strconv.Atoi(text); err == nil {
		return syscall.Signal(n), n > 0 && n <= 64
	}
	number := unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(text), "SIG"))
	return number, number != 0
}

// inspectContainers prints what is observed of plain containers as JSON.
func (p *program) inspectContainers(ctx context.Context, args []string) (int, error) {
	names, _, err := flags{}.parse(args)
	if err != nil {
		return 0, err
	}
	if len(names) == 0 {
		return 0, wrongUsage("which_container")
	}
	containers := make([]sandbox.Container, 0, len(names))
	for _, name := range names {
		c, err := p.plainContainer(ctx, name)
		if err != nil {
			return 0, err
		}
		containers = append(containers, c)
	}
	encoder := json.NewEncoder(p.out)
	encoder.SetIndent("", "    ")
	return 0, encoder.Encode(containers)
}

// kill takes a process that is gone for one that was killed.
func kill(pid int, number syscall.Signal) error {
	if err := syscall.Kill(pid, number); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}
