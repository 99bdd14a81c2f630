package agent

import (
	"runtime/debug"
	"sync/atomic"
	"time"
)

// trimAfter is how long after some work its garbage is given back to the kernel: many agents rest on one machine.
const trimAfter = 3 * time.Second

// How much an agent's heap grows before it is collected, in per cent (runtime/debug.SetGCPercent): at rest little, at work much, since a pod's
// start makes several MB of garbage.
const (
	growthAtRest = 50
	growthAtWork = 200
)

// trim gives memory back, once for all work within trimAfter.
type trim struct{ due atomic.Bool }

func (t *trim) soon() {
	if !t.due.CompareAndSwap(false, true) {
		return
	}
	debug.SetGCPercent(growthAtWork)
	time.AfterFunc(trimAfter, func() {
		t.due.Store(false)
		debug.SetGCPercent(growthAtRest)
		debug.FreeOSMemory()
	})
}
