// Package serve is the agent's side of package wire: it lets a sandbox.Agent be asked over a socket.
//
// Whoever connects is root of the node or the host's server; still every request is bounded: its size, the time until it is
// there, and how many connections there are. Each connection is one call with one goroutine, and a second one that reads while a
// call streams; both have ended when Serve returns.
package serve

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/wire"
)

// Limits.
const (
	maxRequest = 1 << 20   // bytes of the first frame
	maxStream  = 128 << 10 // bytes of that of a call that streams, which may go on for hours
	maxSmall   = 16 << 10  // bytes of one that does not wait until there is room for it
	maxLarge   = 2         // requests of more on one listener, until they are answered: each takes some ten times as much
	maxInput   = wire.MaxData
	firstFrame = 5 * time.Second
)

// Agent is what is served: a sandbox.Agent whose Exec is in two parts, since the reply goes out when the command has started.
type Agent interface {
	sandbox.Agent
	// Begin starts a command; wait returns when it has ended and all its output was written. When ctx ends it is hung up.
	Begin(ctx context.Context, spec sandbox.ExecSpec, streams sandbox.Streams) (wait func() (sandbox.Exit, error), err error)
	// BeginAttach attaches to a container; wait is as Attach. When ctx ends it is detached.
	BeginAttach(ctx context.Context, spec sandbox.AttachSpec, streams sandbox.Streams) (wait func() (sandbox.Exit, error), err error)
	// BeginRest reports whether the agent can rest; end ends it.
	BeginRest() (end func(), ok bool)
}

// Server serves an agent on any number of listeners.
type Server struct {
	Agent Agent
	Log   *slog.Logger

	calls atomic.Int32 // that run
	last  *os.File     // keeps the connection of the call that ended the agent open until the process is gone
}

// Serve answers until ctx ends or the listener fails; at most limit connections at a time.
func (s *Server) Serve(ctx context.Context, l net.Listener, limit int) error {
	ctx, cancel := context.WithCancel(ctx)
	var calls sync.WaitGroup
	defer calls.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	seats, large := make(chan struct{}, limit), make(chan struct{}, maxLarge)
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return ctx.Err()
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil { // out of descriptors, most likely: they come back
			s.Log.Warn("accept", "err", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		select {
		case seats <- struct{}{}:
			calls.Go(func() {
				defer func() { <-seats }()
				s.call(ctx, conn, large)
			})
		default:
			_ = conn.SetDeadline(time.Now().Add(time.Second))
			_ = wire.Answer(conn, nil, sandbox.Errorf(sandbox.CodeUnavailable, "what", "connections"))
			_ = conn.Close()
		}
	}
}

// call serves one connection. large has a place for each large request.
func (s *Server) call(ctx context.Context, conn net.Conn, large chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	request, leave, err := receive(ctx, conn, large)
	defer leave()
	if err != nil {
		if !errors.Is(err, io.EOF) {
			_ = wire.Answer(conn, nil, err)
		}
		return
	}
	s.calls.Add(1)
	defer s.calls.Add(-1)
	if err := s.dispatch(ctx, conn, request); err != nil && ctx.Err() == nil {
		s.Log.Debug("call", "verb", request.Verb, "err", err)
	}
}

// streams are the verbs whose calls go on after their reply.
var streams = []string{wire.VerbWatch, wire.VerbExec, wire.VerbAttach, wire.VerbLogs, wire.VerbTerminal, wire.VerbDial}

// receive reads the request. leave gives its place among the large ones back, if it has one.
func receive(ctx context.Context, conn net.Conn, large chan struct{}) (request wire.Request, leave func(), err error) {
	leave = func() {}
	_ = conn.SetReadDeadline(time.Now().Add(firstFrame))
	kind, n, err := wire.ReadHead(conn, maxRequest)
	if errors.Is(err, io.EOF) {
		return request, leave, err
	}
	if err != nil || kind != wire.JSON {
		return request, leave, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "frame").Because(err)
	}
	if n > maxSmall {
		select {
		case large <- struct{}{}:
			leave = sync.OnceFunc(func() { <-large })
		case <-time.After(firstFrame):
			return request, leave, sandbox.Errorf(sandbox.CodeUnavailable, "what", "connections")
		case <-ctx.Done():
			return request, leave, ctx.Err()
		}
		_ = conn.SetReadDeadline(time.Now().Add(firstFrame))
	}
	payload, err := wire.ReadBody(conn, n)
	if err != nil {
		return request, leave, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "frame").Because(err)
	}
	_ = conn.SetReadDeadline(time.Time{})
	if _, err = wire.Weigh(payload); err == nil {
		err = json.Unmarshal(payload, &request)
	}
	stream := slices.Contains(streams, request.Verb)
	if err != nil || stream && n > maxStream {
		return request, leave, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "request").Because(err)
	}
	if stream {
		leave()
	}
	return request, leave, nil
}

// args reads a verb's arguments.
func args[T any](request wire.Request) (T, error) {
	var out T
	if len(request.Args) == 0 {
		return out, nil
	}
	if err := json.Unmarshal(request.Args, &out); err != nil {
		return out, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "arguments").Because(err)
	}
	return out, nil
}

// plain answers a verb that does not stream.
func plain[T any](s *Server, conn net.Conn, request wire.Request, do func(T) (any, error)) error {
	in, err := args[T](request)
	var out any
	if err == nil {
		out, err = do(in)
	}
	if sandbox.CodeOf(err) == sandbox.CodeInternal {
		s.Log.Error("call", "verb", request.Verb, "err", err)
	}
	return wire.Answer(conn, out, err)
}

// stream checks a verb's arguments; the verb answers for itself.
func stream[T any](conn net.Conn, request wire.Request, do func(T) error) error {
	in, err := args[T](request)
	if err != nil {
		return wire.Answer(conn, nil, err)
	}
	return do(in)
}

func (s *Server) dispatch(ctx context.Context, conn net.Conn, r wire.Request) error {
	agent := s.Agent
	switch r.Verb {
	case wire.VerbApply:
		return plain(s, conn, r, func(a wire.ApplyArgs) (any, error) {
			objects := make([][]byte, 0, len(a.Objects))
			for _, o := range a.Objects {
				objects = append(objects, o)
			}
			return agent.Apply(ctx, objects)
		})
	case wire.VerbGet:
		return plain(s, conn, r, func(ref sandbox.Ref) (any, error) {
			objects, err := agent.Get(ctx, ref)
			raw := make([]json.RawMessage, 0, len(objects))
			for _, object := range objects {
				raw = append(raw, object)
			}
			return raw, err
		})
	case wire.VerbDelete:
		return plain(s, conn, r, func(a wire.DeleteArgs) (any, error) { return nil, agent.Delete(ctx, a.Ref, a.Grace) })
	case wire.VerbSnapshot:
		return plain(s, conn, r, func(struct{}) (any, error) { return agent.Snapshot(ctx) })
	case wire.VerbHangup:
		return plain(s, conn, r, func(a wire.HangupArgs) (any, error) { return nil, agent.CloseTerminal(ctx, a.ID) })
	case wire.VerbRest:
		return s.rest(conn)
	case wire.VerbReadFile:
		return plain(s, conn, r, func(a wire.FileArgs) (any, error) { return agent.ReadFile(ctx, a.Path) })
	case wire.VerbWriteFile:
		return plain(s, conn, r, func(a wire.FileArgs) (any, error) { return nil, agent.WriteFile(ctx, a.Path, a.Data) })
	case wire.VerbWatch:
		return s.watch(ctx, conn)
	case wire.VerbExec:
		return stream(conn, r, func(a sandbox.ExecSpec) error { return s.exec(ctx, conn, a) })
	case wire.VerbAttach:
		return stream(conn, r, func(a sandbox.AttachSpec) error { return s.attach(ctx, conn, a) })
	case wire.VerbLogs:
		return stream(conn, r, func(a sandbox.LogOptions) error { return s.logs(ctx, conn, a) })
	case wire.VerbTerminal:
		return stream(conn, r, func(a sandbox.TerminalSpec) error { return s.terminal(ctx, conn, a) })
	case wire.VerbDial:
		return stream(conn, r, func(a wire.DialArgs) error { return s.dial(ctx, conn, a) })
	}
	return wire.Answer(conn, nil, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "verb"))
}

// rest ends the agent behind the answer, if this call is the only one.
func (s *Server) rest(conn net.Conn) error {
	end, ok := s.Agent.BeginRest()
	if unix, is := conn.(*net.UnixConn); ok && is && s.calls.Load() == 1 {
		s.last, _ = unix.File() // without, the caller is only told too early
	} else {
		ok = false
	}
	err := wire.Answer(conn, ok, nil)
	if ok {
		end()
	}
	return err
}
