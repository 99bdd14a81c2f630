package labs

import (
	"context"
	"time"

	"podlab/sandbox"
)

// A node that nobody uses is frozen, which costs no processor time, and goes on with the first touch: a page, a key, a question.
// All fields are guarded by learner.mu.
type rest struct {
	asked  time.Time     // of the node, the last time
	using  int           // calls of the node that run
	thawed chan struct{} // closes when the node goes on; nil while it does
	change chan struct{} // something of this, or a page, came or went
}

// tired returns how long until the node is to be frozen; ok is false while somebody uses it. The caller holds the lock.
func (s *session) tired(now time.Time) (left time.Duration, ok bool) {
	l := s.learner
	if len(l.subs) > 0 || s.rest.using > 0 || !s.ready || s.phase != PhaseReady {
		return 0, false
	}
	last := l.left
	if s.rest.asked.After(last) {
		last = s.rest.asked
	}
	return last.Add(s.all.cfg.Freeze).Sub(now), true
}

// doze freezes and thaws one node until ctx ends. found tells how it begins.
func (s *session) doze(ctx context.Context, node sandbox.Node) error {
	id := node.Spec.ID
	for s.all.cfg.Freeze > 0 {
		if err := s.untilTired(ctx); err != nil {
			return err
		}
		if err := s.freeze(ctx, node); err != nil && ctx.Err() == nil {
			s.log.Warn("node is not frozen", "node", id, "error", err)
		}
		if err := s.untilAsked(ctx); err != nil {
			return err
		}
		if err := s.thaw(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// freeze stops a node, without its agent if nothing on the node needs that: most of the memory of the node's processes is the agent's.
func (s *session) freeze(ctx context.Context, node sandbox.Node) error {
	ask, cancel := context.WithTimeout(ctx, sandbox.RestTime/2) // later, the node is not frozen before its agent is back
	defer cancel()
	if _, err := s.all.cfg.Nodes.Agent(node).Rest(ask); err != nil {
		s.log.Debug("agent does not rest", "node", node.Spec.ID, "error", err)
	}
	return s.all.cfg.Nodes.Freeze(ctx, node.Spec.ID)
}

// untilTired returns when the node is to be frozen, or already is. From then on callers wait.
func (s *session) untilTired(ctx context.Context) error {
	for {
		s.learner.mu.Lock()
		left, ok := s.tired(time.Now())
		if s.rest.thawed == nil && ok && left <= 0 {
			s.rest.thawed = make(chan struct{})
		}
		frozen := s.rest.thawed != nil
		s.learner.mu.Unlock()
		if frozen {
			return nil
		}
		if !ok {
			left = s.all.cfg.Freeze // or until something changes
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-s.rest.change:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		timer.Stop()
	}
}

// untilAsked returns when somebody wants the node.
func (s *session) untilAsked(ctx context.Context) error {
	for {
		s.learner.mu.Lock()
		wanted := len(s.learner.subs) > 0 || s.rest.using > 0
		s.learner.mu.Unlock()
		if wanted {
			return nil
		}
		select {
		case <-s.rest.change:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// thaw lets the node go on, for as long as that takes, and then those that wait for it.
func (s *session) thaw(ctx context.Context, id string) error {
	thaw := func() error { return s.all.cfg.Nodes.Thaw(ctx, id) }
	if err := untilDone(ctx, thaw, func(err error) { s.log.Warn("node is not thawed yet", "node", id, "error", err) }); err != nil {
		return err
	}
	s.learner.mu.Lock()
	defer s.learner.mu.Unlock()
	close(s.rest.thawed)
	s.rest.thawed = nil
	return nil
}

// found says whether a node, when it was reached, was frozen.
func (s *session) found(frozen bool) {
	s.learner.mu.Lock()
	defer s.learner.mu.Unlock()
	s.rest.asked, s.rest.thawed = time.Now(), nil
	if frozen {
		s.rest.thawed = make(chan struct{})
	}
}

// use counts a call of the node and waits until the node goes on. done ends it.
func (s *session) use(ctx context.Context, gone <-chan struct{}) (done func(), err error) {
	s.learner.mu.Lock()
	s.rest.using++
	thawed := s.rest.thawed
	s.learner.mu.Unlock()
	done = func() {
		s.learner.mu.Lock()
		defer s.learner.mu.Unlock()
		s.rest.using--
		s.rest.asked = time.Now()
		poke(s.rest.change)
	}
	if thawed == nil {
		return done, nil
	}
	poke(s.rest.change)
	select {
	case <-thawed:
		return done, nil
	case <-gone:
		err = sandbox.Errorf(sandbox.CodeNotFound, "kind", "node", "name", s.lab.ID)
	case <-ctx.Done():
		err = ctx.Err()
	}
	done()
	return nil, err
}
