package recordings

import (
	"context"
	"sync"
	"time"

	"podlab/labs"
	"podlab/sandbox"
)

// maxWaiting is how much output of a terminal waits to be written: as much as its node keeps.
const maxWaiting = 256 << 10

// Between tries to attach to a terminal that cannot be: the first wait, and the longest.
const (
	firstWait = 250 * time.Millisecond
	mostWait  = 8 * time.Second
)

// screen is one terminal of a recording: an attachment of its own, that only watches. What it reads waits in memory, the newest wins: a
// slow disk never slows a terminal.
type screen struct {
	id, target string
	size       sandbox.Size // the writing goroutine's
	number     int          // in the file

	mu      sync.Mutex
	reading bool
	wait    time.Duration // after the last try that failed; 0 when it did not
	again   time.Time     // not before that
	waiting []byte
	skipped bool
	rebuilt bool // the screen as it was is read, or cannot be
}

// idle reports whether nobody reads it and it may be tried now, and takes the place of who reads it.
func (s *screen) idle(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reading || now.Before(s.again) {
		return false
	}
	s.reading = true
	return true
}

// tried takes note of whether it could be attached to.
func (s *screen) tried(ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ok {
		s.wait = 0
		return
	}
	s.wait = min(max(2*s.wait, firstWait), mostWait)
	s.again = time.Now().Add(s.wait)
}

// read attaches and reads until the program ends, the node goes or ctx ends. After it, the next snapshot that shows the terminal begins
// anew: the screen is rebuilt then.
func (s *screen) read(ctx context.Context, access func() (labs.Access, error)) {
	defer s.rest()
	node, err := access()
	if err != nil {
		s.tried(false)
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var leaving sync.WaitGroup
	leaving.Go(func() {
		defer cancel()
		select {
		case <-node.Gone:
		case <-ctx.Done():
		}
	})
	defer leaving.Wait()
	defer cancel()
	term, err := node.Terminal(ctx, sandbox.TerminalSpec{ID: s.id, Target: s.target, Watch: true})
	s.tried(err == nil)
	if err != nil {
		return // it ended just now, or will be there in a moment
	}
	defer term.Close()
	s.add([]byte("\x1bc")) // what follows rebuilds the screen
	buf := make([]byte, 16<<10)
	for left := term.Replay(); ; {
		if left <= 0 {
			s.caughtUp()
		}
		n, err := term.Read(buf)
		left -= n
		s.add(buf[:n])
		if err != nil {
			return
		}
	}
}

func (s *screen) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading, s.rebuilt = false, true
}

// behind reports whether it is still being read what stood on the terminal.
func (s *screen) behind() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.rebuilt
}

// caughtUp says that the screen as it was is read.
func (s *screen) caughtUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rebuilt = true
}

func (s *screen) add(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, data...)
	if over := len(s.waiting) - maxWaiting; over > 0 {
		s.waiting, s.skipped = append([]byte{}, s.waiting[over:]...), true
	}
}

// take returns what waits, and whether some before it was skipped.
func (s *screen) take() (data []byte, skipped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, skipped = s.waiting, s.skipped
	s.waiting, s.skipped = nil, false
	return data, skipped
}
