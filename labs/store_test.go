package labs

import (
	"context"
	"errors"
	"sync/atomic"
)

// memory is a Store in memory that can be made to fail.
type memory struct {
	*Memory
	failing atomic.Bool
}

func newMemory() *memory { return &memory{Memory: NewMemory()} }

var errStore = errors.New("store fails")

func (m *memory) SaveProgress(ctx context.Context, learner, lab string, p Progress) error {
	if m.failing.Load() {
		return errStore
	}
	return m.Memory.SaveProgress(ctx, learner, lab, p)
}

func (m *memory) SaveSession(ctx context.Context, r Record) error {
	if m.failing.Load() {
		return errStore
	}
	return m.Memory.SaveSession(ctx, r)
}

func (m *memory) fail(failing bool) { m.failing.Store(failing) }
