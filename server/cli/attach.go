package cli

import (
	"context"
	"errors"
	"fmt"

	"podlab/sandbox"
	"podlab/sandbox/kubectl"
)

type attachCmd struct {
	containerFlags
	Stdin bool `short:"i" help:"Pass standard input."`
	TTY   bool `short:"t" name:"tty" help:"Standard input is a terminal, and the container has one."`
	Quiet bool `short:"q" help:"Say nothing but what the container prints."`
}

// Run attaches until the container ends: of a pod that is no failure, of a plain container its exit code is passed on, as kubectl and
// docker do.
func (c *attachCmd) Run(e *env) error {
	agent, id, err := c.find(e)
	if err != nil {
		return err
	}
	view, err := containerView(e, agent, id)
	if err != nil {
		return err
	}
	if c.TTY && !view.TTY {
		fmt.Fprintf(e.Err, "Unable to use a TTY - container %s did not allocate one\n", clean(view.Name))
		c.TTY = false
	}
	if c.Stdin && !view.Stdin {
		fmt.Fprintf(e.Err, "container %s has no stdin: showing its output only\n", clean(view.Name))
		c.Stdin = false
	}
	exit, err := c.attach(e, agent, id)
	switch {
	case errors.Is(err, kubectl.ErrDetached):
		fmt.Fprintln(e.Err, "podlab: detached; the container goes on")
		return nil
	case errors.Is(err, context.Canceled):
		return nil // Ctrl-C detaches
	case err != nil || view.Kind != sandbox.KindPlain:
		return err
	}
	return status(exit)
}

func (c *attachCmd) attach(e *env, agent sandbox.Agent, id string) (sandbox.Exit, error) {
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	a := kubectl.Attachment{Out: e.Out, Err: e.Err, Again: func() { fmt.Fprintln(e.Err, "podlab: the agent was started again; attached again") }}
	if c.Stdin {
		a.Keyboard = kubectl.NewKeyboard(e.In)
	}
	if c.Stdin && c.TTY {
		tty, err := e.openTTY()
		if errors.Is(err, errNoTTY) {
			return sandbox.Exit{}, fmt.Errorf("%w: leave out -t", err)
		}
		if err != nil {
			return sandbox.Exit{}, err
		}
		defer tty.close()
		if !c.Quiet {
			fmt.Fprint(e.Err, "If you don't see a command prompt, try pressing enter.\r\n")
		}
		a.Detach, a.Size, a.Resize = true, tty.size, tty.sizes(ctx)
	}
	return kubectl.Attach(ctx, agent, id, false, a)
}

func containerView(e *env, agent sandbox.Agent, id string) (sandbox.Container, error) {
	snapshot, err := agent.Snapshot(e.ctx)
	if err != nil {
		return sandbox.Container{}, err
	}
	for _, c := range snapshot.Containers {
		if c.ID == id {
			return c, nil
		}
	}
	return sandbox.Container{}, sandbox.Errorf(sandbox.CodeNotFound, "kind", "container", "name", id)
}
