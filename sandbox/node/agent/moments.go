package agent

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// How many moments are kept, and how many lines their file may have before it is written anew.
const (
	maxMoments = 1024
	maxLines   = 4 * maxMoments
	maxLine    = 16 << 10
)

// moments is the numbered ring of what happened, and the file on tmpfs that carries it over to the next life.
type moments struct {
	path string

	mu    sync.Mutex
	file  *os.File
	lines int
	seq   uint64
	items []sandbox.Moment
	news  chan struct{} // closed by the next moment
}

// now is microseconds since boot.
func now() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0 // every kernel since 2.6.39 has it
	}
	return t.Nano() / 1000
}

func openMoments(path string) (*moments, error) {
	m := &moments{path: path, news: make(chan struct{})}
	if err := m.load(); err != nil {
		return nil, fmt.Errorf("moments: %w", err)
	}
	if err := m.rewrite(); err != nil {
		return nil, fmt.Errorf("moments: %w", err)
	}
	return m, nil
}

// load reads what the last life left. A line that was being written when it was killed is not one.
func (m *moments) load() error {
	f, err := os.Open(m.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 4096), maxLine)
	for lines.Scan() {
		var one sandbox.Moment
		if json.Unmarshal(lines.Bytes(), &one) == nil && one.Seq > m.seq {
			m.seq = one.Seq
			m.push(one)
		}
	}
	return nil
}

func (m *moments) push(one sandbox.Moment) {
	m.items = append(m.items, one)
	if len(m.items) > maxMoments {
		m.items = append(m.items[:0], m.items[len(m.items)-maxMoments:]...)
	}
}

// rewrite puts the file anew, with only what is kept.
func (m *moments) rewrite() error {
	f, err := os.OpenFile(m.path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	encoder := json.NewEncoder(w)
	for i := range m.items {
		if err := encoder.Encode(&m.items[i]); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	if err := errors.Join(w.Flush(), os.Rename(m.path+".new", m.path)); err != nil {
		return errors.Join(err, f.Close())
	}
	if m.file != nil {
		_ = m.file.Close()
	}
	m.file, m.lines = f, len(m.items)
	return nil
}

// add numbers a moment and tells everyone who follows. It may be called from any goroutine.
func (m *moments) add(one sandbox.Moment) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seq++
	one.Source, one.Seq = sandbox.SourceAgent, m.seq
	if one.Time == 0 {
		one.Time = now()
	}
	m.push(one)
	if line, err := json.Marshal(one); err == nil && len(line) < maxLine {
		// A full tmpfs costs the next life its memory of this one, no more.
		_, _ = m.file.Write(append(line, '\n'))
		m.lines++
	}
	if m.lines > maxLines {
		_ = m.rewrite()
	}
	close(m.news)
	m.news = make(chan struct{})
}

// after returns what came after seq, with how many of it are lost, and a channel that the next moment closes.
func (m *moments) after(seq uint64) (*sandbox.Moments, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := len(m.items)
	for i > 0 && m.items[i-1].Seq > seq {
		i--
	}
	if i == len(m.items) {
		return nil, m.news
	}
	out := &sandbox.Moments{Items: append([]sandbox.Moment(nil), m.items[i:]...)}
	out.Lost = out.Items[0].Seq - seq - 1
	return out, m.news
}

func (m *moments) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	_ = m.file.Close()
}
