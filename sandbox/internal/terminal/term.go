package terminal

import (
	"errors"
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

// hangupGrace is how long a program has between SIGHUP and SIGKILL.
const hangupGrace = 2 * time.Second

// term is one terminal.
type term struct {
	set     *Set
	master  *os.File
	program Program

	typing sync.Mutex // one writer at a time
	deaf   time.Time  // when an answer was dropped last; under typing

	mu       sync.Mutex
	wake     *sync.Cond // head moved, an attachment moved, or an end
	ring     *ring
	attached map[*attachment]bool
	handed   time.Time     // when the one that answers went, and another stayed
	turn     uint64        // counts who comes and who types
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

// wrote takes note of what a read of the pty gave; false means that nothing more will come.
func (t *term) wrote(n int, err error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n > 0 {
		t.ring.wrote(n)
		if t.ended {
			t.drained += n
		}
		if t.wanted() { // waking up costs more than reading
			t.wake.Broadcast()
		}
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

func (t *term) status() (sandbox.TerminalStatus, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.ring.label
	return sandbox.TerminalStatus{ID: l.ID, Target: l.Target, PID: l.PID, Attached: len(t.attached), Size: sizeOf(t.master)}, t.exit == nil
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
