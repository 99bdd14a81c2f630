package terminal

import (
	"errors"
	"io"
	"os"
	"time"

	"podlab/sandbox"
)

// Output that streams comes out of a pty in pieces of some 2–4 KiB, each of which would be a message of its own up to the screen: right
// behind a piece of at least streaming bytes, fewer than enough wait gather for more.
const (
	streaming = 2 << 10
	enough    = 32 << 10
	gather    = 2 * time.Millisecond
)

// typeFor is how long what is typed waits for a program that does not read; then it is dropped, as a full tty does.
const typeFor = 2 * time.Second

// answerFor is the same of a screen's answer, which what is typed waits behind. One that is dropped takes those of the next typeFor with it: a
// program that asks and asks, and does not read, delays nobody's typing.
const answerFor = 20 * time.Millisecond

// handOver is how long nobody answers when who did has gone: what another says then may be its answer to what is answered already.
const handOver = 500 * time.Millisecond

// attachment is one reader of a terminal.
type attachment struct {
	term    *term
	length  int  // of replay at first
	watches bool // and may not type

	// under term.mu
	replay []byte
	at     uint64
	wants  uint64 // waits until the ring's head is there
	moved  time.Time
	piece  int  // bytes read last
	looks  bool // later is set
	later  *time.Timer
	cut    bool
	came   uint64 // term.turn then
	typed  uint64 // term.turn when it typed last; 0 when it did not
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
		n := t.ring.head() - a.at
		a.wants = a.at + 1
		if n > 0 {
			if !a.gathers(int(n)) {
				return a.take(p[:min(uint64(len(p)), n)]), nil
			}
			a.wants = a.at + enough
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

// take fills p with what comes next. The caller holds term.mu.
func (a *attachment) take(p []byte) int {
	a.term.ring.read(p, a.at)
	a.at += uint64(len(p))
	a.moved, a.piece = time.Now(), len(p)
	a.term.wake.Broadcast()
	return len(p)
}

// gathers reports whether n bytes are too few to be read by now; it sees to it that the reader looks again in time. The caller holds term.mu.
func (a *attachment) gathers(n int) bool {
	wait := gather - time.Since(a.moved)
	if n >= enough || a.piece < streaming || wait <= 0 || a.term.exit != nil {
		return false
	}
	if !a.looks {
		a.looks = true
		if a.later == nil {
			a.later = time.AfterFunc(wait, a.look)
		} else {
			a.later.Reset(wait)
		}
	}
	return true
}

func (a *attachment) look() {
	a.term.mu.Lock()
	defer a.term.mu.Unlock()
	a.looks = false
	a.term.wake.Broadcast()
}

// Write types. What a program does not take within typeFor is dropped. Errors: denied to who only watches.
func (a *attachment) Write(p []byte) (int, error) {
	if a.watches {
		return 0, sandbox.Errorf(sandbox.CodeDenied)
	}
	t := a.term
	t.mu.Lock()
	t.turn++
	a.typed = t.turn
	t.mu.Unlock()
	t.typing.Lock()
	defer t.typing.Unlock()
	return t.write(p, typeFor)
}

// Answer types an answer where it is this attachment's turn to give it.
func (a *attachment) Answer(p []byte) error {
	if !a.answers() {
		return nil
	}
	t := a.term
	t.typing.Lock()
	defer t.typing.Unlock()
	if time.Since(t.deaf) < typeFor {
		return nil
	}
	began := time.Now()
	_, err := t.write(p, answerFor)
	if time.Since(began) >= answerFor {
		t.deaf = time.Now()
	}
	return err
}

// answers reports whether it is this one's turn to answer.
func (a *attachment) answers() bool {
	a.term.mu.Lock()
	defer a.term.mu.Unlock()
	return a.term.answerer() == a && time.Since(a.term.handed) >= handOver
}

// answerer is of all who may type the one that typed last, or came first where nobody has typed; nil when there is none. The caller holds t.mu.
func (t *term) answerer() (one *attachment) {
	for a := range t.attached {
		if !a.watches && (one == nil || a.typed > one.typed || a.typed == one.typed && a.came < one.came) {
			one = a
		}
	}
	return one
}

// write gives the program what it takes within a time, and drops the rest. The caller holds t.typing.
func (t *term) write(p []byte, within time.Duration) (int, error) {
	if err := t.master.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return 0, io.ErrClosedPipe
	}
	n, err := t.master.Write(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return len(p), nil
	}
	return n, err
}

// Resize sets the size for everyone; a size without columns or rows leaves it as it is. Errors: denied to who only watches.
func (a *attachment) Resize(size sandbox.Size) error {
	if a.watches {
		return sandbox.Errorf(sandbox.CodeDenied)
	}
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
	was, answered := t.attached[a], t.answerer() == a
	delete(t.attached, a)
	if answered && t.answerer() != nil {
		t.handed = time.Now()
	}
	if a.later != nil {
		a.later.Stop()
	}
	t.wake.Broadcast()
	t.release()
	t.mu.Unlock()
	if was {
		t.set.cfg.Changed()
	}
	return nil
}

// attach adds a reader that first gets the screen; nil when the terminal is over and its ring gone.
func (t *term) attach(size sandbox.Size, watches bool) *attachment {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left || t.unmapped {
		return nil
	}
	t.turn++
	a := &attachment{term: t, watches: watches, replay: t.ring.replay(), at: t.ring.head(), moved: time.Now(), came: t.turn}
	a.length = len(a.replay)
	t.attached[a] = true
	if t.exit == nil {
		if size.Cols > 0 && size.Rows > 0 {
			SetSize(t.master, size)
		}
		if mode := t.ring.now(); mode.fullScreen() || t.ring.tail > 0 { // the ring may not hold all that is on the screen any more
			redraw(t.master)
		}
	}
	return a
}

// wanted reports whether an attachment waits for what is in the ring by now. The caller holds t.mu.
func (t *term) wanted() bool {
	head := t.ring.head()
	for a := range t.attached {
		if head >= a.wants {
			return true
		}
	}
	return false
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
