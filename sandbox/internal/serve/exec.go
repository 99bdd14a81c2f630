package serve

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/wire"
)

// goneEvery is how often a client is looked for while its command does not read what it sent.
const goneEvery = time.Second

// exec runs a command for the connection. A client that goes away hangs it up.
func (s *Server) exec(ctx context.Context, conn net.Conn, spec sandbox.ExecSpec) error {
	return s.join(ctx, conn, spec.Container, spec.Stdin, spec.TTY, func(ctx context.Context, streams sandbox.Streams) (waiter, error) {
		return s.Agent.Begin(ctx, spec, streams)
	})
}

// attach joins the connection with a container's own streams. A client that goes away detaches.
func (s *Server) attach(ctx context.Context, conn net.Conn, spec sandbox.AttachSpec) error {
	return s.join(ctx, conn, spec.Container, spec.Stdin, true, func(ctx context.Context, streams sandbox.Streams) (waiter, error) {
		return s.Agent.BeginAttach(ctx, spec, streams)
	})
}

// waiter returns when a process has ended and all its output was written.
type waiter = func() (sandbox.Exit, error)

// join connects a process's streams with the connection; resizes says whether it takes the size of the client's window.
func (s *Server) join(
	ctx context.Context, conn net.Conn, container string, stdin, resizes bool, begin func(context.Context, sandbox.Streams) (waiter, error),
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := &sender{conn: conn}
	// The command may print before Begin returns: its frames wait for the reply.
	gate := make(chan struct{})
	streams := sandbox.Streams{Out: gated{framed{out, wire.Stdout}, gate}, Err: gated{framed{out, wire.Stderr}, gate}}
	in := &input{frames: make(chan []byte), done: ctx.Done()}
	if stdin {
		streams.In = in
	}
	sizes := make(chan sandbox.Size, 1)
	if resizes {
		streams.Resize = sizes
	}
	wait, err := begin(ctx, streams)
	if sandbox.CodeOf(err) == sandbox.CodeInternal {
		s.Log.Error("streams", "container", container, "err", err)
	}
	answered := out.answer(nil, err)
	close(gate)
	if err != nil {
		return err
	}
	if answered != nil {
		cancel()
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer cancel()
		s.execInput(ctx, conn, in, sizes)
	})
	defer func() { _ = conn.Close(); reading.Wait() }()
	exit, err := wait()
	if err != nil {
		return err
	}
	return out.sendJSON(wire.Exit, exit)
}

// execInput takes what the client sends to the command, until the client is gone.
func (s *Server) execInput(ctx context.Context, conn net.Conn, in *input, sizes chan sandbox.Size) {
	var once sync.Once
	closeInput := func() { once.Do(func() { close(in.frames) }) }
	defer closeInput()
	open := true
	frames(conn, func(kind byte, payload []byte) error {
		switch kind {
		case wire.Stdin:
			if open && len(payload) > 0 {
				return in.put(ctx, conn, payload)
			}
		case wire.Close:
			open = false
			closeInput()
		case wire.Resize:
			size, err := resized(payload)
			if err != nil {
				return err
			}
			latest(sizes, size)
		}
		return nil
	})
}

// latest puts v into a channel of one, in place of what is there. It has one sender.
func latest[T any](c chan T, v T) {
	select {
	case <-c:
	default:
	}
	c <- v
}

// gated is a writer that waits for the reply to be sent.
type gated struct {
	to   io.Writer
	gate <-chan struct{}
}

func (g gated) Write(p []byte) (int, error) {
	<-g.gate
	return g.to.Write(p)
}

// input is a command's standard input, one frame at a time.
type input struct {
	frames chan []byte
	done   <-chan struct{}
	left   []byte
}

func (i *input) Read(p []byte) (int, error) {
	for len(i.left) == 0 {
		select {
		case frame, ok := <-i.frames:
			if !ok {
				return 0, io.EOF
			}
			i.left = frame
		case <-i.done:
			return 0, io.EOF
		}
	}
	n := copy(p, i.left)
	i.left = i.left[n:]
	return n, nil
}

// put hands over one frame. While the command does not take it, it looks whether the client is still there.
func (i *input) put(ctx context.Context, conn net.Conn, frame []byte) error {
	for {
		select {
		case i.frames <- frame:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(goneEvery):
			if hungUp(conn) {
				return io.ErrUnexpectedEOF
			}
		}
	}
}
