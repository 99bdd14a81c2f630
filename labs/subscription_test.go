package labs

import (
	"context"
	"errors"
	"testing"
	"time"

	"podlab/sandbox"
)

// TestNothingIsMissedWhenNextIsCutShort: a caller that gave up while the gap between two frames ran is told the next time.
func TestNothingIsMissedWhenNextIsCutShort(t *testing.T) {
	in(t, func(r *rig) {
		p := r.look(ann, lab1, "start")
		defer p.sub.Close()
		p.phase(PhaseNone)
		r.trace("another")
		p.sub.poke()
		short, cancel := context.WithTimeout(r.Context(), frameGap/2)
		defer cancel()
		if _, err := p.sub.Next(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("within the gap: %v", err)
		}
		long, cancel := context.WithTimeout(r.Context(), time.Hour)
		defer cancel()
		if _, err := p.sub.Next(long); err != nil {
			t.Errorf("the change is lost: %v", err)
		}
	})
}

// trace changes what every frame tells besides its session.
func (r *rig) trace(tracer string) {
	r.Sessions.mu.Lock()
	defer r.Sessions.mu.Unlock()
	r.traced = tracer
}

// A page that is woken for nothing is sent nothing.
func TestNoFrameWithoutNews(t *testing.T) {
	in(t, func(r *rig) {
		p := r.look(ann, lab1, "start")
		defer p.sub.Close()
		p.quiet()
		p.sub.poke() // tells what the daemon has said of itself meanwhile
		p.quiet()
		p.sub.poke()
		ctx, cancel := context.WithTimeout(r.Context(), time.Hour)
		defer cancel()
		if f, err := p.sub.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%+v, %v", f, err)
		}
	})
}

// What happens all the time is told in a few frames as fast as a display shows them, then at the slower pace; after a pause, at once.
func TestPaceOfFrames(t *testing.T) {
	in(t, func(r *rig) {
		p := r.look(ann, lab2, "only")
		defer p.sub.Close()
		r.ok(r.Start(ann, lab2, "only"))
		p.phase(PhaseReady)
		record, _ := r.store.record(ann)
		for round := range 2 {
			p.quiet()
			begun := time.Now()
			for i := range 3 * frameBurst {
				r.nodes.Kernel(record.Node, sandbox.Moment{Kind: sandbox.MomentExec, PIDNS: 1, Container: "any"})
				f, err := p.sub.Next(r.Context())
				r.ok(err)
				want := gather + max(time.Duration(i)*frameGap, time.Duration(i-frameBurst+1)*framePace)
				if got := time.Since(begun); got != want || len(f.Moments) == 0 {
					t.Errorf("round %d, frame %d with %d moments after %v, want %v", round, i, len(f.Moments), got, want)
				}
			}
		}
	})
}

// quiet reads frames until nothing has happened for a second.
func (p *page1) quiet() {
	p.Helper()
	for {
		ctx, cancel := context.WithTimeout(p.Context(), time.Second)
		_, err := p.sub.Next(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return
		}
		p.ok(err)
	}
}
