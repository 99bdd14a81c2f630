package labs

import (
	"context"
	"errors"
	"sync"
)

// memory is a Store for tests. It keeps copies, as a real one does, and can be made to fail.
type memory struct {
	mu       sync.Mutex
	progress map[string]map[string]Progress
	sessions map[string]Record
	failing  bool
}

func newMemory() *memory {
	return &memory{progress: map[string]map[string]Progress{}, sessions: map[string]Record{}}
}

var errStore = errors.New("store fails")

func (m *memory) do(fn func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failing {
		return errStore
	}
	fn()
	return nil
}

func (m *memory) Progress(_ context.Context, learner string) (out map[string]Progress, err error) {
	err = m.do(func() {
		out = map[string]Progress{}
		for lab, p := range m.progress[learner] {
			out[lab] = p.clone()
		}
	})
	return out, err
}

func (m *memory) SaveProgress(_ context.Context, learner, lab string, p Progress) error {
	return m.do(func() {
		if m.progress[learner] == nil {
			m.progress[learner] = map[string]Progress{}
		}
		m.progress[learner][lab] = p.clone()
	})
}

func (m *memory) Sessions(context.Context) (out []Record, err error) {
	err = m.do(func() {
		for _, r := range m.sessions {
			out = append(out, r)
		}
	})
	return out, err
}

func (m *memory) SaveSession(_ context.Context, r Record) error {
	return m.do(func() { m.sessions[r.Learner] = r })
}

func (m *memory) DeleteSession(_ context.Context, learner string) error {
	return m.do(func() { delete(m.sessions, learner) })
}

func (m *memory) record(learner string) (Record, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.sessions[learner]
	return r, ok
}

func (m *memory) fail(failing bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failing = failing
}
