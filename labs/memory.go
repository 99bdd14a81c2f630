package labs

import (
	"context"
	"sync"
)

// Memory is a Store that forgets everything with the process: for proofs and tests.
type Memory struct {
	mu       sync.Mutex
	progress map[string]map[string]Progress
	sessions map[string]Record
}

// NewMemory returns an empty one.
func NewMemory() *Memory {
	return &Memory{progress: map[string]map[string]Progress{}, sessions: map[string]Record{}}
}

// Progress implements Store.
func (m *Memory) Progress(_ context.Context, learner string) (map[string]Progress, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]Progress{}
	for lab, p := range m.progress[learner] {
		out[lab] = p.clone()
	}
	return out, nil
}

// SaveProgress implements Store.
func (m *Memory) SaveProgress(_ context.Context, learner, lab string, p Progress) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.progress[learner] == nil {
		m.progress[learner] = map[string]Progress{}
	}
	m.progress[learner][lab] = p.clone()
	return nil
}

// Sessions implements Store.
func (m *Memory) Sessions(context.Context) ([]Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Record
	for _, r := range m.sessions {
		out = append(out, r)
	}
	return out, nil
}

// SaveSession implements Store.
func (m *Memory) SaveSession(_ context.Context, r Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sessions[r.Learner] = r
	return nil
}

// DeleteSession implements Store.
func (m *Memory) DeleteSession(_ context.Context, learner string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sessions, learner)
	return nil
}

// record returns a learner's session record.
func (m *Memory) record(learner string) (Record, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.sessions[learner]
	return r, ok
}
