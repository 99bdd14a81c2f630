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
	maxLast    = 3 << 20  // bytes that it may be behind when the run has ended and nothing waits any more: what it was, and two pipes
	pieceSize  = 4 << 10  // bytes up to which small prints of one stream are put together
)

var (
	// stuckAfter is how long an attachment may take nothing while the container waits for it; then it is cut off.
	stuckAfter = 10 * time.Second
	// firstAttachment is how long a container with stdinOnce, whose log would lose its beginning, waits for the attachment it was made for.
	firstAttachment = 2 * time.Second
)

// piece is some text of one stream: an index of streams.
type piece struct {
	stream int
	text   []byte
}

// output takes what one run of a container prints into its log, and passes it to everyone who is attached. Who attaches from the start reads
// the log first: with the lines that are not whole yet, it holds exactly what was passed on before.
type output struct {
	mu       sync.Mutex
	wake     *sync.Cond // something was printed, taken or ended
	log      *logFile
	rest     [len(streams)][]byte // what was printed of a line that is not whole, and not in the log
	attached map[*attachment]bool
	awaited  time.Time // until then the first attachment is waited for, rather than that anything is lost
	hurried  bool      // the run has ended: nobody is waited for
	exit     *sandbox.Exit
}

func newOutput(spec *sandbox.ContainerSpec, log *logFile) *output {
	o := &output{log: log, attached: map[*attachment]bool{}}
	o.wake = sync.NewCond(&o.mu)
	if spec.StdinOnce && (spec.Stdin || spec.TTY) {
		o.awaited = time.Now().Add(firstAttachment)
	}
	return o
}

// take puts entries into the log, passes on the text they were made of, and says how long to wait before the next. rest is of a line that is
// not whole; it is not changed any more. The log comes first: whoever is attached may make take wait, and what was read and is not in the log
// yet is lost with a killed agent.
func (o *output) take(stream int, text, entries, rest []byte) (wait time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(entries) > 0 {
		wait = o.log.write(entries)
	}
	o.rest[stream] = rest
	if len(text) > 0 {
		o.pass(stream, text)
	}
	o.await()
	return wait
}

// pass gives text to everyone who is attached. The caller holds o.mu.
func (o *output) pass(stream int, text []byte) {
	for a := range o.attached {
		if a.size == 0 {
			a.moved = time.Now() // it had nothing to take until now
		}
		a.pending = appendPiece(a.pending, stream, text)
		a.size += len(text)
		if a.size > maxLast {
			a.cut()
		}
	}
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
	if o.log.rotated && o.awaited.After(now) {
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

// appendPiece copies p behind the rest.
func appendPiece(to []piece, stream int, p []byte) []piece {
	if n := len(to); n > 0 && to[n-1].stream == stream && len(to[n-1].text)+len(p) <= pieceSize {
		to[n-1].text = append(to[n-1].text, p...)
		return to
	}
	return append(to, piece{stream, append([]byte(nil), p...)})
}

// attach adds a reader of what is printed from now on, or with fromStart of what the log still has first.
func (o *output) attach(fromStart bool) *attachment {
	o.mu.Lock()
	defer o.mu.Unlock()
	a := &attachment{to: o, moved: time.Now(), left: make(chan struct{})}
	if fromStart {
		a.past = o.log.past(o.rest)
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
	o.wake.Broadcast()
}

// attachment is one reader of an output.
type attachment struct {
	to   *output
	left chan struct{} // closed when it is gone

	past past // what comes before all that is passed on

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

// move says that it took something, for as long as it is not asking for the next.
func (a *attachment) move() {
	a.to.mu.Lock()
	defer a.to.mu.Unlock()
	a.moved = time.Now()
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
