// Package ring keeps the newest of what happens, numbered, for readers who come when they like and miss nothing without knowing it.
//
//	moments := ring.New[sandbox.Moment](4096)
//	moments.Add(func(number uint64) sandbox.Moment { return sandbox.Moment{Seq: number} })
//	err := moments.Follow(ctx, 0, 256, func(run ring.Run[sandbox.Moment]) error { … })
//
// Numbers begin at 1 and rise by one. A ring is bounded: the oldest gives way to the newest. What a reader did not get, because it gave
// way or was lost before it was numbered (Lose), is counted. A ring has no goroutine of its own; whoever made it closes it.
package ring

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"sort"
	"sync"
)

// ErrClosed ends Follow when the ring was closed and all that was in it has been read.
var ErrClosed = errors.New("ring: closed")

// Ring is safe for use by many goroutines.
type Ring[T any] struct {
	most int

	mu      sync.Mutex
	items   []numbered[T] // the oldest is at start
	start   int
	last    uint64        // newest number that was given or lost
	number  *os.File      // holds last, if it shall outlive the process
	changed chan struct{} // closed by the next item
	closed  bool
}

type numbered[T any] struct {
	number uint64
	value  T
}

// Run is what is kept behind some number, up to the next gap: the numbers of Items follow each other.
type Run[T any] struct {
	Lost  uint64 // numbers that are missing before First
	First uint64 // number of Items[0]
	Items []T
}

// Last is the number of the last item.
func (r Run[T]) Last() uint64 { return r.First + uint64(len(r.Items)) - 1 }

// New makes a ring that keeps the newest most items.
func New[T any](most int) *Ring[T] {
	return &Ring[T]{most: most, changed: make(chan struct{})}
}

// Open makes a ring whose last number is also in a file: the next process that opens it, after a kill -9 too, numbers on behind it, with
// a gap, since nobody knows what was missed. Readers would take smaller numbers for old ones.
func Open[T any](path string, most int) (*Ring[T], error) {
	_, err := os.Stat(path)
	again := err == nil
	number, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	r := New[T](most)
	if again {
		var last [8]byte
		if _, err := number.ReadAt(last[:], 0); err == nil { // empty: nothing was numbered yet
			r.last = binary.LittleEndian.Uint64(last[:])
		}
		r.last++
	}
	r.number = number
	return r, nil
}

// Move keeps the last number in a new file from now on, and not in the one before.
func (r *Ring[T]) Move(path string) error {
	number, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.number != nil {
		r.number.Close()
	}
	r.number = number
	r.advance(0)
	return nil
}

// Restart forgets all that happened; the next number is 1. It is for a ring that nobody reads yet.
func (r *Ring[T]) Restart() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.items, r.start, r.last = nil, 0, 0
	if !r.closed {
		r.advance(0)
	}
}

// Add calls value with the next number, keeps what it returns and wakes the readers. value is called with the ring locked, so what it
// does is done in the order of the numbers; it may not use the ring. On a closed ring nothing happens.
func (r *Ring[T]) Add(value func(number uint64) T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.advance(1)
	item := numbered[T]{r.last, value(r.last)}
	if len(r.items) < r.most {
		r.items = append(r.items, item)
	} else {
		r.items[r.start] = item
		r.start = (r.start + 1) % r.most
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// Lose leaves a gap of n numbers, unless the ring is closed. Readers see it with the next item.
func (r *Ring[T]) Lose(n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.advance(n)
	}
}

// advance is called with mu held.
func (r *Ring[T]) advance(n uint64) {
	r.last += n
	if r.number != nil {
		_, _ = r.number.WriteAt(binary.LittleEndian.AppendUint64(nil, r.last), 0) // a failure costs numbers after a restart only
	}
}

// Last returns the newest number that was given or lost, 0 before the first.
func (r *Ring[T]) Last() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// Items returns all that is kept, oldest first.
func (r *Ring[T]) Items() []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]T, len(r.items))
	for i := range all {
		all[i] = r.at(i).value
	}
	return all
}

// After returns at most most items behind a number, up to the next gap. The channel is closed once there is more; it is nil when there
// will never be more.
func (r *Ring[T]) After(number uint64, most int) (Run[T], <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var run Run[T]
	i := sort.Search(len(r.items), func(i int) bool { return r.at(i).number > number })
	for ; i < len(r.items) && len(run.Items) < most; i++ {
		item := r.at(i)
		if len(run.Items) == 0 {
			run.First, run.Lost = item.number, item.number-number-1
		} else if item.number != run.Last()+1 {
			break
		}
		run.Items = append(run.Items, item.value)
	}
	switch {
	case i < len(r.items):
		return run, already
	case r.closed:
		return run, nil
	}
	return run, r.changed
}

var already = func() <-chan struct{} { c := make(chan struct{}); close(c); return c }()

// at returns the i-th oldest item. The caller holds the lock.
func (r *Ring[T]) at(i int) *numbered[T] { return &r.items[(r.start+i)%len(r.items)] }

// Follow calls fn with what is behind a number, at most most items at a time, and with what comes, until the ring is closed (ErrClosed),
// ctx ends or fn fails.
func (r *Ring[T]) Follow(ctx context.Context, number uint64, most int, fn func(Run[T]) error) error {
	for {
		run, more := r.After(number, most)
		if len(run.Items) > 0 {
			if err := fn(run); err != nil {
				return err
			}
			number = run.Last()
		}
		if more == nil {
			return ErrClosed
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close ends the ring: readers get what is left, then ErrClosed.
func (r *Ring[T]) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed = true
		close(r.changed)
		if r.number != nil {
			r.number.Close()
		}
	}
}
