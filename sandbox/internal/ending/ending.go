// Package ending remembers why the last nodes ended: whoever comes too late to see it can still be told.
package ending

import (
	"cmp"
	"sync"

	"podlab/sandbox"
)

const kept = 256

// Book holds the last endings. What it knows nothing of was not there when its daemon started either, or it would have been adopted or found
// dead: it ended with the machine, or an earlier daemon on purpose. The zero value is ready, for many goroutines.
type Book struct {
	mu    sync.Mutex
	why   map[string]string // a Gone… constant of package sandbox, by the node's id
	order []string          // ids, oldest first
}

// Add notes why a node ended.
func (b *Book) Add(id, why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.why == nil {
		b.why = make(map[string]string)
	}
	if _, again := b.why[id]; !again {
		b.order = append(b.order, id)
	}
	b.why[id] = why
	if len(b.order) > kept {
		delete(b.why, b.order[0])
		b.order = b.order[1:]
	}
}

// Of says that a node is not there any more, and why (node_gone).
func (b *Book) Of(id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return sandbox.NodeGone(id, cmp.Or(b.why[id], sandbox.GoneMachineStopped))
}
