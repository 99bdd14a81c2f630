package client

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"sync"

	"podlab/sandbox"
	"podlab/sandbox/wire"
)

// terminal is one attachment: reads come from one goroutine, writes and resizes may come from others.
type terminal struct {
	conn    net.Conn
	ctx     context.Context
	replay  int
	sending sync.Mutex
	left    []byte
	exit    *sandbox.Exit
}

func (a Agent) Terminal(ctx context.Context, spec sandbox.TerminalSpec) (sandbox.Terminal, error) {
	var opened wire.TerminalOpened
	conn, err := call(ctx, a.Socket, wire.VerbTerminal, spec, &opened)
	if err != nil {
		return nil, err
	}
	return &terminal{conn: conn, ctx: ctx, replay: min(max(0, opened.Replay), maxReplay)}, nil
}

func (t *terminal) Replay() int { return t.replay }

func (t *terminal) Read(p []byte) (int, error) {
	for len(t.left) == 0 {
		kind, payload, err := wire.Read(t.conn, wire.MaxData)
		if err != nil {
			return 0, ended(t.ctx, err)
		}
		switch {
		case kind == wire.Stdout && len(payload) > 0:
			t.left = payload
		case kind == wire.Exit:
			t.exit = new(sandbox.Exit)
			if err := json.Unmarshal(payload, t.exit); err != nil {
				return 0, err
			}
			return 0, io.EOF
		default: // an endless row of frames with nothing in them would pass by the browser's window
			return 0, unexpected(kind)
		}
	}
	n := copy(p, t.left)
	t.left = t.left[n:]
	return n, nil
}

func (t *terminal) Write(p []byte) (int, error) { return t.send(wire.Stdin, p) }

func (t *terminal) Answer(p []byte) error {
	_, err := t.send(wire.Answered, p)
	return err
}

func (t *terminal) send(kind byte, p []byte) (int, error) {
	t.sending.Lock()
	defer t.sending.Unlock()
	for sent := 0; sent < len(p); {
		chunk := p[sent:min(sent+wire.MaxData, len(p))]
		if err := wire.Write(t.conn, kind, chunk); err != nil {
			return sent, ended(t.ctx, err)
		}
		sent += len(chunk)
	}
	return len(p), nil
}

func (t *terminal) Resize(size sandbox.Size) error {
	t.sending.Lock()
	defer t.sending.Unlock()
	return wire.WriteJSON(t.conn, wire.Resize, size)
}

func (t *terminal) Exit() (sandbox.Exit, bool) {
	if t.exit == nil {
		return sandbox.Exit{}, false
	}
	return *t.exit, true
}

func (t *terminal) Close() error { return t.conn.Close() }
