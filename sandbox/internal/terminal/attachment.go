package terminal

import (
	"errors"
	"io"
	"os"
	"time"

	"podlab/sandbox"
)

// typeFor is how long what is typed waits for a program that does not read; then it is dropped, as a full tty does.
const typeFor = 2 * time.Second

// attachment is one reader of a terminal.
type attachment struct {
	term   *term
	length int // of replay at first

	// under term.mu
	replay []byte
	at     uint64
	moved  time.Time
	cut    bool
}

var _ sandbox.Terminal = (*attachment)(nil)

func (a *attachment) Replay() int { return a.length }

func (a *attachment) Read(p []byte) (int, error) {
	t := a.term
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		if len(a.replay) > 0 {
			n := copy(p, a.replay)
			a.replay = a.replay[n:]
			return n, nil
		}
		if a.cut || !t.attached[a] {
			return 0, sandbox.Errorf(sandbox.CodeUnavailable).Because(io.ErrClosedPipe)
		}
		if n := min(uint64(len(p)), t.ring.head()-a.at); n > 0 {
			t.ring.read(p[:n], a.at)
			a.at += n
			a.moved = time.Now()
			t.wake.Broadcast()
			return int(n), nil
		}
		switch {
		case t.exit != nil:
			return 0, io.EOF
		case t.left:
			return 0, sandbox.Errorf(sandbox.CodeUnavailable)
		}
		t.wake.Wait()
	}
}

// Write types. What a program does not take within typeFor is dropped.
func (a *attachment) Write(p []byte) (int, error) {
	t := a.term
	t.typing.Lock()
	defer t.typing.Unlock()
	if err := t.master.SetWriteDeadline(time.Now().Add(typeFor)); err != nil {
		return 0, io.ErrClosedPipe
	}
	n, err := t.master.Write(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return len(p), nil
	}
	return n, err
}

// Resize sets the size for everyone; a size without columns or rows leaves it as it is.
func (a *attachment) Resize(size sandbox.Size) error {
	if size.Cols > 0 && size.Rows > 0 {
		SetSize(a.term.master, size)
		a.term.set.cfg.Changed()
	}
	return nil
}

func (a *attachment) Exit() (sandbox.Exit, bool) {
	a.term.mu.Lock()
	defer a.term.mu.Unlock()
	if a.term.exit == nil {
		return sandbox.Exit{}, false
	}
	return *a.term.exit, true
}

// Close detaches.
func (a *attachment) Close() error {
	t := a.term
	t.mu.Lock()
	was := t.attached[a]
	delete(t.attached, a)
	t.wake.Broadcast()
	t.release()
	t.mu.Unlock()
	if was {
		t.set.cfg.Changed()
	}
	return nil
}

// attach adds a reader that first gets the screen; nil when the terminal is over and its ring gone.
func (t *term) attach(size sandbox.Size) *attachment {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left || t.unmapped {
		return nil
	}
	a := &attachment{term: t, replay: t.ring.replay(), at: t.ring.head(), moved: time.Now()}
	a.length = len(a.replay)
	t.attached[a] = true
	if t.exit == nil {
		if size.Cols > 0 && size.Rows > 0 {
			SetSize(t.master, size)
		}
		if mode := t.ring.now(); mode.fullScreen() {
			redraw(t.master)
		}
	}
	return a
}

// waitForSlowest blocks while an attachment is too far behind. The caller holds t.mu.
func (t *term) waitForSlowest() {
	var since time.Time
	var timer *time.Timer
	for !t.left && t.behind() != nil {
		if timer == nil {
			since = time.Now()
			timer = time.AfterFunc(stuckAfter, func() {
				t.mu.Lock()
				defer t.mu.Unlock()
				t.wake.Broadcast()
			})
			defer timer.Stop()
		}
		if time.Since(since) >= stuckAfter {
			t.dropStuck(since)
			since = time.Now()
			timer.Reset(stuckAfter)
			continue
		}
		t.wake.Wait()
	}
}

// behind returns an attachment that is too far behind, nil when there is none.
func (t *term) behind() *attachment {
	head := t.ring.head()
	for a := range t.attached {
		if head-a.at > maxLag {
			return a
		}
	}
	return nil
}

// dropStuck detaches those that have held up others since then without reading anything; the last one is let be.
func (t *term) dropStuck(since time.Time) {
	head := t.ring.head()
	for a := range t.attached {
		if len(t.attached) > 1 && head-a.at > maxLag && a.moved.Before(since) {
			a.cut = true
			delete(t.attached, a)
			t.wake.Broadcast()
		}
	}
}
