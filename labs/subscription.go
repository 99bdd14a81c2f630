package labs

import (
	"context"
	"reflect"
	"time"

	"golang.org/x/time/rate"
)

// Paces of one page's frames. What happens together (a fork, its exec, the exit behind it) goes together; the snapshot that shows it, and
// whatever follows, each in time for another picture of the display; where things go on happening, they are told at the slower pace.
// A frame that tells of another phase goes out at once: a node made ahead is ready before the gap is over.
const (
	gather     = 4 * time.Millisecond  // from the first of what happens to its frame
	frameGap   = 16 * time.Millisecond // at least, between two frames
	framePace  = 33 * time.Millisecond // between two of many
	frameBurst = 4                     // that go out before framePace counts
)

// Subscription is one page that looks. One goroutine reads it.
type Subscription struct {
	sessions *Sessions
	learner  *learner
	lab      *Lab
	step     *Step
	wake     chan struct{}

	last time.Time // when a frame was sent
	pace *rate.Limiter
	told Frame // that was sent last
	at   position
}

func newPace() *rate.Limiter { return rate.NewLimiter(rate.Every(framePace), frameBurst) }

// poke says that something changed.
func (s *Subscription) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Next returns the next frame: the first at once, then one whenever something changed, at the paces above. Snapshots that came meanwhile are
// skipped, moments are not.
func (s *Subscription) Next(ctx context.Context) (Frame, error) {
	for {
		select {
		case <-s.wake:
		case <-ctx.Done():
			return Frame{}, ctx.Err()
		}
		if err := s.gap(ctx); err != nil {
			s.poke() // what woke it is still to be told
			return Frame{}, err
		}
		if f := s.frame(); s.news(&f) {
			s.sent(f)
			return f, nil
		}
	}
}

// news reports whether a frame tells anything that the page does not know.
func (s *Subscription) news(f *Frame) bool {
	return s.last.IsZero() || f.Snapshot != nil || len(f.Moments) > 0 || f.Lost > 0 || f.Tracer != s.told.Tracer ||
		!reflect.DeepEqual(f.Session, s.told.Session)
}

func (s *Subscription) sent(f Frame) {
	s.last = time.Now()
	s.pace.Reserve()
	s.told = Frame{Tracer: f.Tracer, Session: f.Session}
}

// wait is how long the next frame has to.
func (s *Subscription) wait() time.Duration {
	due := time.Duration((1 - s.pace.Tokens()) * float64(framePace)).Round(time.Microsecond)
	return max(gather, frameGap-time.Since(s.last), due)
}

// gap waits until another frame may be sent.
func (s *Subscription) gap(ctx context.Context) error {
	timer := time.NewTimer(s.wait())
	defer timer.Stop()
	for s.told.Session.Phase == s.phase() {
		select {
		case <-timer.C:
			return nil
		case <-s.wake: // what of, the frame will tell
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// phase is that of the session now, as this page is shown it.
func (s *Subscription) phase() string {
	s.learner.mu.Lock()
	defer s.learner.mu.Unlock()
	return s.learner.phase(s.lab)
}

func (s *Subscription) frame() Frame {
	l := s.learner
	l.mu.Lock()
	defer l.mu.Unlock()
	f := s.sessions.frame(time.Now().UnixMilli(), l.view(s.lab, s.step))
	if l.session != nil && l.session.lab == s.lab {
		if s.at.tell(l.session, l.session.moments.replay(), &f) {
			s.poke() // more is waiting
		}
	}
	return f
}

// Close ends it.
func (s *Subscription) Close() {
	l := s.learner
	l.mu.Lock()
	delete(l.subs, s)
	if len(l.subs) == 0 {
		l.left = time.Now()
		if l.session != nil {
			l.session.rouse()
		}
	}
	l.mu.Unlock()
	s.sessions.release(l)
}
