package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/network"
	"podlab/sandbox/internal/pidfd"
)

// Process is a command to run in a living container.
type Process struct {
	Argv     []string
	Env      []string // added to the container's own
	Cwd      string   // default: the container's
	Stdin    *os.File // nil is /dev/null; with Terminal all three are ignored
	Stdout   *os.File
	Stderr   *os.File
	Terminal bool // a pty: see Running.Console
	Size     sandbox.Size
	Hidden   bool // a check's probe: it runs in the container's group HiddenCgroup
}

// Running is a command started by Exec.
type Running struct {
	PID     int
	Start   uint64   // field 22 of /proc/PID/stat: for Keeper.WaitOrphan in a later life of the agent
	Console *os.File // pty master, when asked for; the caller owns it

	done chan struct{}
	exit sandbox.Exit
	err  error
}

// Wait returns how the command ended. It may be called more than once.
func (r *Running) Wait() (sandbox.Exit, error) {
	<-r.done
	return r.exit, r.err
}

// Exec starts a command in a living container. Errors: not_found, not_running, cannot_start.
func (e *Engine) Exec(ctx context.Context, id string, p Process) (*Running, error) {
	if len(p.Argv) == 0 {
		return nil, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "no command")
	}
	c, err := e.borrow(ctx, id)
	if err != nil {
		return nil, err
	}
	process, err := c.process(p)
	if err != nil {
		return nil, err
	}
	r := &Running{done: make(chan struct{})}
	if err := r.start(c, process, p); err != nil {
		return nil, notStarted(id, p.Argv[0], err)
	}
	if p.Hidden {
		e.hide(r.PID)
	}
	go func() { // ends with the process, which is waited for whether or not the caller does
		defer close(r.done)
		r.wait(process)
		e.reveal(r.PID)
	}()
	return r, nil
}

// borrowed is what Exec needs of a container.
type borrowed struct {
	lc     *libcontainer.Container
	cgroup string
	env    []string
	cwd    string
	uid    int
	gid    int
}

// borrow asks the container's unit for what Exec needs.
func (e *Engine) borrow(ctx context.Context, id string) (*borrowed, error) {
	v, _, ok := e.find(id)
	if !ok {
		return nil, sandbox.Errorf(sandbox.CodeNotFound, "kind", sandbox.ManifestContainer, "name", id)
	}
	e.mu.Lock()
	u := e.units[v.record.Object.Ref]
	e.mu.Unlock()
	var b *borrowed
	if u == nil {
		return nil, sandbox.Errorf(sandbox.CodeNotFound, "kind", sandbox.ManifestContainer, "name", id)
	}
	err := u.do(ctx, func() (err error) {
		b, err = u.lend(id)
		return err
	})
	return b, err
}

func (u *unit) lend(id string) (*borrowed, error) {
	for _, c := range u.apps {
		if c.id() != id {
			continue
		}
		if c.run.State != running || c.alive.lc == nil {
			return nil, sandbox.Errorf(sandbox.CodeNotRunning, "kind", sandbox.ManifestContainer, "name", id)
		}
		img, err := u.engine.cfg.Images.Lookup(c.run.Image)
		if err != nil {
			return nil, err
		}
		p, err := c.process(img.Config)
		if p == nil {
			return nil, err
		}
		return &borrowed{lc: c.alive.lc, cgroup: c.cgroup(), env: p.Env, cwd: p.Cwd, uid: p.UID, gid: p.GID}, nil
	}
	// Infra has no shell, and its root nothing but pause.
	return nil, sandbox.Errorf(sandbox.CodeNotFound, "kind", sandbox.ManifestContainer, "name", id)
}

func (b *borrowed) process(p Process) (*libcontainer.Process, error) {
	out := &libcontainer.Process{Args: p.Argv, Env: b.env, Cwd: b.cwd, UID: b.uid, GID: b.gid}
	if p.Terminal {
		out.Env = set(out.Env, "TERM", "xterm-256color")
	}
	for _, pair := range p.Env {
		if name, value, ok := strings.Cut(pair, "="); ok {
			out.Env = set(out.Env, name, value)
		}
	}
	if p.Cwd != "" {
		out.Cwd = p.Cwd
	}
	if p.Hidden {
		if err := makeGroup(filepath.Join(b.cgroup, HiddenCgroup)); err != nil {
			return nil, err
		}
		out.SubCgroupPaths = map[string]string{"": HiddenCgroup}
	}
	return out, nil
}

// start runs the process with the given streams, or with a pty of its own.
func (r *Running) start(b *borrowed, process *libcontainer.Process, p Process) error {
	var console *consoleSocket
	if p.Terminal {
		var err error
		if console, err = newConsoleSocket(); err != nil {
			return err
		}
		defer console.close()
		process.ConsoleSocket = console.theirs
		process.ConsoleWidth, process.ConsoleHeight = p.Size.Cols, p.Size.Rows
	} else {
		connectStdio(process, p)
	}
	if err := b.lc.Run(process); err != nil {
		return err
	}
	r.PID, _ = process.Pid() // it has one: it was started
	r.Start = startTime(r.PID)
	if console != nil {
		master, err := console.receive()
		if err != nil {
			_ = process.Signal(unix.SIGKILL)
			_, _ = process.Wait() // it was killed: how it ended says nothing
			return err
		}
		r.Console = master
	}
	return nil
}

// connectStdio avoids nil *os.File in interfaces, which os/exec would take for readers of its own.
func connectStdio(process *libcontainer.Process, p Process) {
	if p.Stdin != nil {
		process.Stdin = p.Stdin
	}
	if p.Stdout != nil {
		process.Stdout = p.Stdout
	}
	if p.Stderr != nil {
		process.Stderr = p.Stderr
	}
}

func (r *Running) wait(process *libcontainer.Process) {
	if f, err := pidfd.Open(r.PID); err == nil { // else the wait below costs a thread
		_ = pidfd.Wait(f)
		f.Close()
	}
	state, err := process.Wait()
	if state == nil {
		r.err = err
		return
	}
	r.exit.Code, r.exit.Signal = exitCode(state.Sys().(syscall.WaitStatus))
}

// startDetail is the last part of libcontainer's chain: what the kernel or the path search said.
func startDetail(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, "exec: "); i >= 0 {
		return text[i+len("exec: "):]
	}
	return text
}

// notStarted is cannot_start, with the reason where it is the command's own.
func notStarted(id, command string, err error) *sandbox.Error {
	e := sandbox.Errorf(sandbox.CodeCannotStart, "container", id, "command", command, "detail", startDetail(err))
	switch cannotRunCode(err) {
	case 127:
		e.Params["reason"] = sandbox.StartNotFound
	case 126:
		e.Params["reason"] = sandbox.StartDenied
	}
	return e.Because(err)
}

// hide tells readers of moments and snapshots to leave out a check's probe.
func (e *Engine) hide(pid int) {
	e.mu.Lock()
	e.hidden[pid] = true
	e.mu.Unlock()
	e.emit(sandbox.Moment{Kind: sandbox.MomentHidden, PID: pid})
}

func (e *Engine) reveal(pid int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.hidden, pid)
}

// Logs writes a container's log to out. Errors: not_found, waiting.
func (e *Engine) Logs(ctx context.Context, opt sandbox.LogOptions, out io.Writer) error {
	v, s, ok := e.find(opt.Container)
	if !ok || s.Kind == sandbox.KindInfra {
		return sandbox.Errorf(sandbox.CodeNotFound, "kind", sandbox.ManifestContainer, "name", opt.Container)
	}
	attempt, err := v.logged(s, opt.Previous)
	if err != nil {
		return err
	}
	var running func() bool
	if opt.Follow && !opt.Previous {
		running = func() bool {
			v, s, ok := e.find(opt.Container)
			return ok && s.State == sandbox.StateRunning && v.run(s.ID).Attempt == attempt
		}
	}
	return readLog(ctx, v.logPath(s.Name, attempt), opt, out, running)
}

// logged is the start whose log is asked for: the last one, or the one before. A container that waits for its first has none.
func (v *view) logged(s Subject, previous bool) (attempt int, err error) {
	r := v.run(s.ID)
	switch {
	case r == nil || previous && r.Attempt < 2:
		return 0, sandbox.Errorf(sandbox.CodeNotFound, "kind", "previous", "name", s.ID)
	case previous:
		return r.Attempt - 1, nil
	case r.State == waiting && r.Last.Terminated == nil:
		e := sandbox.Errorf(sandbox.CodeWaiting, "container", s.Name, "reason", r.Reason)
		if s.Pod != "" {
			e.Params["pod"] = s.Pod
		}
		return 0, e
	}
	return r.Attempt, nil
}

// Dial opens a TCP connection to a port of a pod or plain container, from inside its network namespace: what listens on its
// loopback is reached too. An empty name is the node itself.
func (e *Engine) Dial(ctx context.Context, name string, port int) (net.Conn, error) {
	if name == "" {
		return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}
	for _, v := range e.views() {
		if v.record.Object.Ref.Name != name {
			continue
		}
		for _, s := range v.subject {
			if s.PID != 0 {
				conn, err := network.Dial(ctx, s.PID, v.record.Address, port)
				if errors.Is(err, unix.ECONNREFUSED) {
					return nil, sandbox.Errorf(sandbox.CodeNotRunning, "kind", "port", "name", strconv.Itoa(port)).Because(err)
				}
				return conn, err
			}
		}
		return nil, sandbox.Errorf(sandbox.CodeNotRunning, "kind", v.record.Object.Ref.Kind, "name", name)
	}
	return nil, sandbox.Errorf(sandbox.CodeNotFound, "kind", sandbox.ManifestPod, "name", name)
}
