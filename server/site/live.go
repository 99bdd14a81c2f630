package site

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"podlab/labs"
)

// live sends the frames of one page. The newest snapshot waits for a slow browser, older ones are skipped; moments are not. A
// hidden page is sent nothing: what it missed comes with the first frame after.
func (s *Site) live(w http.ResponseWriter, r *http.Request) error {
	lab, step, err := s.find(r.URL.Query().Get("lab"), r.URL.Query().Get("step"))
	if err != nil {
		return err
	}
	k, leave, err := s.upgrade(w, r, "live")
	if err != nil {
		return err
	}
	defer leave()
	frames, err := s.Sessions.Subscribe(who(r), lab.ID, step.ID)
	if err != nil {
		s.refuse(k, err)
		return nil
	}
	defer frames.Close()
	eyes := newEyes()
	k.listen(func(_ int, data []byte) error {
		var said struct{ Hidden bool }
		if err := json.Unmarshal(data, &said); err != nil {
			return err
		}
		eyes.set(!said.Hidden)
		return nil
	})
	s.show(k, frames, eyes)
	return nil
}

// show is the writing goroutine. In silence it repeats the last frame's state without a snapshot every beat, because scripts
// cannot see pings: a page that hears nothing for longer than two of them takes its socket for dead.
func (s *Site) show(k *socket, frames *labs.Subscription, eyes *eyes) {
	var last labs.Frame
	for {
		frame, err := nextFrame(k.ctx, frames, eyes)
		switch {
		case k.ctx.Err() != nil:
			return
		case errors.Is(err, context.DeadlineExceeded):
			frame = labs.Frame{Now: time.Now().UnixMilli(), Boot: last.Boot, Tracer: last.Tracer, Session: last.Session}
		case errors.Is(err, context.Canceled): // eyes opened or closed
			continue
		case err != nil:
			s.Log.Error("no more frames", "error", err)
			k.bye(closeRestart, "frames")
			return
		}
		if last.Session.Phase == "" && err != nil {
			continue // nothing to repeat yet
		}
		last = frame
		if k.tell(frame) != nil {
			return
		}
		s.meter.frames.Inc()
	}
}

// nextFrame waits for a frame, at most one beat; only while somebody looks. context.Canceled: that has changed.
func nextFrame(parent context.Context, frames *labs.Subscription, eyes *eyes) (labs.Frame, error) {
	ctx, cancel := context.WithTimeout(parent, beat)
	defer cancel()
	seen, change := eyes.look()
	defer afterClose(change, ctx, cancel)()
	if !seen {
		<-ctx.Done()
		return labs.Frame{}, ctx.Err()
	}
	return frames.Next(ctx)
}

// eyes tell whether anybody looks at a page.
type eyes struct {
	mu     sync.Mutex
	seen   bool
	change chan struct{} // closed at each change
}

func newEyes() *eyes { return &eyes{seen: true, change: make(chan struct{})} }

func (e *eyes) set(seen bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.seen != seen {
		e.seen = seen
		close(e.change)
		e.change = make(chan struct{})
	}
}

func (e *eyes) look() (seen bool, change <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.seen, e.change
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
