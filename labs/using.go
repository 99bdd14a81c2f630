package labs

import (
	"context"
	"io"
	"net"
	"sync"

	"podlab/sandbox"
)

// using is a node's agent that is awake whenever it is asked: each call thaws the node first and keeps it from being frozen, but for a
// terminal that only stands open.
type using struct {
	sandbox.Agent
	session *session
	gone    <-chan struct{} // the node is not this session's any more
}

func (u using) Apply(ctx context.Context, objects [][]byte) (out []sandbox.Applied, err error) {
	return out, u.awake(ctx, func() error { out, err = u.Agent.Apply(ctx, objects); return err })
}

func (u using) Get(ctx context.Context, ref sandbox.Ref) (out [][]byte, err error) {
	return out, u.awake(ctx, func() error { out, err = u.Agent.Get(ctx, ref); return err })
}

func (u using) Delete(ctx context.Context, ref sandbox.Ref, grace int64) error {
	return u.awake(ctx, func() error { return u.Agent.Delete(ctx, ref, grace) })
}

func (u using) Snapshot(ctx context.Context) (out sandbox.Snapshot, err error) {
	return out, u.awake(ctx, func() error { out, err = u.Agent.Snapshot(ctx); return err })
}

func (u using) Watch(ctx context.Context, poke <-chan struct{}, fn func(sandbox.Update) error) error {
	return u.awake(ctx, func() error { return u.Agent.Watch(ctx, poke, fn) })
}

func (u using) Exec(ctx context.Context, spec sandbox.ExecSpec, streams sandbox.Streams) (exit sandbox.Exit, err error) {
	return exit, u.awake(ctx, func() error { exit, err = u.Agent.Exec(ctx, spec, streams); return err })
}

func (u using) Attach(ctx context.Context, spec sandbox.AttachSpec, streams sandbox.Streams) (exit sandbox.Exit, err error) {
	return exit, u.awake(ctx, func() error { exit, err = u.Agent.Attach(ctx, spec, streams); return err })
}

func (u using) Logs(ctx context.Context, opt sandbox.LogOptions, out io.Writer) error {
	return u.awake(ctx, func() error { return u.Agent.Logs(ctx, opt, out) })
}

func (u using) CloseTerminal(ctx context.Context, id string) error {
	return u.awake(ctx, func() error { return u.Agent.CloseTerminal(ctx, id) })
}

func (u using) ReadFile(ctx context.Context, path string) (data []byte, err error) {
	return data, u.awake(ctx, func() error { data, err = u.Agent.ReadFile(ctx, path); return err })
}

func (u using) WriteFile(ctx context.Context, path string, data []byte) error {
	return u.awake(ctx, func() error { return u.Agent.WriteFile(ctx, path, data) })
}

func (u using) awake(ctx context.Context, call func() error) error {
	done, err := u.session.use(ctx, u.gone)
	if err != nil {
		return err
	}
	defer done()
	return call()
}

func (u using) Terminal(ctx context.Context, spec sandbox.TerminalSpec) (sandbox.Terminal, error) {
	var term sandbox.Terminal
	err := u.awake(ctx, func() (err error) { term, err = u.Agent.Terminal(ctx, spec); return err })
	if err != nil {
		return nil, err
	}
	return &usedTerminal{Terminal: term, ctx: ctx, by: u}, nil
}

// usedTerminal wakes its node by what is typed.
type usedTerminal struct {
	sandbox.Terminal
	ctx context.Context //nolint:containedctx // that of the attachment
	by  using
}

func (t *usedTerminal) Write(p []byte) (n int, err error) {
	return n, t.by.awake(t.ctx, func() error { n, err = t.Terminal.Write(p); return err })
}

func (t *usedTerminal) Resize(size sandbox.Size) error {
	return t.by.awake(t.ctx, func() error { return t.Terminal.Resize(size) })
}

// Dial counts as one call until the connection is closed.
func (u using) Dial(ctx context.Context, pod string, port int) (io.ReadWriteCloser, error) {
	done, err := u.session.use(ctx, u.gone)
	if err != nil {
		return nil, err
	}
	conn, err := u.Agent.Dial(ctx, pod, port)
	if err != nil {
		done()
		return nil, err
	}
	done = sync.OnceFunc(done)
	if c, ok := conn.(net.Conn); ok {
		return usedConn{c, done}, nil
	}
	return usedStream{conn, done}, nil
}

type usedConn struct {
	net.Conn
	done func()
}

func (c usedConn) Close() error {
	defer c.done()
	return c.Conn.Close()
}

type usedStream struct {
	io.ReadWriteCloser
	done func()
}

func (c usedStream) Close() error {
	defer c.done()
	return c.ReadWriteCloser.Close()
}
