package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"podlab/sandbox"
	"podlab/sandbox/kubectl"
)

// containerFlags name a container.
type containerFlags struct {
	Node      string `arg:"" help:"Node."`
	Pod       string `arg:"" help:"Pod, or plain container."`
	Container string `short:"c" help:"Container; default: the pod's annotation kubectl.kubernetes.io/default-container, or its first." placeholder:"NAME"`
}

// find returns the container's Container.ID, and its node's agent.
func (c containerFlags) find(e *env) (agent sandbox.Agent, id string, err error) {
	if agent, err = e.agent(c.Node); err != nil {
		return nil, "", err
	}
	id, err = containerOf(e, agent, c.Pod, c.Container)
	return agent, id, err
}

type execCmd struct {
	containerFlags
	Stdin   bool     `short:"i" help:"Pass standard input."`
	TTY     bool     `short:"t" name:"tty" help:"Give the command a terminal."`
	Command []string `arg:"" help:"Command and arguments, after --."`
}

func (c *execCmd) Run(e *env) error {
	agent, id, err := c.find(e)
	if err != nil {
		return err
	}
	spec := sandbox.ExecSpec{Container: id, Argv: c.Command, TTY: c.TTY}
	streams := sandbox.Streams{Out: e.Out, Err: e.Err}
	if c.Stdin {
		streams.In = e.In
	}
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	if c.TTY {
		tty, err := e.openTTY()
		if errors.Is(err, errNoTTY) {
			return fmt.Errorf("%w: leave out -t", err)
		}
		if err != nil {
			return err
		}
		defer tty.close()
		spec.Size = tty.size()
		streams.Resize = tty.sizes(ctx)
	}
	exit, err := agent.Exec(ctx, spec, streams)
	if code, ok := sandbox.ExitOf(err); ok {
		fmt.Fprintln(e.Err, "podlab:", explain(err))
		return exitCode(code)
	}
	if err != nil {
		return err
	}
	return status(exit)
}

// containerOf turns the manifest's names into a Container.ID: POD/NAME, or NAME of a plain container.
func containerOf(e *env, agent sandbox.Agent, name, container string) (string, error) {
	snapshot, err := agent.Snapshot(e.ctx)
	if err != nil {
		return "", err
	}
	pod, err := podOf(snapshot, name)
	if err != nil {
		for _, c := range snapshot.Containers {
			if c.Kind == sandbox.KindPlain && c.ID == name && container == "" {
				return name, nil
			}
		}
		return "", err
	}
	if container == "" {
		first, guessed := kubectl.DefaultContainer(pod)
		if guessed {
			fmt.Fprintf(e.Err, "Defaulted container %q out of: %s\n", clean(first), clean(strings.Join(kubectl.ContainerNames(pod), ", ")))
		}
		return pod.Metadata.Name + "/" + first, nil
	}
	if _, ok := kubectl.Container(pod, container); ok {
		return pod.Metadata.Name + "/" + container, nil
	}
	return "", sandbox.Errorf(sandbox.CodeNotFound, "kind", "container", "name", name+"/"+container)
}
