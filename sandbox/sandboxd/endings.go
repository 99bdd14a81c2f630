package main

import (
	"cmp"
	"sync"

	"podlab/sandbox"
)

const keptEndings = 256

// endings remember why the last nodes ended: whoever comes too late to see it can still be told. What this daemon knows nothing of was not
// there when it started either, or it would have been adopted or found dead: it ended with the machine, or an earlier daemon on purpose.
type endings struct {
	mu    sync.Mutex
	why   map[string]string // a Gone… constant of package sandbox, by the node's id
	order []string          // ids, oldest first
}

func (e *endings) add(id, why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.why == nil {
		e.why = make(map[string]string)
	}
	if _, again := e.why[id]; !again {
		e.order = append(e.order, id)
	}
	e.why[id] = why
	if len(e.order) > keptEndings {
		delete(e.why, e.order[0])
		e.order = e.order[1:]
	}
}

// of returns why a node ended.
func (e *endings) of(id string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return cmp.Or(e.why[id], sandbox.GoneMachineStopped)
}
