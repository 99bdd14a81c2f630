package main

import (
	"path/filepath"

	"podlab/sandbox"
	"podlab/sandbox/internal/ring"
	"podlab/sandbox/internal/trace"
)

// moments are what the kernel did in a node, numbered over all daemons that the node has seen.
type moments = *ring.Ring[sandbox.Moment]

const keptMoments = 4096 // of a node

// trace begins to number the kernel's moments of a node.
func (h *host) trace(n *node) (err error) {
	if n.moments != nil { // it is started again
		err = n.moments.Move(filepath.Join(h.set.State(n.place), "moments"))
	} else {
		n.moments, err = ring.Open[sandbox.Moment](filepath.Join(h.set.State(n.place), "moments"), keptMoments)
	}
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.moments[n.PIDNS] = n.moments
	h.mu.Unlock()
	return h.tracer.Add(n.PIDNS, n.PID)
}

// sink takes what the tracer sees to the node it is of.
func (h *host) sink() trace.Sink {
	return trace.Sink{
		Moment: func(pidns uint64, one sandbox.Moment) {
			if of := h.momentsOf(pidns); of != nil {
				of.Add(func(number uint64) sandbox.Moment {
					one.Source, one.Seq = sandbox.SourceKernel, number
					return one
				})
			}
		},
		Lost: func(pidns uint64, n uint64) {
			if of := h.momentsOf(pidns); of != nil {
				of.Lose(n)
			}
		},
	}
}

func (h *host) momentsOf(pidns uint64) moments {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.moments[pidns]
}
