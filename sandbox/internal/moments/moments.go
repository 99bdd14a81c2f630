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

// Tracer tells what the kernel does in pid namespaces: a *trace.Tracer.
type Tracer interface {
	Add(pidns uint64, initHostPID int) error
	Remove(pidns uint64)
}

// Logs are those of all nodes that live, by the inode of their pid namespace. They are safe for use by many goroutines.
type Logs struct {
	tracer  Tracer
	program string
	mu      sync.RWMutex
	of      map[uint64]*node
}

// node is one life of a node.
type node struct {
	log   Log
	agent agent
}

// New returns the logs that a tracer fills. program is the file that nodes' agents execute.
func New(tracer Tracer, program string) *Logs {
	return &Logs{tracer: tracer, program: program, of: make(map[uint64]*node)}
}

// Begin begins the log of the node with that pid namespace and init, or, given that of the node's earlier life, goes on with it. Its last
// number is kept in the directory dir.
func (l *Logs) Begin(pidns uint64, init int, dir string, earlier Log) (log Log, err error) {
	file := filepath.Join(dir, "moments")
	if log = earlier; log != nil {
		err = log.Move(file)
	} else {
		log, err = ring.Open[sandbox.Moment](file, kept)
	}
	if err != nil {
		return nil, err
	}
	n := &node{log: log}
	l.mu.Lock()
	l.of[pidns] = n
	l.mu.Unlock()
	err = l.tracer.Add(pidns, init)
	n.agent.find(init, l.program)
	return log, err
}

// End ends what comes to the log of a pid namespace. It does not close the log.
func (l *Logs) End(pidns uint64) {
	l.tracer.Remove(pidns)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.of, pidns)
}

func (l *Logs) find(pidns uint64) *node {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.of[pidns]
}

// Sink takes what the tracer sees; that of no node is dropped, and so are an agent's looks.
func (l *Logs) Sink() trace.Sink {
	return trace.Sink{
		Moment: func(pidns uint64, one sandbox.Moment) {
			if n := l.find(pidns); n != nil && !n.agent.looks(&one) {
				n.log.Add(func(number uint64) sandbox.Moment {
					one.Source, one.Seq = sandbox.SourceKernel, number
					return one
				})
			}
		},
		Lost: func(pidns uint64, lost uint64) {
			if n := l.find(pidns); n != nil {
				n.log.Lose(lost)
			}
		},
	}
}
