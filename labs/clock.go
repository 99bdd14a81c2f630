package labs

import (
	"context"
	"time"
)

// clock ends the session when its time is up or nobody was there for long, and stops the agent's watch while nobody looks.
func (s *session) clock(ctx context.Context) {
	for {
		timer := time.NewTimer(s.overdue(time.Now()))
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
		left := l.left.Add(away.after).Sub(now)
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
