package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"

	"podlab/sandbox"
	"podlab/sandbox/wire"
)

// Agent is one node's agent behind the node's socket.
type Agent struct{ Socket string }

var _ sandbox.Agent = Agent{}

func (a Agent) Apply(ctx context.Context, objects [][]byte) (applied []sandbox.Applied, err error) {
	args := wire.ApplyArgs{}
	for _, o := range objects {
		args.Objects = append(args.Objects, o)
	}
	err = once(ctx, a.Socket, wire.VerbApply, args, &applied)
	return applied, err
}

func (a Agent) Get(ctx context.Context, ref sandbox.Ref) (objects [][]byte, err error) {
	var raw []json.RawMessage
	err = once(ctx, a.Socket, wire.VerbGet, ref, &raw)
	for _, object := range raw {
		objects = append(objects, object)
	}
	return objects, err
}

func (a Agent) Delete(ctx context.Context, ref sandbox.Ref, grace int64) error {
	return once(ctx, a.Socket, wire.VerbDelete, wire.DeleteArgs{Ref: ref, Grace: grace}, nil)
}

func (a Agent) Rest(ctx context.Context) (rests bool, err error) {
	conn, err := call(ctx, a.Socket, wire.VerbRest, nil, &rests)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	_, _ = conn.Read(make([]byte, 1)) // the kernel closes the agent's end when its memory is free
	return rests, ctx.Err()
}

func (a Agent) Snapshot(ctx context.Context) (s sandbox.Snapshot, err error) {
	err = once(ctx, a.Socket, wire.VerbSnapshot, nil, &s)
	return s, err
}

func (a Agent) Watch(ctx context.Context, poke <-chan struct{}, fn func(sandbox.Update) error) error {
	conn, err := call(ctx, a.Socket, wire.VerbWatch, nil, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	done := make(chan struct{})
	poked := make(chan struct{})
	go func() {
		defer close(poked)
		for {
			select {
			case <-done:
				return
			case _, ok := <-poke:
				if !ok || wire.Write(conn, wire.Poke, nil) != nil {
					return
				}
			}
		}
	}()
	defer func() { close(done); conn.Close(); <-poked }()
	pace := newPace()
	for {
		var update streamed[sandbox.Update]
		if err := update.read(ctx, conn); err != nil {
			return err
		}
		if err := pace.take(ctx, update.bytes, update.elements); err != nil {
			return ended(ctx, err)
		}
		if update.value.Moments != nil {
			own(update.value.Moments)
		}
		if err := fn(update.value); err != nil {
			return err
		}
	}
}

func (a Agent) Exec(ctx context.Context, spec sandbox.ExecSpec, streams sandbox.Streams) (sandbox.Exit, error) {
	spec.Stdin = streams.In != nil
	return a.join(ctx, wire.VerbExec, spec, streams)
}

func (a Agent) Attach(ctx context.Context, spec sandbox.AttachSpec, streams sandbox.Streams) (sandbox.Exit, error) {
	spec.Stdin = streams.In != nil
	return a.join(ctx, wire.VerbAttach, spec, streams)
}

// join makes a call whose streams are those of a process, until that has ended.
func (a Agent) join(ctx context.Context, verb string, spec any, streams sandbox.Streams) (sandbox.Exit, error) {
	conn, err := call(ctx, a.Socket, verb, spec, nil)
	if err != nil {
		return sandbox.Exit{}, err
	}
	defer conn.Close()
	// The sender ends when the connection closes or its input does; an input that blocks for ever (a terminal) is its caller's to close.
	go sendInput(conn, streams)
	for {
		kind, payload, err := wire.Read(conn, wire.MaxData)
		if err != nil {
			return sandbox.Exit{}, ended(ctx, err)
		}
		switch kind {
		case wire.Stdout:
			err = writeTo(streams.Out, payload)
		case wire.Stderr:
			err = writeTo(streams.Err, payload)
		case wire.Exit:
			var exit sandbox.Exit
			return exit, json.Unmarshal(payload, &exit)
		default:
			err = unexpected(kind)
		}
		if err != nil {
			return sandbox.Exit{}, err
		}
	}
}

func sendInput(conn net.Conn, streams sandbox.Streams) {
	if streams.Resize != nil {
		go func() {
			for size := range streams.Resize {
				if wire.WriteJSON(conn, wire.Resize, size) != nil {
					return
				}
			}
		}()
	}
	if streams.In == nil {
		return
	}
	buf := make([]byte, wire.MaxData)
	for {
		n, err := streams.In.Read(buf)
		if n > 0 && wire.Write(conn, wire.Stdin, buf[:n]) != nil {
			return
		}
		if err != nil {
			_ = wire.Write(conn, wire.Close, nil) // the other side may be gone already
			return
		}
	}
}

func writeTo(w io.Writer, data []byte) error {
	if w == nil {
		return nil
	}
	_, err := w.Write(data)
	return err
}

func (a Agent) Logs(ctx context.Context, opt sandbox.LogOptions, out io.Writer) error {
	conn, err := call(ctx, a.Socket, wire.VerbLogs, opt, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	for {
		_, payload, err := wire.Read(conn, wire.MaxData)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return ended(ctx, err)
		}
		if err := writeTo(out, payload); err != nil {
			return err
		}
	}
}

func (a Agent) CloseTerminal(ctx context.Context, id string) error {
	return once(ctx, a.Socket, wire.VerbHangup, wire.HangupArgs{ID: id}, nil)
}

func (a Agent) Dial(ctx context.Context, pod string, port int) (io.ReadWriteCloser, error) {
	return call(ctx, a.Socket, wire.VerbDial, wire.DialArgs{Pod: pod, Port: port}, nil)
}

func (a Agent) ReadFile(ctx context.Context, path string) (data []byte, err error) {
	err = once(ctx, a.Socket, wire.VerbReadFile, wire.FileArgs{Path: path}, &data)
	return data, err
}

func (a Agent) WriteFile(ctx context.Context, path string, data []byte) error {
	return once(ctx, a.Socket, wire.VerbWriteFile, wire.FileArgs{Path: path, Data: data}, nil)
}

// streamed is one message of a stream of JSON frames.
type streamed[T any] struct {
	value           T
	bytes, elements int // what it cost
}

// read takes the next message. A Reply with an error in it ends the stream with that error.
func (s *streamed[T]) read(ctx context.Context, r io.Reader) error {
	kind, payload, err := wire.Read(r, wire.MaxJSON)
	if err != nil {
		return ended(ctx, err)
	}
	if kind == wire.Exit {
		var e sandbox.Error
		if err := json.Unmarshal(payload, &e); err != nil {
			return err
		}
		return said(&e)
	}
	s.bytes = len(payload)
	s.elements, err = decode(payload, &s.value)
	return err
}

func unexpected(kind byte) error {
	return fmt.Errorf("frame of kind %q where it does not belong", kind)
}

func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return dialError(err)
}
