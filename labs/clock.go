package labs

import (
	"context"
	"time"
)

// A reading is what time it is: by the machine's clock, which its operator or NTP may set to anything, and since some moment, which goes
// on evenly.
type reading struct {
	wall time.Time
	even time.Duration
}

var began = time.Now()

func read() reading {
	now := time.Now()
	return reading{now.Round(0), now.Sub(began)}
}

// Clocks are looked at this often; one that moved by less than slack is only kept in step.
const (
	look  = time.Minute
	slack = 30 * time.Second
)

// since is by how much the machine's clock was set on, or back, after another reading.
func (r reading) since(before reading) time.Duration {
	moved := r.wall.Sub(before.wall) - (r.even - before.even)
	if moved.Abs() < slack {
		return 0
	}
	return moved
}

// clock ends the session when its time is up or nobody was there for long, and stops the agent's watch while nobody looks. Should the
// machine's clock be set, the session's times move with it: a learner's hour is an hour.
func (s *session) clock(ctx context.Context) {
	before := s.all.read()
	for {
		now := s.all.read()
		s.clockSet(now.since(before))
		before = now
		timer := time.NewTimer(min(s.overdue(now.wall), look))
		select {
		case <-timer.C:
		case <-s.tick:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// clockSet moves the session's times with the machine's clock.
func (s *session) clockSet(by time.Duration) {
	if by == 0 {
		return
	}
	s.learner.mu.Lock()
	defer s.learner.mu.Unlock()
	s.log.Warn("the machine's clock was set", "by", by)
	s.started += by.Milliseconds()
	s.deadline += by.Milliseconds()
	s.touched()
	s.learner.notify()
}

// overdue does what is due and returns how long until it has to look again.
func (s *session) overdue(now time.Time) time.Duration {
	l := s.learner
	l.mu.Lock()
	defer l.mu.Unlock()
	deadline := time.UnixMilli(s.deadline)
	next := deadline.Sub(now)
	switch warn := deadline.Add(-s.all.cfg.Warn); {
	case !now.Before(deadline):
		s.log.Info("time is up")
		s.want(wish{end: true})
		return time.Hour
	case now.Before(warn):
		next = warn.Sub(now)
	default:
		l.notify() // from now on it can be extended
	}
	if len(l.subs) > 0 {
		return next
	}
	for _, away := range []struct {
		after time.Duration
		do    func()
		when  bool
	}{
		{blind, func() { s.unwatch() }, s.cancelSee != nil},
		{queueIdle, func() { s.want(wish{end: true}) }, s.phase == PhaseQueued},
		{s.all.cfg.Idle, func() { s.want(wish{end: true}) }, true},
	} {
		left := away.after - time.Since(l.left) // evenly
		switch {
		case !away.when:
		case left <= 0:
			away.do()
		default:
			next = min(next, left)
		}
	}
	return next
}

// unwatch lets the agent's watch rest. The caller holds the lock.
func (s *session) unwatch() {
	s.cancelSee()
	s.cancelSee = nil
}

// rouse makes the clock look again, and whoever freezes the node. The caller holds the lock.
func (s *session) rouse() {
	poke(s.tick)
	poke(s.rest.change)
}

// extendable reports whether the deadline may be moved. The caller holds the lock.
func (s *session) extendable(now time.Time) bool {
	deadline := time.UnixMilli(s.deadline)
	most := time.UnixMilli(s.started).Add(s.all.cfg.Most)
	return !now.Before(deadline.Add(-s.all.cfg.Warn)) && deadline.Before(most)
}

// extend moves the deadline. The caller holds the lock.
func (s *session) extend() {
	most := time.UnixMilli(s.started).Add(s.all.cfg.Most)
	later := time.UnixMilli(s.deadline).Add(s.all.cfg.Extend)
	s.deadline = min(later.UnixMilli(), most.UnixMilli())
	s.touched()
	s.rouse()
	s.learner.notify()
}
