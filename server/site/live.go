package site

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"podlab/labs"
)

// live sends the frames of one page. The newest snapshot waits for a slow browser, older ones are skipped; moments are not. A
// hidden page is sent nothing: what it missed comes with the first frame after.
func (s *Site) live(w http.ResponseWriter, r *http.Request) error {
	lab, step, err := s.Course.Find(r.URL.Query().Get("lab"), r.URL.Query().Get("step"))
	if err != nil {
		return err
	}
	k, leave, err := s.upgrade(w, r, "live")
	if err != nil {
		return err
	}
	defer leave()
	subscription, err := s.Sessions.Subscribe(who(r), lab.ID, step.ID)
	if err != nil {
		s.refuse(k, err)
		return nil
	}
	defer subscription.Close()
	frames, fed := s.feed(k, subscription)
	defer func() { k.stop(); fed.Wait() }()
	eyes := newEyes()
	k.listen(func(_ int, data []byte) error {
		var said struct{ Hidden bool }
		if err := json.Unmarshal(data, &said); err != nil {
			return err
		}
		eyes.hide(said.Hidden)
		return nil
	})
	s.show(k, frames, eyes)
	return nil
}

// show is the writing goroutine. In silence it repeats the last frame's state without a snapshot every beat, because scripts
// cannot see pings: a page that hears nothing for longer than two of them takes its socket for dead.
func (s *Site) show(k *socket, frames <-chan labs.Frame, eyes *eyes) {
	var last labs.Frame
	timer := time.NewTimer(beat)
	defer timer.Stop()
	for {
		in, change := frames, eyes.change()
		if !eyes.open() {
			in = nil
		}
		frame := labs.Frame{Now: time.Now().UnixMilli(), Boot: last.Boot, Tracer: last.Tracer, Untold: last.Untold, Session: last.Session}
		var ok bool
		select {
		case <-k.ctx.Done():
			return
		case <-change:
			continue
		case frame, ok = <-in:
			if !ok {
				k.bye(closeRestart, "frames")
				return
			}
			last = frame
		case <-timer.C:
			frame.Now = time.Now().UnixMilli()
		}
		timer.Reset(beat)
		if last.Session.Lab == "" {
			continue // hidden from the first: nothing to repeat yet
		}
		if k.tell(frame) != nil {
			return
		}
		s.meter.frames.Inc()
	}
}

// feed gives frames to the writing goroutine one by one: what it has not taken yet is the only one that waits here.
func (s *Site) feed(k *socket, from *labs.Subscription) (frames <-chan labs.Frame, over *sync.WaitGroup) {
	out := make(chan labs.Frame)
	over = &sync.WaitGroup{}
	over.Go(func() {
		defer close(out)
		for {
			frame, err := from.Next(k.ctx)
			if err != nil {
				if k.ctx.Err() == nil {
					s.Log.Error("no more frames", "error", err)
				}
				return
			}
			select {
			case out <- frame:
			case <-k.ctx.Done():
				return
			}
		}
	})
	return out, over
}

// eyes tell whether anybody looks at a page.
type eyes struct {
	mu      sync.Mutex
	closed  bool
	changed chan struct{} // closed at each change
}

func newEyes() *eyes { return &eyes{changed: make(chan struct{})} }

func (e *eyes) hide(closed bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed != closed {
		e.closed = closed
		close(e.changed)
		e.changed = make(chan struct{})
	}
}

func (e *eyes) open() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.closed
}

// change is closed when open may have changed since; ask for it first.
func (e *eyes) change() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.changed
}

// afterClose cancels when the channel closes; the function it returns cancels too, and waits for its goroutine.
func afterClose(closed <-chan struct{}, ctx context.Context, cancel context.CancelFunc) context.CancelFunc {
	over := make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return func() { cancel(); <-over }
}
