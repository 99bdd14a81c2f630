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
	"podlab/sandbox/internal/ring"
)

// How many moments are kept, and how many lines their file may have before it is written anew.
const (
	maxMoments = 1024
	maxLines   = 4 * maxMoments
	maxLine    = 16 << 10
)

// moments are what happened, numbered, and the file on tmpfs that carries them over to the next life.
type moments struct {
	path string
	ring *ring.Ring[sandbox.Moment]

	mu    sync.Mutex // moments are written in the order of their numbers
	file  *os.File
	lines int
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
	m := &moments{path: path, ring: ring.New[sandbox.Moment](maxMoments)}
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
		if json.Unmarshal(lines.Bytes(), &one) == nil && one.Seq > m.ring.Last() {
			m.ring.Lose(one.Seq - m.ring.Last() - 1)
			m.ring.Add(func(uint64) sandbox.Moment { return one })
		}
	}
	return nil
}

// rewrite puts the file anew, with only what is kept.
func (m *moments) rewrite() error {
	f, err := os.OpenFile(m.path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	encoder := json.NewEncoder(w)
	kept := m.ring.Items()
	for i := range kept {
		if err := encoder.Encode(&kept[i]); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	if err := errors.Join(w.Flush(), os.Rename(m.path+".new", m.path)); err != nil {
		return errors.Join(err, f.Close())
	}
	if m.file != nil {
		_ = m.file.Close()
	}
	m.file, m.lines = f, len(kept)
	return nil
}

// add numbers a moment and tells everyone who follows. It may be called from any goroutine.
func (m *moments) add(one sandbox.Moment) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if one.Time == 0 {
		one.Time = now()
	}
	m.ring.Add(func(number uint64) sandbox.Moment {
		one.Source, one.Seq = sandbox.SourceAgent, number
		m.write(one)
		return one
	})
	if m.lines > maxLines {
		_ = m.rewrite()
	}
}

// write puts a moment behind the others in the file. A full tmpfs costs the next life its memory of this one, no more.
func (m *moments) write(one sandbox.Moment) {
	if line, err := json.Marshal(one); err == nil && len(line) < maxLine {
		_, _ = m.file.Write(append(line, '\n'))
		m.lines++
	}
}

// after returns what came after number seq, nil when there is nothing, and a channel that is closed when there is more.
func (m *moments) after(seq uint64) (*sandbox.Moments, <-chan struct{}) {
	run, more := m.ring.After(seq, maxMoments)
	if len(run.Items) == 0 {
		return nil, more
	}
	return &sandbox.Moments{Lost: run.Lost, Items: run.Items}, more
}

func (m *moments) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ring.Close() // nothing is added from here on
	_ = m.file.Close()
}
