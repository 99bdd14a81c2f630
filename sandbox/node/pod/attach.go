package main

import (
	"context"
	"errors"

	"podlab/sandbox"
	"podlab/sandbox/kubectl"
)

// attachPod is kubectl attach: to a container's own streams, until it ends.
func (p *program) attachPod(ctx context.Context, args []string) (int, error) {
	var stdin, tty, quiet bool
	var container []string
	words, _, err := flags{
		bools: map[string]*bool{
			"i": &stdin, "stdin": &stdin, "t": &tty, "tty": &tty, "q": &quiet, "quiet": &quiet,
		},
		values: map[string]*[]string{"c": &container, "container": &container},
	}.parse(args)
	if err != nil {
		return 0, err
	}
	if len(words) != 1 {
		return 0, wrongUsage("which_pod")
	}
	pod, name, err := p.pickContainer(ctx, words[0], last(container, ""))
	if err != nil {
		return 0, err
	}
	spec, _ := kubectl.Container(pod, name)
	if tty && !spec.TTY {
		p.complain(p.words.say("no_tty", "container", name))
		tty = false
	}
	if stdin && !spec.Stdin {
		p.complain(p.words.say("no_stdin", "container", name))
		stdin = false
	}
	if stdin && tty && !quiet {
		p.complain(p.words.say("press_enter"))
	}
	_, err = p.attach(ctx, pod.Metadata.Name+"/"+name, attachment{stdin: stdin, tty: tty && stdin})
	if errors.Is(err, context.Canceled) { // ^C detaches, and is how a shell would tell
		return exitInterrupted, nil
	}
	if err == nil && stdin && tty && pod.Spec.RestartPolicy != "Never" {
		p.complain(p.words.say("session_ended", "pod", pod.Metadata.Name, "container", name))
	}
	return 0, err
}

// attachContainer is docker attach: what the container has is attached; its exit code is passed on.
func (p *program) attachContainer(ctx context.Context, args []string) (int, error) {
	var noInput bool
	names, _, err := flags{bools: map[string]*bool{"no-stdin": &noInput}}.parse(args)
	if err != nil {
		return 0, err
	}
	if len(names) != 1 {
		return 0, wrongUsage("which_container")
	}
	c, err := p.plainContainer(ctx, names[0])
	if err != nil {
		return 0, err
	}
	stdin := c.Stdin && !noInput
	if stdin && c.TTY && !isTerminal(int(p.in.Fd())) {
		return 0, wrongUsage("not_a_terminal")
	}
	exit, err := p.attach(ctx, c.ID, attachment{stdin: stdin, tty: stdin && c.TTY, detach: true})
	if errors.Is(err, kubectl.ErrDetached) {
		p.complain(p.words.say("detached", "name", c.ID))
		return 0, nil
	}
	return exit.Code, err
}

// followAttached shows what a new container prints, from its start, and lets one type.
func (p *program) followAttached(ctx context.Context, name string, stdin, tty bool) (sandbox.Exit, error) {
	c, err := p.until(ctx, name, func(c sandbox.Container) bool { return c.State != sandbox.StateWaiting })
	if err != nil {
		return sandbox.Exit{Code: c.ExitCode}, err
	}
	exit, err := p.attach(ctx, name, attachment{stdin: stdin, tty: tty && stdin, detach: true, fromStart: true})
	if sandbox.CodeOf(err) != sandbox.CodeNotRunning {
		return exit, err
	}
	// It was over before one could attach.
	if err := p.agent.Logs(ctx, sandbox.LogOptions{Container: name}, p.out); err != nil {
		return sandbox.Exit{}, err
	}
	c, err = p.untilExited(ctx, name)
	return sandbox.Exit{Code: c.ExitCode, Signal: c.Signal}, err
}

// attachment is what of this program's own streams takes part.
type attachment struct {
	stdin     bool
	tty       bool // our terminal passes every key on
	detach    bool // but for the detach keys
	fromStart bool
}

// attach attaches to a container until it ends.
func (p *program) attach(ctx context.Context, id string, how attachment) (sandbox.Exit, error) {
	a := kubectl.Attachment{Out: p.out, Err: p.err, Again: func() { p.complain(p.words.say("attached_again")) }}
	if how.stdin {
		a.Keyboard = kubectl.NewKeyboard(p.in)
	}
	if !how.tty {
		return kubectl.Attach(ctx, p.agent, id, how.fromStart, a)
	}
	fd := int(p.in.Fd())
	restore, err := rawTerminal(fd)
	if err != nil {
		p.complain(p.words.say("no_terminal"))
		return kubectl.Attach(ctx, p.agent, id, how.fromStart, a)
	}
	defer restore()
	sizes, stop := watchSize(fd)
	defer stop()
	a.Detach, a.Resize, a.Size = how.detach, sizes, func() sandbox.Size { return windowSize(fd) }
	return kubectl.Attach(ctx, p.agent, id, how.fromStart, a)
}
