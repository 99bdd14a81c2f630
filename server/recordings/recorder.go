package recordings

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"podlab/labs"
	"podlab/labs/record"
	"podlab/sandbox"
)

// Of terminals: how often what they printed is written, and how much of it. More than that is skipped, the newest stays.
const (
	drainEvery  = 100 * time.Millisecond
	openEvery   = 5 * time.Millisecond // whether all is read that stood on the terminals when the recording began
	openWithin  = time.Second          // it is waited for
	measure     = time.Second          // how often the disk is looked at
	outputRate  = 32 << 10             // bytes a second, over time
	outputBurst = 4 << 20
	outputLeast = 4 << 10 // of one terminal each time
)

// recorder makes one recording.
type recorder struct {
	home    *Recordings
	learner string
	lab     string
	tape    *labs.Tape
	file    *os.File
	out     *record.Writer
	ctx     context.Context //nolint:containedctx // from Start until Stop, the session's end or Close
	stop    context.CancelFunc
	over    chan struct{} // closes when the file has its name
	began   time.Time
	at      time.Duration // of the last state
	screens map[string]*screen
	opened  bool // what stood on the terminals at the beginning is written
	reading sync.WaitGroup
	output  *rate.Limiter
	look    rate.Sometimes // at the disk
	why     *sandbox.Error // it ends by itself
}

// begin makes the file, with the first state in it.
func (r *Recordings) begin(tape *labs.Tape, learner, lab, id string) (*recorder, error) {
	first, err := tape.Next(r.ctx)
	if err != nil {
		return nil, err
	}
	path := r.path(learner, id, part)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	m := &recorder{
		home: r, learner: learner, lab: lab, tape: tape, file: file, over: make(chan struct{}), began: time.Now(),
		screens: map[string]*screen{}, output: rate.NewLimiter(outputRate, outputBurst),
		look: rate.Sometimes{Interval: measure},
	}
	m.out, err = record.NewWriter(file, record.Header{Lab: lab, Step: first.Frame.Session.Step, Started: tape.Started()})
	if err == nil {
		err = m.out.Take(0, first)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(path))
	}
	m.ctx, m.stop = context.WithCancel(r.ctx)
	m.follow(first)
	return m, nil
}

// run writes until the recording is stopped, the session is over, or the file is full.
func (m *recorder) run() {
	states := make(chan labs.Taken)
	m.reading.Go(func() { m.feed(states) })
	err := m.write(states)
	m.stop()
	for range states { // a session that is over, or a file that is full, is told no more
	}
	m.reading.Wait()
	m.drain()
	err = errors.Join(err, m.out.Close(), m.file.Close())
	if errors.Is(err, unix.ENOSPC) {
		m.why = sandbox.Errorf(sandbox.CodeOverCapacity, "detail", "disk")
	}
	if err != nil && !errors.Is(err, record.ErrFull) || m.why != nil {
		m.home.cfg.Log.Error("recording ended early", "lab", m.lab, "why", m.why, "error", nameless(err))
	}
	m.tape.Close(m.why)
}

// feed reads the tape, when it was stopped up to its end.
func (m *recorder) feed(states chan<- labs.Taken) {
	defer close(states)
	for {
		taken, err := m.tape.Next(m.ctx)
		if err != nil {
			return
		}
		states <- taken
	}
}

func (m *recorder) write(states <-chan labs.Taken) error {
	tick := time.NewTicker(openEvery)
	defer tick.Stop()
	for {
		select {
		case taken, more := <-states:
			if !more {
				return nil
			}
			if err := m.take(taken); err != nil {
				return err
			}
			if phase := taken.Frame.Session.Phase; phase == labs.PhaseEnded || phase == labs.PhaseNone {
				return nil
			}
		case <-tick.C:
			if m.open() {
				m.drain()
				tick.Reset(drainEvery)
			}
			m.look.Do(func() { m.why = m.home.short(0) })
			if m.why != nil {
				return nil
			}
		case <-m.ctx.Done():
			for taken := range states { // what was seen before it was stopped
				if err := m.take(taken); err != nil {
					return err
				}
			}
			return nil
		}
	}
}

// take writes a state. The machine's clock may have been set back meanwhile: a recording's does not.
func (m *recorder) take(taken labs.Taken) error {
	m.at = max(m.at, time.Duration(taken.Frame.Now-m.tape.Started())*time.Millisecond)
	m.follow(taken)
	return m.out.Take(m.at, taken)
}

// follow looks at every terminal that the node has.
func (m *recorder) follow(taken labs.Taken) {
	if taken.Frame.Snapshot == nil {
		return
	}
	for _, status := range taken.Frame.Snapshot.Terminals {
		s := m.screens[status.ID]
		if s == nil {
			if s = m.screen(status); s == nil {
				continue
			}
		}
		if s.size != status.Size {
			s.size = status.Size
			m.ended(m.out.Resize(m.since(), s.number, status.Size))
		}
		if s.idle(time.Now()) {
			m.reading.Go(func() { s.read(m.ctx, m.access) })
		}
	}
}

// screen names a terminal; nil when there are too many.
func (m *recorder) screen(status sandbox.TerminalStatus) *screen {
	number, err := m.out.Terminal(m.since(), status.Target, status.Size)
	if err != nil {
		return nil
	}
	s := &screen{id: status.ID, target: status.Target, size: status.Size, number: number}
	m.screens[status.ID] = s
	return s
}

func (m *recorder) access() (labs.Access, error) { return m.home.cfg.Sessions.Agent(m.learner, m.lab) }

// since is now in the recording. What stands on the terminals when it begins is read a moment later and belongs to its beginning.
func (m *recorder) since() time.Duration {
	if !m.opened {
		return 0
	}
	return time.Since(m.began)
}

// open reports whether what stood on the terminals is read, or not waited for any longer.
func (m *recorder) open() bool {
	if m.opened || time.Since(m.began) > openWithin {
		return true
	}
	for _, s := range m.screens {
		if s.behind() {
			return false
		}
	}
	return true
}

// drain writes what the terminals printed.
func (m *recorder) drain() {
	defer func() { m.opened = true }()
	for _, s := range m.screens {
		data, skipped := s.take()
		if len(data) > outputLeast && !m.output.AllowN(time.Now(), len(data)) {
			data, skipped = data[len(data)-outputLeast:], true
		}
		if skipped {
			m.ended(m.out.Mark(m.since(), s.number, "skipped"))
		}
		if len(data) > 0 {
			m.ended(m.out.Output(m.since(), s.number, data))
		}
	}
}

// ended stops the recording when the file takes no more.
func (m *recorder) ended(err error) {
	if err != nil {
		m.stop()
	}
}
