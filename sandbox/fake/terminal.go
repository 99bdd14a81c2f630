package fake

import (
	"bytes"
	"context"
	"io"
	"path"
	"strings"
	"sync"

	"podlab/sandbox"
)

// screen is a terminal kept by the node: everything printed so far, and a line being typed.
type screen struct {
	agent  *Agent
	id     string
	target string
	where  Where
	pid    int

	mu       sync.Mutex
	wake     *sync.Cond
	output   []byte
	line     []byte
	size     sandbox.Size
	attached int
	cuts     int // how often everyone who was attached was cut off
	exit     *sandbox.Exit
}

func (a *Agent) Terminal(ctx context.Context, spec sandbox.TerminalSpec) (sandbox.Terminal, error) {
	if err := a.alive(); err != nil {
		return nil, err
	}
	where, err := a.where(spec.Target)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.terminals[spec.ID]
	if s == nil && spec.Watch {
		return nil, sandbox.Errorf(sandbox.CodeNotFound, "kind", "terminal", "name", spec.ID)
	}
	if s == nil {
		s = &screen{agent: a, id: spec.ID, target: spec.Target, where: where, pid: a.pid()}
		s.wake = sync.NewCond(&s.mu)
		s.output = []byte(s.prompt())
		a.terminals[spec.ID] = s
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attached++
	if !spec.Watch {
		s.size = spec.Size
	}
	a.touch()
	t := &attachment{screen: s, replay: len(s.output), cuts: s.cuts}
	t.stop = context.AfterFunc(ctx, func() { _ = t.Close() })
	return t, nil
}

func (a *Agent) CloseTerminal(_ context.Context, id string) error {
	a.mu.Lock()
	s := a.terminals[id]
	a.mu.Unlock()
	if s == nil {
		return sandbox.Errorf(sandbox.CodeNotFound, "kind", "terminal", "name", id)
	}
	s.end(sandbox.Exit{Code: 129, Signal: 1})
	return nil
}

// Print adds to what a terminal shows, as its program would. It reports whether there is such a terminal.
func (a *Agent) Print(terminal, text string) bool {
	a.mu.Lock()
	s := a.terminals[terminal]
	a.mu.Unlock()
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.print([]byte(text))
	return true
}

// Size is what a terminal was last resized to.
func (a *Agent) Size(terminal string) sandbox.Size {
	a.mu.Lock()
	s := a.terminals[terminal]
	a.mu.Unlock()
	if s == nil {
		return sandbox.Size{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}

func (s *screen) prompt() string {
	return "\x1b[1;32mroot@" + s.where.Hostname + "\x1b[0m:\x1b[1;34m~\x1b[0m# "
}

// print adds output. The caller holds s.mu.
func (s *screen) print(text []byte) {
	s.output = append(s.output, text...)
	s.wake.Broadcast()
}

func (s *screen) end(exit sandbox.Exit) {
	s.mu.Lock()
	if s.exit == nil {
		s.exit = &exit
	}
	s.wake.Broadcast()
	s.mu.Unlock()
	s.agent.mu.Lock()
	defer s.agent.mu.Unlock()
	delete(s.agent.terminals, s.id)
	s.agent.touch()
}

// cut ends every attachment with unavailable: the agent died, or the node. The caller holds a.mu.
func (a *Agent) cut() {
	for _, s := range a.terminals {
		s.mu.Lock()
		s.cuts++
		s.wake.Broadcast()
		s.mu.Unlock()
	}
}

// key takes one typed byte; it returns how the shell ended if that ended it.
func (s *screen) key(b byte) *sandbox.Exit {
	switch {
	case b == '\r' || b == '\n':
		line := strings.Fields(string(s.line))
		s.line = nil
		s.print([]byte("\r\n"))
		if len(line) > 0 && line[0] == "exit" {
			return &sandbox.Exit{}
		}
		s.command(line)
		s.print([]byte(s.prompt()))
	case b == 4 && len(s.line) == 0: // ^D
		s.print([]byte("exit\r\n"))
		return &sandbox.Exit{}
	case b == 3: // ^C
		s.line = nil
		s.print([]byte("^C\r\n" + s.prompt()))
	case b == 127 && len(s.line) > 0:
		s.line = s.line[:len(s.line)-1]
		s.print([]byte("\b \b"))
	case b >= ' ' && b != 127:
		s.line = append(s.line, b)
		s.print([]byte{b})
	}
	return nil
}

// command runs one line without standard input. The caller holds s.mu; commands that wait are for Exec.
func (s *screen) command(line []string) {
	if len(line) == 0 {
		return
	}
	command := s.agent.Commands[path.Base(line[0])]
	if command == nil {
		s.print([]byte(line[0] + ": not found\r\n"))
		return
	}
	var out bytes.Buffer
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	command(ctx, s.where, line, sandbox.Streams{Out: &out, Err: &out})
	s.print(bytes.ReplaceAll(out.Bytes(), []byte("\n"), []byte("\r\n")))
}

// attachment is one reader of a screen.
type attachment struct {
	screen *screen
	replay int
	seen   int
	cuts   int
	closed bool
	stop   func() bool
}

func (t *attachment) Replay() int { return t.replay }

func (t *attachment) Read(p []byte) (int, error) {
	s := t.screen
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if t.closed {
			return 0, io.ErrClosedPipe
		}
		if t.seen < len(s.output) {
			n := copy(p, s.output[t.seen:])
			t.seen += n
			return n, nil
		}
		if s.exit != nil {
			return 0, io.EOF
		}
		if t.cuts != s.cuts {
			return 0, sandbox.Errorf(sandbox.CodeUnavailable)
		}
		s.wake.Wait()
	}
}

func (t *attachment) Write(p []byte) (int, error) {
	s := t.screen
	s.mu.Lock()
	if s.exit != nil || t.closed {
		s.mu.Unlock()
		return 0, io.ErrClosedPipe
	}
	var ended *sandbox.Exit
	for _, b := range p {
		if ended = s.key(b); ended != nil {
			break
		}
	}
	s.mu.Unlock()
	if ended != nil {
		s.end(*ended)
	}
	return len(p), nil
}

// Answer is dropped: no program here reads one.
func (t *attachment) Answer([]byte) error { return nil }

func (t *attachment) Resize(size sandbox.Size) error {
	t.screen.mu.Lock()
	t.screen.size = size
	t.screen.mu.Unlock()
	t.screen.agent.mu.Lock()
	defer t.screen.agent.mu.Unlock()
	t.screen.agent.touch()
	return nil
}

func (t *attachment) Exit() (sandbox.Exit, bool) {
	t.screen.mu.Lock()
	defer t.screen.mu.Unlock()
	if t.screen.exit == nil {
		return sandbox.Exit{}, false
	}
	return *t.screen.exit, true
}

func (t *attachment) Close() error {
	s := t.screen
	s.mu.Lock()
	if t.stop != nil {
		t.stop()
	}
	if t.closed {
		s.mu.Unlock()
		return nil
	}
	t.closed = true
	s.attached--
	s.wake.Broadcast()
	s.mu.Unlock()
	s.agent.mu.Lock()
	defer s.agent.mu.Unlock()
	s.agent.touch()
	return nil
}
