package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"podlab/sandbox"
	"podlab/sandbox/kubectl"
)

func (p *program) runContainer(ctx context.Context, args []string) (int, error) {
	var o runOptions
	words, behind, err := o.flags().parse(args)
	if err != nil {
		return 0, err
	}
	words = append(words, behind...)
	if len(words) == 0 {
		return 0, wrongUsage("which_image")
	}
	if o.tty && o.stdin && !o.detach && !isTerminal(int(p.in.Fd())) {
		return 0, wrongUsage("not_a_terminal")
	}
	object, err := o.object(words[0], words[1:])
	if err != nil {
		return 0, err
	}
	raw, err := json.Marshal(object)
	if err != nil {
		return 0, err
	}
	if err := p.mustBeNew(ctx, object.Metadata.Name); err != nil {
		return 0, err
	}
	if _, err := p.agent.Apply(ctx, [][]byte{raw}); err != nil {
		return 0, err
	}
	if o.detach {
		if _, err := p.until(ctx, object.Metadata.Name, func(c sandbox.Container) bool { return c.State != sandbox.StateWaiting }); err != nil {
			return 0, err
		}
		fmt.Fprintln(p.out, object.Metadata.Name)
		return 0, nil
	}
	follow := p.follow
	if o.stdin || o.tty {
		follow = func(ctx context.Context, name string) (sandbox.Exit, error) {
			return p.followAttached(ctx, name, o.stdin, o.tty)
		}
	}
	return p.foreground(ctx, object.Metadata.Name, o.remove, follow)
}

// mustBeNew refuses a name that is taken: applying it again would say "unchanged" where docker run would fail.
func (p *program) mustBeNew(ctx context.Context, name string) error {
	_, err := p.plainContainer(ctx, name)
	if err == nil {
		return sandbox.Errorf(sandbox.CodeNameTaken, "kind", sandbox.ManifestContainer, "name", name)
	}
	if sandbox.CodeOf(err) == sandbox.CodeNotFound {
		return nil
	}
	return err
}

// foreground shows what the container prints until it ends, and passes its exit code on. ^C stops it, as docker run does.
func (p *program) foreground(
	ctx context.Context, name string, remove bool, follow func(context.Context, string) (sandbox.Exit, error),
) (int, error) {
	exit, err := follow(ctx, name)
	if errors.Is(err, kubectl.ErrDetached) {
		p.complain(p.words.say("detached", "name", name))
		return 0, nil
	}
	if sandbox.CodeOf(err) == sandbox.CodeCannotStart {
		p.complain(p.words.problem(err))
		err = nil
	}
	if ctx.Err() != nil { // ^C: docker run would pass the signal on and wait
		exit.Code, err = exitInterrupted, nil
		ctx = context.WithoutCancel(ctx)
		if !remove {
			return exit.Code, p.stop(ctx, name, 1)
		}
	}
	if err == nil && remove {
		err = p.agent.Delete(ctx, sandbox.Ref{Kind: sandbox.ManifestContainer, Name: name}, 0)
	}
	return exit.Code, err
}

// follow prints a container's log until its end. Before it runs it has none.
func (p *program) follow(ctx context.Context, name string) (sandbox.Exit, error) {
	began, err := p.until(ctx, name, func(c sandbox.Container) bool { return c.State != sandbox.StateWaiting })
	if err != nil {
		return sandbox.Exit{Code: began.ExitCode}, err
	}
	if err := p.agent.Logs(ctx, sandbox.LogOptions{Container: name, Follow: true}, p.out); err != nil {
		return sandbox.Exit{}, err
	}
	c, err := p.untilExited(ctx, name)
	return sandbox.Exit{Code: c.ExitCode, Signal: c.Signal}, err
}

var errSeen = errors.New("seen")

func (p *program) untilExited(ctx context.Context, name string) (sandbox.Container, error) {
	return p.until(ctx, name, func(c sandbox.Container) bool { return c.State == sandbox.StateExited })
}

// until waits until a plain container is as wanted. One that cannot be started is cannot_start.
func (p *program) until(ctx context.Context, name string, wanted func(sandbox.Container) bool) (out sandbox.Container, err error) {
	detail := ""
	err = p.agent.Watch(ctx, nil, func(u sandbox.Update) error {
		detail = failure(u.Moments, name, detail)
		if u.Snapshot == nil {
			return nil
		}
		for _, c := range u.Snapshot.Containers {
			if c.ID != name || c.Kind != sandbox.KindPlain {
				continue
			}
			if detail != "" && c.State != sandbox.StateRunning {
				out = c
				return sandbox.Errorf(sandbox.CodeCannotStart, "container", name, "detail", detail)
			}
			if wanted(c) {
				out = c
				return errSeen
			}
			return nil
		}
		return sandbox.Errorf(sandbox.CodeNotFound, "kind", sandbox.ManifestContainer, "name", name)
	})
	if errors.Is(err, errSeen) {
		return out, nil
	}
	return out, err
}

// failure is what the agent's moments say of a container that could not be started: the newest.
func failure(moments *sandbox.Moments, name, before string) string {
	if moments == nil {
		return before
	}
	for _, m := range moments.Items {
		switch {
		case m.Container != name:
		case m.Reason == "Failed":
			before = m.Params["detail"]
		case m.Reason == "Deleted": // an earlier one of the same name
			before = ""
		}
	}
	return before
}

func (p *program) listContainers(ctx context.Context, args []string) (int, error) {
	var all, quiet bool
	if _, _, err := (flags{bools: map[string]*bool{"a": &all, "all": &all, "q": &quiet, "quiet": &quiet}}).parse(args); err != nil {
		return 0, err
	}
	snapshot, err := p.agent.Snapshot(ctx)
	if err != nil {
		return 0, err
	}
	var plain []sandbox.Container
	for _, c := range snapshot.Containers {
		if c.Kind == sandbox.KindPlain && (all || c.State != sandbox.StateExited) {
			plain = append(plain, c)
		}
	}
	if quiet {
		for _, c := range plain {
			fmt.Fprintln(p.out, c.Name)
		}
		return 0, nil
	}
	return 0, containerTable(plain, snapshot).write(p.out)
}

// plainContainer finds a plain container by name.
func (p *program) plainContainer(ctx context.Context, name string) (sandbox.Container, error) {
	snapshot, err := p.agent.Snapshot(ctx)
	if err != nil {
		return sandbox.Container{}, err
	}
	for _, c := range snapshot.Containers {
		if c.ID == name && c.Kind == sandbox.KindPlain {
			return c, nil
		}
	}
	return sandbox.Container{}, sandbox.Errorf(sandbox.CodeNotFound, "kind", sandbox.ManifestContainer, "name", name)
}

func (p *program) removeContainers(ctx context.Context, args []string) (int, error) {
	var force bool
	names, _, err := flags{bools: map[string]*bool{"f": &force, "force": &force}}.parse(args)
	if err != nil {
		return 0, err
	}
	if len(names) == 0 {
		return 0, wrongUsage("which_container")
	}
	refs := make([]sandbox.Ref, 0, len(names))
	for _, name := range names {
		c, err := p.plainContainer(ctx, name)
		if err != nil {
			return 0, err
		}
		if c.State == sandbox.StateRunning && !force {
			p.complain(p.words.say("rm_running", "name", name))
			return exitFailed, nil
		}
		refs = append(refs, sandbox.Ref{Kind: sandbox.ManifestContainer, Name: name})
	}
	return p.deleteAll(ctx, refs, 0, false)
}

// stopContainers ends a container's first process as docker stop does: SIGTERM, and SIGKILL after a while. The container stays.
func (p *program) stopContainers(ctx context.Context, args []string) (int, error) {
	var wait []string
	names, _, err := flags{values: map[string]*[]string{"t": &wait, "time": &wait}}.parse(args)
	if err != nil {
		return 0, err
	}
	seconds, err := strconv.Atoi(last(wait, "10"))
	if err != nil || seconds < 0 || seconds > 3600 {
		return 0, wrongUsage("bad_number", "value", last(wait, ""))
	}
	if len(names) == 0 {
		return 0, wrongUsage("which_container")
	}
	for _, name := range names {
		if err := p.stop(ctx, name, seconds); err != nil {
			return 0, err
		}
		fmt.Fprintln(p.out, name)
	}
	return 0, nil
}

func (p *program) execContainer(ctx context.Context, args []string) (int, error) {
	var stdin, tty bool
	words, behind, err := flags{
		strict: true,
		bools:  map[string]*bool{"i": &stdin, "interactive": &stdin, "t": &tty, "tty": &tty},
	}.parse(args)
	if err != nil {
		return 0, err
	}
	words = append(words, behind...)
	switch len(words) {
	case 0:
		return 0, wrongUsage("which_container")
	case 1:
		return 0, wrongUsage("which_command")
	}
	argv := words[1:]
	if argv[0] == "--" && len(argv) > 1 {
		argv = argv[1:]
	}
	return p.exec(ctx, words[0], argv, stdin, tty)
}
