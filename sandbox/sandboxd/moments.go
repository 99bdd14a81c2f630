package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"sync"

	"podlab/sandbox"
	"podlab/sandbox/internal/ring"
	"podlab/sandbox/internal/trace"
)

const keptMoments = 4096 // of a node

// moments are what the kernel did in a node, numbered.
//
// The last number is also in a file, so that a daemon that takes over, after a kill -9 too, goes on behind it: readers would take
// smaller numbers for old ones.
type moments struct {
	*ring.Ring[sandbox.Moment]

	mu     sync.Mutex // numbers are written in their order
	number *os.File
}

func openMoments(path string) (*moments, error) {
	_, err := os.Stat(path)
	again := err == nil
	number, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	m := &moments{Ring: ring.New[sandbox.Moment](keptMoments), number: number}
	if again {
		var last [8]byte
		if _, err := number.ReadAt(last[:], 0); err == nil { // empty: nothing was numbered yet
			m.Lose(binary.LittleEndian.Uint64(last[:]))
		}
		m.Lose(1) // at least one was lost while nobody looked
	}
	return m, nil
}

// add numbers a moment and keeps it.
func (m *moments) add(one sandbox.Moment) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Add(func(number uint64) sandbox.Moment {
		m.write(number)
		one.Source, one.Seq = sandbox.SourceKernel, number
		return one
	})
}

// lose leaves a gap of n numbers.
func (m *moments) lose(n uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Lose(n)
	m.write(m.Last())
}

func (m *moments) write(number uint64) {
	var last [8]byte
	binary.LittleEndian.PutUint64(last[:], number)
	_, _ = m.number.WriteAt(last[:], 0) // tmpfs; a failure costs numbers after a restart only
}

// close ends them: readers get what is left, then ring.ErrClosed.
func (m *moments) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Close()
	m.number.Close()
}

// trace begins to number the kernel's moments of a node.
func (h *host) trace(n *node) (err error) {
	if n.moments, err = openMoments(filepath.Join(h.set.State(n.Spec.ID), "moments")); err != nil {
		return err
	}
	h.mu.Lock()
	h.moments[n.PIDNS] = n.moments
	h.mu.Unlock()
	return h.tracer.Add(n.PIDNS, n.PID)
}

// sink takes what the tracer sees to the node it is of.
func (h *host) sink() trace.Sink {
	to := func(pidns uint64, do func(*moments)) {
		h.mu.RLock()
		m := h.moments[pidns]
		h.mu.RUnlock()
		if m != nil {
			do(m)
		}
	}
	return trace.Sink{
		Moment: func(pidns uint64, one sandbox.Moment) { to(pidns, func(m *moments) { m.add(one) }) },
		Lost:   func(pidns uint64, n uint64) { to(pidns, func(m *moments) { m.lose(n) }) },
	}
}
