package agent

import (
	"runtime/debug"
	"sync/atomic"
	"time"
)

// trimAfter is how long after some work its garbage is given back to the kernel: many agents rest on one machine.
const trimAfter = 3 * time.Second

// trim gives memory back, once for all work within trimAfter.
type trim struct{ due atomic.Bool }

func (t *trim) soon() {
	if !t.due.CompareAndSwap(false, true) {
		return
	}
	time.AfterFunc(trimAfter, func() {
		t.due.Store(false)
		debug.FreeOSMemory()
	})
}
