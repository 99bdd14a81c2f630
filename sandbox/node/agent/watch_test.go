package agent

import (
	"testing"
	"testing/synctest"
	"time"
)

// Two looks in a row, then one each pace, and fewer where a look takes long; after a pause two in a row again.
func TestPaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, last := newPaces(), time.Now()
		for i, step := range []struct {
			pause, want, took time.Duration // before the look is asked for; from the last one's begin to its own; of the look
		}{
			{0, 0, time.Millisecond},
			{0, gap, time.Millisecond},
			{0, pace - gap, time.Millisecond},
			{0, pace, time.Millisecond},
			{0, pace, 20 * time.Millisecond},
			{0, 200 * time.Millisecond, time.Minute},
			{2 * pace, time.Minute + 2*pace, time.Millisecond},
			{0, gap, time.Millisecond},
			{0, pace - gap, 200 * time.Millisecond},
			{0, tick, time.Millisecond},
		} {
			time.Sleep(step.pause)
			if err := p.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if got := began.Sub(last).Round(time.Millisecond); got != step.want {
				t.Errorf("look %d: %v after the one before, want %v", i, got, step.want)
			}
			time.Sleep(step.took)
			p.looked(began)
			last = began
		}
	})
}
