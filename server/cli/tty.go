package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"podlab/sandbox"
)

// tty is the operator's own terminal in raw mode, so that every key goes to the other side.
type tty struct {
	fd    int
	saved *term.State
}

var errNoTTY = errors.New("standard input is not a terminal")

// openTTY puts standard input into raw mode.
func (e *env) openTTY() (*tty, error) {
	file, ok := e.In.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil, errNoTTY
	}
	saved, err := term.MakeRaw(int(file.Fd()))
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	return &tty{fd: int(file.Fd()), saved: saved}, nil
}

func (t *tty) close() { _ = term.Restore(t.fd, t.saved) } // the program ends next

func (t *tty) size() sandbox.Size {
	cols, rows, err := term.GetSize(t.fd)
	if err != nil || cols <= 0 || rows <= 0 || cols > 1000 || rows > 1000 {
		return sandbox.Size{Cols: 80, Rows: 24}
	}
	return sandbox.Size{Cols: uint16(cols), Rows: uint16(rows)}
}

// sizes gives the new size each time the window changes, until ctx ends.
func (t *tty) sizes(ctx context.Context) <-chan sandbox.Size {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	out := make(chan sandbox.Size)
	go func() {
		defer close(out)
		defer signal.Stop(changed)
		for {
			select {
			case <-ctx.Done():
				return
			case <-changed:
			}
			select {
			case <-ctx.Done():
				return
			case out <- t.size():
			}
		}
	}()
	return out
}
