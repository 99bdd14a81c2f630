package serve

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/wire"
)

// sender writes frames from several goroutines.
type sender struct {
	mu   sync.Mutex
	conn net.Conn
}

func (s *sender) send(kind byte, payload []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return wire.Write(s.conn, kind, payload)
}

func (s *sender) sendJSON(kind byte, v any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return wire.WriteJSON(s.conn, kind, v)
}

func (s *sender) answer(result any, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return wire.Answer(s.conn, result, err)
}

// framed is a writer that makes frames of one kind.
type framed struct {
	to   *sender
	kind byte
}

func (f framed) Write(p []byte) (int, error) {
	for sent := 0; sent < len(p); {
		chunk := p[sent:min(sent+wire.MaxData, len(p))]
		if err := f.to.send(f.kind, chunk); err != nil {
			return sent, err
		}
		sent += len(chunk)
	}
	return len(p), nil
}

// late sends the reply of a stream right before its first bytes, so that an error before them can still be the reply.
type late struct {
	framed
	once sync.Once
	err  error
}

func (l *late) Write(p []byte) (int, error) {
	l.once.Do(func() { l.err = l.to.answer(nil, nil) })
	if l.err != nil {
		return 0, l.err
	}
	return l.framed.Write(p)
}

// frames calls fn with every frame that the client sends, until it hangs up or fn fails.
func frames(conn net.Conn, fn func(kind byte, payload []byte) error) {
	for {
		kind, payload, err := wire.Read(conn, maxInput)
		if err != nil || fn(kind, payload) != nil {
			return
		}
	}
}

func resized(payload []byte) (sandbox.Size, error) {
	var size sandbox.Size
	return size, json.Unmarshal(payload, &size)
}

// watch streams updates; a poke makes the agent look again.
func (s *Server) watch(ctx context.Context, conn net.Conn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := &sender{conn: conn}
	if err := out.answer(nil, nil); err != nil {
		return err
	}
	poke := make(chan struct{}, 1)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer cancel()
		frames(conn, func(kind byte, _ []byte) error {
			if kind == wire.Poke {
				select {
				case poke <- struct{}{}:
				default: // one is waiting already
				}
			}
			return nil
		})
	})
	defer func() { _ = conn.Close(); reading.Wait() }()
	return s.Agent.Watch(ctx, poke, func(u sandbox.Update) error { return out.sendJSON(wire.JSON, u) })
}

// logs streams a log. Without follow the end of the log is the end of the connection.
func (s *Server) logs(ctx context.Context, conn net.Conn, opt sandbox.LogOptions) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var reading sync.WaitGroup
	reading.Go(func() {
		defer cancel()
		frames(conn, func(byte, []byte) error { return nil })
	})
	defer func() { _ = conn.Close(); reading.Wait() }()
	out := &late{framed: framed{to: &sender{conn: conn}, kind: wire.Stdout}}
	var err error
	if opt.Follow {
		// A log that is still empty must not keep the client waiting for its reply.
		reply := time.AfterFunc(100*time.Millisecond, func() { _, _ = out.Write(nil) })
		defer reply.Stop()
	}
	err = s.Agent.Logs(ctx, opt, out)
	out.once.Do(func() { out.err = out.to.answer(nil, err) })
	return errors.Join(err, out.err)
}

// terminal attaches the connection to a terminal.
func (s *Server) terminal(ctx context.Context, conn net.Conn, spec sandbox.TerminalSpec) error {
	out := &sender{conn: conn}
	term, err := s.Agent.Terminal(ctx, spec)
	if err != nil {
		if sandbox.CodeOf(err) == sandbox.CodeInternal {
			s.Log.Error("terminal", "target", spec.Target, "err", err)
		}
		return out.answer(nil, err)
	}
	var reading sync.WaitGroup
	defer func() { _ = conn.Close(); reading.Wait() }()
	defer term.Close()
	if err := out.answer(wire.TerminalOpened{Replay: term.Replay()}, nil); err != nil {
		return err
	}
	reading.Go(func() {
		defer term.Close()
		frames(conn, func(kind byte, payload []byte) error { return typed(term, kind, payload) })
	})
	buf := make([]byte, wire.MaxData)
	for {
		n, err := term.Read(buf)
		if n > 0 {
			if err := out.send(wire.Stdout, buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			exit, _ := term.Exit()
			return out.sendJSON(wire.Exit, exit)
		}
		if err != nil {
			return err
		}
	}
}

func typed(term sandbox.Terminal, kind byte, payload []byte) error {
	switch kind {
	case wire.Stdin:
		_, err := term.Write(payload)
		return err
	case wire.Answered:
		return term.Answer(payload)
	case wire.Resize:
		size, err := resized(payload)
		if err != nil {
			return err
		}
		return term.Resize(size)
	}
	return nil
}

// dial joins the connection with one into a pod.
func (s *Server) dial(ctx context.Context, conn net.Conn, a wire.DialArgs) error {
	if a.Port < 1 || a.Port > 65535 {
		return wire.Answer(conn, nil, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "port"))
	}
	far, err := s.Agent.Dial(ctx, a.Pod, a.Port)
	if err := wire.Answer(conn, nil, err); err != nil || far == nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = far.Close() })
	defer stop()
	defer far.Close()
	var sending sync.WaitGroup
	sending.Go(func() {
		_, _ = io.Copy(far, conn) // its end is the end of the client's half
		closeWrite(far)
	})
	_, err = io.Copy(conn, far)
	// The pod has said everything; what the client still sends has nobody to read it.
	_ = conn.Close()
	sending.Wait()
	return err
}

func closeWrite(c io.Closer) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	_ = c.Close()
}

// hungUp says whether the client closed its end, whatever of it is still unread.
func hungUp(conn net.Conn) bool {
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return false
	}
	raw, err := unixConn.SyscallConn()
	if err != nil {
		return true
	}
	gone := false
	err = raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}} //nolint:gosec // descriptors are small
		_, _ = unix.Poll(p, 0)
		gone = p[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return gone || err != nil
}
