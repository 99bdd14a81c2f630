package labs

import (
	"context"
	"fmt"
	"regexp"

	"podlab/sandbox"
)

var learnerForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// acquire returns a learner for use until release.
func (s *Sessions) acquire(ctx context.Context, id string) (*learner, error) {
	if !learnerForm.MatchString(id) {
		return nil, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "learner")
	}
	if l := s.known(id, nil); l != nil {
		return l, nil
	}
	progress, err := s.cfg.Store.Progress(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("progress of a learner: %w", err)
	}
	return s.known(id, newLearner(id, s.cfg.Store, progress)), nil
}

// known counts a use of a learner that is in memory, or puts fresh, if given, there.
func (s *Sessions) known(id string, fresh *learner) *learner {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.learners[id]
	if l == nil && fresh != nil {
		l = fresh
		s.learners[id] = l
	}
	if l != nil {
		s.uses[l]++
	}
	return l
}

// release gives a use of a learner back; without any it is forgotten.
func (s *Sessions) release(l *learner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.uses[l]--; s.uses[l] <= 0 {
		delete(s.uses, l)
		delete(s.learners, l.id)
	}
}

// with calls fn with a learner, locked, and the step, and saves what fn changed.
func (s *Sessions) with(ctx context.Context, id, lab, step string, fn func(*learner, *Lab, *Step) error) error {
	l, st, err := s.cfg.Course.Find(lab, step)
	if err != nil {
		return err
	}
	who, err := s.acquire(ctx, id)
	if err != nil {
		return err
	}
	defer s.release(who)
	if err := locked(who, func() error { return fn(who, l, st) }); err != nil {
		return err
	}
	return who.save(ctx)
}

func locked(l *learner, fn func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fn()
}

// inSession calls fn with the learner's live session in a lab, locked, and saves what fn changed.
func (s *Sessions) inSession(ctx context.Context, id, lab string, fn func(*session) error) error {
	who, err := s.acquire(ctx, id)
	if err != nil {
		return err
	}
	defer s.release(who)
	err = locked(who, func() error {
		if who.session == nil || who.session.lab.ID != lab {
			return sandbox.Errorf(sandbox.CodeNotFound, "kind", "session", "name", lab)
		}
		return fn(who.session)
	})
	if err != nil {
		return err
	}
	return who.save(ctx)
}
