package main

import (
	"context"

	"podlab/sandbox"
	"podlab/sandbox/kubectl"
)

// debugPod is kubectl debug: a container of another image joins a living pod, to look into it.
func (p *program) debugPod(ctx context.Context, args []string) (int, error) {
	var stdin, tty, quiet, attach bool
	var image, target, container []string
	words, command, err := flags{
		bools: map[string]*bool{
			"i": &stdin, "stdin": &stdin, "t": &tty, "tty": &tty, "q": &quiet, "quiet": &quiet, "attach": &attach,
		},
		values: map[string]*[]string{"image": &image, "target": &target, "c": &container, "container": &container},
	}.parse(args)
	if err != nil {
		return 0, err
	}
	names := podNames(words)
	switch {
	case len(names) != 1:
		return 0, wrongUsage("which_pod")
	case len(image) == 0:
		return 0, wrongUsage("which_image")
	}
	name := last(container, "")
	if name == "" {
		name = kubectl.DebuggerName()
		p.complain("Defaulting debug container name to " + name + ".")
	}
	c := sandbox.EphemeralContainer{TargetContainerName: last(target, "")}
	c.Name, c.Image, c.Command, c.Stdin, c.TTY = name, last(image, ""), command, stdin, tty
	if err := kubectl.Debug(ctx, p.agent, names[0], c); err != nil || !stdin && !attach {
		return 0, err
	}
	return p.followDebugger(ctx, names[0]+"/"+name, stdin, tty, quiet)
}

// followDebugger shows what the new container prints, from its start, and lets one type.
func (p *program) followDebugger(ctx context.Context, id string, stdin, tty, quiet bool) (int, error) {
	if stdin && tty && !quiet {
		p.complain(p.words.say("press_enter"))
	}
	_, err := p.attach(ctx, id, attachment{stdin: stdin, tty: tty && stdin, fromStart: true})
	if sandbox.CodeOf(err) == sandbox.CodeNotRunning { // it was over before one could attach
		err = p.agent.Logs(ctx, sandbox.LogOptions{Container: id}, p.out)
	}
	if ctx.Err() != nil { // ^C detaches, and is how a shell would tell
		return exitInterrupted, nil //nolint:nilerr // that it was cut off is no news
	}
	return 0, err
}
