package main

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/trace"
)

const (
	ringSize  = 4096                 // moments that are kept of a node
	batchSize = 256                  // most moments in one message
	pace      = 2 * time.Millisecond // between two messages; the first goes out at once
)

// ring keeps the newest moments of a node, numbered. A gap in the numbers means that moments were lost.
//
// The last number is also in a file, so that a daemon that takes over, after a kill -9 too, goes on behind it: readers would take
// smaller numbers for old ones.
type ring struct {
	number *os.File

	mu      sync.Mutex
	items   []sandbox.Moment // Seq rises; the oldest is at start
	start   int
	last    uint64        // newest number that was given or lost
	changed chan struct{} // closed at the next change
	closed  bool
}

func openRing(path string) (*ring, error) {
	_, err := os.Stat(path)
	again := err == nil
	number, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	r := &ring{number: number, changed: make(chan struct{})}
	if again {
		var last [8]byte
		if _, err := number.ReadAt(last[:], 0); err == nil { // empty: nothing was numbered yet
			r.last = binary.LittleEndian.Uint64(last[:])
		}
		r.last++ // at least one was lost while nobody looked
	}
	return r, nil
}

// add numbers a moment and keeps it.
func (r *ring) add(m sandbox.Moment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.advance(1)
	m.Source, m.Seq = sandbox.SourceKernel, r.last
	if len(r.items) < ringSize {
		r.items = append(r.items, m)
	} else {
		r.items[r.start] = m
		r.start = (r.start + 1) % ringSize
	}
}

// lose leaves a gap of n numbers.
func (r *ring) lose(n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.advance(n)
	}
}

// advance is called with mu held.
func (r *ring) advance(n uint64) {
	r.last += n
	var last [8]byte
	binary.LittleEndian.PutUint64(last[:], r.last)
	_, _ = r.number.WriteAt(last[:], 0) // tmpfs; a failure costs numbers after a restart only
	close(r.changed)
	r.changed = make(chan struct{})
}

// after returns the moments behind number seq up to the next gap. Without any, it returns a channel that closes at the next change, or
// nil when there will be none.
func (r *ring) after(seq uint64) (sandbox.Moments, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found sandbox.Moments
	for i := r.search(seq); i < len(r.items) && len(found.Items) < batchSize; i++ {
		m := r.items[(r.start+i)%len(r.items)]
		if len(found.Items) == 0 {
			found.Lost = m.Seq - seq - 1
		} else if m.Seq != found.Items[len(found.Items)-1].Seq+1 {
			break
		}
		found.Items = append(found.Items, m)
	}
	if r.closed {
		return found, nil
	}
	return found, r.changed
}

// search returns how many of the kept moments have a number up to seq.
func (r *ring) search(seq uint64) int {
	low, high := 0, len(r.items)
	for low < high {
		middle := (low + high) / 2
		if r.items[(r.start+middle)%len(r.items)].Seq <= seq {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// close ends it: readers get what is left, then nothing more.
func (r *ring) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed = true
		close(r.changed)
		r.number.Close()
	}
}

// stream sends moments behind number seq, and what comes, until the node is gone, ctx ends or send fails.
func (r *ring) stream(ctx context.Context, seq uint64, send func(sandbox.Moments) error) error {
	for {
		moments, changed := r.after(seq)
		if len(moments.Items) > 0 {
			if err := send(moments); err != nil {
				return err
			}
			seq = moments.Items[len(moments.Items)-1].Seq
			time.Sleep(pace)
			continue
		}
		if changed == nil {
			return errNodeGone
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

var errNodeGone = errors.New("the node is gone")

// trace begins to number the kernel's moments of a node.
func (h *host) trace(n *node) (err error) {
	if n.moments, err = openRing(filepath.Join(h.set.state(n.Spec.ID), "moments")); err != nil {
		return err
	}
	h.mu.Lock()
	h.rings[n.PIDNS] = n.moments
	h.mu.Unlock()
	return h.tracer.Add(n.PIDNS, n.PID)
}

// sink takes what the tracer sees to the node it is of.
func (h *host) sink() trace.Sink {
	to := func(pidns uint64, do func(*ring)) {
		h.mu.RLock()
		r := h.rings[pidns]
		h.mu.RUnlock()
		if r != nil {
			do(r)
		}
	}
	return trace.Sink{
		Moment: func(pidns uint64, m sandbox.Moment) { to(pidns, func(r *ring) { r.add(m) }) },
		Lost:   func(pidns uint64, n uint64) { to(pidns, func(r *ring) { r.lose(n) }) },
	}
}
