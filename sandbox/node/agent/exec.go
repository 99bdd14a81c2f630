package agent

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/engine"
	"podlab/sandbox/internal/terminal"
	"podlab/sandbox/node/shell"
)

// drainPause is how long output may pause after a command ended before it counts as over: a child that it left behind may hold the
// pipe open for ever.
const drainPause = 100 * time.Millisecond

// Limits of a command line.
const (
	maxArgs     = 1024
	maxArgBytes = 128 << 10
)

func checkArgv(argv []string) error {
	bytes := 0
	for _, arg := range argv {
		bytes += len(arg)
		for i := range len(arg) {
			if arg[i] == 0 {
				return sandbox.Errorf(sandbox.CodeBadRequest, "detail", "argv")
			}
		}
	}
	if len(argv) == 0 || argv[0] == "" || len(argv) > maxArgs || bytes > maxArgBytes {
		return sandbox.Errorf(sandbox.CodeBadRequest, "detail", "argv")
	}
	return nil
}

// Exec runs a command to its end.
func (a *Agent) Exec(ctx context.Context, spec sandbox.ExecSpec, streams sandbox.Streams) (sandbox.Exit, error) {
	wait, err := a.Begin(ctx, spec, streams)
	if err != nil {
		return sandbox.Exit{}, err
	}
	return wait()
}

// Begin starts a command in a container or in the node. wait returns when it has ended and its output was written; when ctx ends
// the command is hung up.
func (a *Agent) Begin(ctx context.Context, spec sandbox.ExecSpec, streams sandbox.Streams) (wait func() (sandbox.Exit, error), err error) {
	if err := checkArgv(spec.Argv); err != nil {
		return nil, err
	}
	r := &run{agent: a, spec: spec, streams: streams}
	if spec.TTY {
		err = r.startTTY(ctx)
	} else {
		err = r.startPipes(ctx)
	}
	if err != nil {
		return nil, err
	}
	if spec.Container == "" {
		a.setExec(r.child.pid, spec.Hidden)
	}
	return func() (sandbox.Exit, error) {
		defer a.dropExec(r.child.pid)
		return r.wait(ctx)
	}, nil
}

// Attach joins a container's own streams to its end.
func (a *Agent) Attach(ctx context.Context, spec sandbox.AttachSpec, streams sandbox.Streams) (sandbox.Exit, error) {
	wait, err := a.BeginAttach(ctx, spec, streams)
	if err != nil {
		return sandbox.Exit{}, err
	}
	return wait()
}

// BeginAttach joins a container's own streams.
func (a *Agent) BeginAttach(ctx context.Context, spec sandbox.AttachSpec, streams sandbox.Streams) (wait func() (sandbox.Exit, error), err error) {
	defer a.trim.soon()
	return a.engine.Attach(ctx, spec, streams)
}

// setExec takes note of a command that runs in the node. The engine does so for those in containers.
func (a *Agent) setExec(pid int, hidden bool) {
	if hidden {
		a.moments.add(sandbox.Moment{Kind: sandbox.MomentHidden, PID: pid})
	}
	a.mu.Lock()
	a.execs[pid] = hidden
	a.mu.Unlock()
	a.watch.poke()
}

func (a *Agent) dropExec(pid int) {
	defer a.trim.soon()
	a.mu.Lock()
	delete(a.execs, pid)
	a.mu.Unlock()
	a.watch.poke()
}

// run is one command with its streams.
type run struct {
	agent   *Agent
	spec    sandbox.ExecSpec
	streams sandbox.Streams
	child   *child
	in      *os.File   // where Streams.In goes
	outs    []*os.File // what the command prints
	copies  sync.WaitGroup
}

// start starts the command with the given ends of pipes or, with a terminal, alone; it returns a pty's master.
func (r *run) start(ctx context.Context, stdin, stdout, stderr *os.File) (console *os.File, err error) {
	spec := r.spec
	if spec.Container != "" {
		p := engine.Process{Argv: spec.Argv, Stdin: stdin, Stdout: stdout, Stderr: stderr, Terminal: spec.TTY, Size: spec.Size, Hidden: spec.Hidden}
		if spec.TTY {
			p.Env = terminalEnv("")
		}
		running, err := r.agent.engine.Exec(ctx, spec.Container, p)
		if err != nil {
			return nil, err
		}
		r.child = newChild(running.PID, running.Start, running.Wait)
		return running.Console, nil
	}
	env := nodeEnv()
	if spec.TTY {
		var slave *os.File
		if console, slave, err = terminal.OpenPTY(spec.Size); err != nil {
			return nil, err
		}
		defer slave.Close()
		stdin, stdout, stderr = slave, slave, slave
		env = append(env, terminalEnv("")...)
	}
	r.child, err = startProcess(shell.Command(r.agent.cfg.Binary, spec.Hidden, Home, spec.Argv), env, []*os.File{stdin, stdout, stderr}, spec.TTY)
	if err != nil && console != nil {
		_ = console.Close()
	}
	return console, err
}

// startPipes starts the command with a pipe for each stream.
func (r *run) startPipes(ctx context.Context) (err error) {
	var theirs [3]*os.File
	defer func() {
		for _, f := range theirs {
			if f != nil {
				_ = f.Close()
			}
		}
		if err != nil {
			r.closeOurs()
		}
	}()
	if r.spec.Stdin && r.streams.In != nil {
		theirs[0], r.in, err = os.Pipe()
	} else {
		theirs[0], err = os.Open(os.DevNull)
	}
	if err != nil {
		return err
	}
	for i := 1; i <= 2; i++ {
		var ours *os.File
		if ours, theirs[i], err = os.Pipe(); err != nil {
			return err
		}
		r.outs = append(r.outs, ours)
	}
	if _, err = r.start(ctx, theirs[0], theirs[1], theirs[2]); err != nil {
		return err
	}
	r.sendInput(true)
	r.copyOut(r.outs[0], r.streams.Out)
	r.copyOut(r.outs[1], r.streams.Err)
	return nil
}

// startTTY starts the command on a pty of its own.
func (r *run) startTTY(ctx context.Context) error {
	console, err := r.start(ctx, nil, nil, nil)
	if err != nil {
		return err
	}
	master, err := terminal.Master(console)
	if err != nil {
		r.child.signal(syscall.SIGKILL)
		return err
	}
	r.in, r.outs = master, []*os.File{master}
	if r.spec.Stdin && r.streams.In != nil {
		r.sendInput(false)
	}
	r.copyOut(master, r.streams.Out)
	if r.streams.Resize != nil {
		go r.resize(master)
	}
	return nil
}

// resize follows the client's window until the command ends.
func (r *run) resize(master *os.File) {
	for {
		select {
		case size, ok := <-r.streams.Resize:
			if !ok {
				return
			}
			terminal.SetSize(master, size)
		case <-r.child.done:
			return
		}
	}
}

// sendInput copies standard input; a goroutine that ends with that input or when the command no longer reads. Its reader is the
// caller's to end.
func (r *run) sendInput(closeAtEnd bool) {
	if r.in == nil {
		return
	}
	in, from := r.in, r.streams.In
	go func() {
		_, _ = io.Copy(in, onlyReader{from}) // a command that does not read any more is no error
		if closeAtEnd {
			_ = in.Close()
		}
	}()
}

// onlyReader hides ReadFrom and WriteTo, which would splice from a descriptor that another may close.
type onlyReader struct{ io.Reader }

// copyOut copies what the command prints until it ends and its output pauses, or nobody takes it any more.
func (r *run) copyOut(from *os.File, to io.Writer) {
	ended := make(chan struct{})
	r.copies.Go(func() {
		defer close(ended)
		defer from.Close()
		if to == nil {
			to = io.Discard
		}
		buf := make([]byte, 32<<10)
		for {
			n, err := from.Read(buf)
			if n > 0 {
				if _, err := to.Write(buf[:n]); err != nil {
					return // closing our end tells the command by SIGPIPE
				}
			}
			if err != nil {
				return
			}
			select {
			case <-r.child.done:
				_ = from.SetReadDeadline(time.Now().Add(drainPause))
			default:
			}
		}
	})
	go func() {
		select {
		case <-r.child.done:
			_ = from.SetReadDeadline(time.Now().Add(drainPause))
		case <-ended:
		}
	}()
}

// wait returns when the command has ended and its output was written.
func (r *run) wait(ctx context.Context) (sandbox.Exit, error) {
	select {
	case <-r.child.done:
	case <-ctx.Done():
		r.child.hangup()
		<-r.child.done
	}
	r.copies.Wait()
	r.closeOurs()
	if ctx.Err() != nil {
		return sandbox.Exit{}, ctx.Err()
	}
	return r.child.exit, r.child.err
}

func (r *run) closeOurs() {
	files := r.outs
	if r.in != nil {
		files = append(files, r.in)
	}
	for _, f := range files {
		if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			r.agent.log.Debug("exec: close", "err", err)
		}
	}
}
