package engine

import (
	"io"
	"sync"
	"time"

	"podlab/sandbox"
)

// Bounds of what is kept for whoever is attached to a container.
const (
	maxPending = 64 << 10 // bytes that an attachment may be behind before the container's writers wait for it
	maxLast    = 1 << 20  // bytes that it may be behind when the run has ended and nothing waits any more
	maxRecent  = 64 << 10 // bytes printed last, kept of a container with stdin or tty
	pieceSize  = 4 << 10  // bytes up to which small prints of one stream are put together
)

var (
	// stuckAfter is how long an attachment may take nothing while the container waits for it; then it is cut off.
	stuckAfter = 10 * time.Second
	// firstAttachment is how long a full container with stdinOnce waits for the attachment that it was made for.
	firstAttachment = 2 * time.Second
)

// piece is some text of one stream: an index of streams.
type piece struct {
	stream int
	text   []byte
}

// output passes what one run of a container prints to everyone who is attached to it.
type output struct {
	recalls bool // keeps recent

	mu       sync.Mutex
	wake     *sync.Cond // something was printed, taken or ended
	recent   []piece
	held     int // bytes in recent
	attached map[*attachment]bool
	awaited  time.Time // until then printing more than recent holds waits for the first attachment
	hurried  bool      // the run has ended: nobody is waited for
	exit     *sandbox.Exit
}

func newOutput(spec *sandbox.ContainerSpec) *output {
	o := &output{recalls: spec.Stdin || spec.TTY, attached: map[*attachment]bool{}}
	o.wake = sync.NewCond(&o.mu)
	if spec.StdinOnce && o.recalls {
		o.awaited = time.Now().Add(firstAttachment)
	}
	return o
}

func (o *output) write(stream int, p []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.await()
	for a := range o.attached {
		if a.size == 0 {
			a.moved = time.Now() // it had nothing to take until now
		}
		a.pending = appendPiece(a.pending, stream, p)
		a.size += len(p)
		if a.size > maxLast {
			a.cut()
		}
	}
	o.remember(stream, p)
	o.wake.Broadcast()
}

// await blocks while an attachment is too far behind, or the first is still expected. The caller holds o.mu.
func (o *output) await() {
	for !o.hurried {
		pause := o.patience(time.Now())
		if pause <= 0 {
			return
		}
		timer := time.AfterFunc(pause, func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.wake.Broadcast()
		})
		o.wake.Wait()
		timer.Stop()
	}
}

// patience says how long to wait for the slowest, and cuts off those who took nothing for too long.
func (o *output) patience(now time.Time) (pause time.Duration) {
	if o.held >= maxRecent && o.awaited.After(now) {
		pause = o.awaited.Sub(now)
	}
	for a := range o.attached {
		if a.size <= maxPending {
			continue
		}
		left := stuckAfter - now.Sub(a.moved)
		if left <= 0 {
			a.cut()
		}
		pause = max(pause, left)
	}
	return pause
}

func (o *output) remember(stream int, p []byte) {
	if !o.recalls {
		return
	}
	o.recent = appendPiece(o.recent, stream, p)
	o.held += len(p)
	if o.awaited.After(time.Now()) {
		return // nothing may be lost yet: await sees to it that little is added
	}
	for o.held > maxRecent && len(o.recent) > 1 {
		o.held -= len(o.recent[0].text)
		o.recent = o.recent[1:]
	}
}

// appendPiece copies p behind the rest.
func appendPiece(to []piece, stream int, p []byte) []piece {
	if n := len(to); n > 0 && to[n-1].stream == stream && len(to[n-1].text)+len(p) <= pieceSize {
		to[n-1].text = append(to[n-1].text, p...)
		return to
	}
	return append(to, piece{stream, append([]byte(nil), p...)})
}

// attach adds a reader of what is printed from now on, or with fromStart of what is still known first.
func (o *output) attach(fromStart bool) *attachment {
	o.mu.Lock()
	defer o.mu.Unlock()
	a := &attachment{to: o, moved: time.Now(), left: make(chan struct{})}
	if fromStart {
		for _, p := range o.recent {
			a.pending = appendPiece(a.pending, p.stream, p.text)
			a.size += len(p.text)
		}
	}
	o.awaited = time.Time{}
	o.attached[a] = true
	o.wake.Broadcast()
	return a
}

// hurry ends all waiting: the run has ended, what is still in its pipes is little.
func (o *output) hurry() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hurried = true
	o.wake.Broadcast()
}

// end tells everyone how the run ended, after all that it printed.
func (o *output) end(exit sandbox.Exit) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.exit = &exit
	o.recent, o.held = nil, 0
	o.wake.Broadcast()
}

// attachment is one reader of an output.
type attachment struct {
	to   *output
	left chan struct{} // closed when it is gone

	// under to.mu
	pending []piece
	size    int       // bytes in pending
	moved   time.Time // when it last took something, or had nothing to take
	gone    bool
}

// next returns what was printed since it was last called; io.EOF when the run has ended; unavailable when it was cut off or detached.
func (a *attachment) next() ([]piece, error) {
	o := a.to
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		switch {
		case a.gone:
			return nil, sandbox.Errorf(sandbox.CodeUnavailable, "what", "attachment")
		case len(a.pending) > 0:
			pieces := a.pending
			a.pending, a.size, a.moved = nil, 0, time.Now()
			o.wake.Broadcast()
			return pieces, nil
		case o.exit != nil:
			return nil, io.EOF
		}
		o.wake.Wait()
	}
}

// cut detaches. The caller holds o.mu.
func (a *attachment) cut() {
	if a.gone {
		return
	}
	close(a.left)
	a.gone, a.pending, a.size = true, nil, 0
	delete(a.to.attached, a)
	a.to.wake.Broadcast()
}

func (a *attachment) detach() {
	a.to.mu.Lock()
	defer a.to.mu.Unlock()
	a.cut()
}

func (a *attachment) detached() bool {
	a.to.mu.Lock()
	defer a.to.mu.Unlock()
	return a.gone || a.to.exit != nil
}
