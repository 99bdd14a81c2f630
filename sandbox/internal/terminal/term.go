package terminal

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"podlab/sandbox"
)

// What is still read of a pty after its program ended: others may hold it open and print for ever.
const (
	drainPause = 50 * time.Millisecond
	drainLimit = 128 << 10
)

// typeFor is how long what is typed waits for a program that does not read; then it is dropped, as a full tty does.
const typeFor = 2 * time.Second

// hangupGrace is how long a program has between SIGHUP and SIGKILL.
const hangupGrace = 2 * time.Second

// term is one terminal.
type term struct {
	set     *Set
	master  *os.File
	program Program

	typing sync.Mutex // one writer at a time

	mu       sync.Mutex
	wake     *sync.Cond // head moved, an attachment moved, or an end
	ring     *ring
	attached map[*attachment]bool
	ended    bool          // the program ended
	drained  int           // bytes read since
	exit     *sandbox.Exit // set after the last output is in the ring
	left     bool          // the agent goes; the terminal stays
	unmapped bool
}

func newTerm(set *Set, master *os.File, r *ring, program Program) *term {
	t := &term{set: set, master: master, program: program, ring: r, attached: map[*attachment]bool{}}
	t.wake = sync.NewCond(&t.mu)
	return t
}

// start starts the terminal's two goroutines.
func (t *term) start() {
	t.set.run.Add(2)
	exited := make(chan sandbox.Exit, 1)
	go func() {
		defer t.set.run.Done()
		defer close(exited)
		exit, err := t.program.Wait(t.set.ctx)
		switch {
		case t.set.ctx.Err() != nil:
			return
		case err != nil:
			// Its status is lost, as when node init's record of orphans was flooded; that it ended is certain.
			t.set.cfg.Log.Warn("terminal: exit status", "id", t.ring.label.ID, "err", err)
			exit = sandbox.Exit{Code: 255}
		}
		exited <- exit
		t.drain()
	}()
	go func() {
		defer t.set.run.Done()
		t.read()
		if exit, ok := <-exited; ok {
			t.end(exit)
		}
		t.mu.Lock()
		_ = t.master.Close()
		t.release()
		t.mu.Unlock()
	}()
}

// drain makes the reader end soon.
func (t *term) drain() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	_ = t.master.SetReadDeadline(time.Now().Add(drainPause)) // fails on a closed master only
	t.wake.Broadcast()
}

// read moves output from the pty into the ring until the pty ends, the program's last output is read, or the agent leaves.
func (t *term) read() {
	for {
		space := t.room()
		if space == nil {
			return
		}
		n, err := t.master.Read(space)
		if !t.wrote(n, err) {
			return
		}
	}
}

// room waits until the slowest attachment is near enough, and returns where to read to; nil when it is over.
func (t *term) room() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		if t.drained > drainLimit {
			return nil
		}
		_ = t.master.SetReadDeadline(time.Now().Add(drainPause))
	}
	t.waitForSlowest()
	if t.left {
		return nil
	}
	return t.ring.space()
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

// wrote takes note of what a read of the pty gave; false means that nothing more will come.
func (t *term) wrote(n int, err error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n > 0 {
		t.ring.wrote(n)
		if t.ended {
			t.drained += n
		}
		t.wake.Broadcast()
		return true
	}
	switch {
	case t.left:
		return false
	case errors.Is(err, os.ErrDeadlineExceeded):
		return !t.ended
	}
	return false // EIO: nobody has the slave open any more
}

// end tells everyone how the program ended and takes the terminal away.
func (t *term) end(exit sandbox.Exit) {
	_ = t.set.cfg.Keeper.Drop(keyPrefix + t.ring.label.ID) // an unreachable node init ends the agent anyway
	t.mu.Lock()
	t.exit = &exit
	watched := len(t.attached) > 0
	t.wake.Broadcast()
	t.mu.Unlock()
	if watched {
		t.set.forget(t)
		return
	}
	t.set.cfg.Changed()
	select {
	case <-time.After(linger):
		t.set.forget(t)
	case <-t.set.ctx.Done():
	}
}

// leave cuts off every attachment and ends the goroutines; the program goes on.
func (t *term) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left = true
	_ = t.master.SetReadDeadline(time.Now())
	t.wake.Broadcast()
}

// release unmaps the ring when nobody needs it any more. The caller holds t.mu.
func (t *term) release() {
	done := t.left || t.exit != nil
	if done && len(t.attached) == 0 && !t.unmapped && t.closedMaster() {
		t.unmapped = true
		_ = t.ring.close()
	}
}

func (t *term) closedMaster() bool {
	return errors.Is(t.master.SetReadDeadline(time.Time{}), fs.ErrClosed)
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
		_ = a.Resize(size)
		if mode := t.ring.now(); mode.fullScreen() {
			redraw(t.master)
		}
	}
	return a
}

func (t *term) status() (sandbox.TerminalStatus, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.ring.label
	return sandbox.TerminalStatus{ID: l.ID, Target: l.Target, PID: l.PID, Attached: len(t.attached)}, t.exit == nil
}

func (t *term) hangup() {
	pid := t.ring.label.PID
	_ = syscall.Kill(pid, syscall.SIGHUP) // it may be gone
	_ = syscall.Kill(pid, syscall.SIGCONT)
	t.set.run.Go(func() {
		deadline := time.After(hangupGrace)
		for {
			t.mu.Lock()
			over := t.ended || t.left
			t.mu.Unlock()
			if over {
				return
			}
			select {
			case <-t.set.ctx.Done():
				return
			case <-deadline:
				_ = syscall.Kill(pid, syscall.SIGKILL)
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
}

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
