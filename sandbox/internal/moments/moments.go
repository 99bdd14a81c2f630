// Package moments keeps what the kernel did in each node, numbered over all lives of the node and of the daemon, and takes what the tracer sees
// to the node it is of.
package moments

import (
	"path/filepath"
	"sync"

	"podlab/sandbox"
	"podlab/sandbox/internal/ring"
	"podlab/sandbox/internal/trace"
)

const kept = 4096 // of a node

// Log is what happened in one node.
type Log = *ring.Ring[sandbox.Moment]

// Open begins a node's log, or, given that of its earlier life, goes on with it. Its last number is kept in the directory dir.
func Open(dir string, earlier Log) (Log, error) {
	file := filepath.Join(dir, "moments")
	if earlier != nil {
		return earlier, earlier.Move(file)
	}
	return ring.Open[sandbox.Moment](file, kept)
}

// Logs are those of all nodes that live, by the inode of their pid namespace. The zero value is ready, for many goroutines.
type Logs struct {
	mu sync.RWMutex
	of map[uint64]Log
}

// Add lets a node's moments come to its log.
func (l *Logs) Add(pidns uint64, log Log) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		l.of = make(map[uint64]Log)
	}
	l.of[pidns] = log
}

// Remove ends that. It does not close the log.
func (l *Logs) Remove(pidns uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.of, pidns)
}

func (l *Logs) find(pidns uint64) Log {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.of[pidns]
}

// Sink takes what the tracer sees; that of no node is dropped.
func (l *Logs) Sink() trace.Sink {
	return trace.Sink{
		Moment: func(pidns uint64, one sandbox.Moment) {
			if log := l.find(pidns); log != nil {
				log.Add(func(number uint64) sandbox.Moment {
					one.Source, one.Seq = sandbox.SourceKernel, number
					return one
				})
			}
		},
		Lost: func(pidns uint64, n uint64) {
			if log := l.find(pidns); log != nil {
				log.Lose(n)
			}
		},
	}
}
