package labs

import (
	"context"
	"slices"
	"sync"
	"time"
)

// queueRetry is how long the first of the queue waits before it tries again though no node was heard to go: other servers and the
// command line make and remove nodes too.
const queueRetry = 2 * time.Second

// queue is who waits for a node, first come, first served.
type queue struct {
	mu      sync.Mutex
	waiting []*ticket
	freed   chan struct{} // holds one value when a node went
}

// ticket is a place in the queue. moved is called, without the queue's lock, when the place changed.
type ticket struct {
	first chan struct{} // closes when nobody is before it
	moved func(place int)
}

func newQueue() *queue { return &queue{freed: make(chan struct{}, 1)} }

// enter takes a place at the end, or, for who had a node a moment ago, at the beginning.
func (q *queue) enter(front bool, moved func(place int)) *ticket {
	t := &ticket{first: make(chan struct{}), moved: moved}
	q.mu.Lock()
	if front {
		q.waiting = slices.Insert(q.waiting, 0, t)
	} else {
		q.waiting = append(q.waiting, t)
	}
	q.mu.Unlock()
	q.tell()
	return t
}

// leave gives the place up.
func (q *queue) leave(t *ticket) {
	q.mu.Lock()
	q.waiting = slices.DeleteFunc(q.waiting, func(other *ticket) bool { return other == t })
	q.mu.Unlock()
	q.tell()
	q.free() // whoever is first now tries at once
}

// tell lets everybody know their place.
func (q *queue) tell() {
	q.mu.Lock()
	waiting := slices.Clone(q.waiting)
	if len(waiting) > 0 {
		select {
		case <-waiting[0].first:
		default:
			close(waiting[0].first)
		}
	}
	q.mu.Unlock()
	for place, t := range waiting {
		t.moved(place)
	}
}

// free says that there may be room.
func (q *queue) free() {
	select {
	case q.freed <- struct{}{}:
	default:
	}
}

// empty reports whether nobody waits.
func (q *queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) == 0
}

// turn returns when t is the first, and, after the first time, when it is worth trying again.
func (t *ticket) turn(ctx context.Context, q *queue, again bool) error {
	select {
	case <-t.first:
	case <-ctx.Done():
		return ctx.Err()
	}
	if !again {
		return nil
	}
	timer := time.NewTimer(queueRetry)
	defer timer.Stop()
	select {
	case <-q.freed:
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
