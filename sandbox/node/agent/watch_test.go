package agent

import (
	"testing"
	"time"
)

// Two looks in a row, then one each pace, and fewer where a look takes long; after a pause two in a row again.
func TestPaces(t *testing.T) {
	var p paces
	now := time.Unix(1000, 0)
	for i, step := range []struct {
		after, took, want time.Duration // since the look before it was allowed; of the look; until the next
	}{
		{0, time.Millisecond, gap},
		{0, time.Millisecond, pace - gap},
		{0, time.Millisecond, pace},
		{0, time.Millisecond, pace},
		{0, 20 * time.Millisecond, 200 * time.Millisecond},
		{0, time.Minute, tick},
		{pace, time.Millisecond, gap},
		{0, time.Millisecond, pace - gap},
	} {
		now = now.Add(step.after)
		p.looked(now, step.took)
		if got := p.look.Sub(now); got != step.want {
			t.Errorf("look %d: the next after %v, want %v", i, got, step.want)
		}
		now = p.look
	}
}
