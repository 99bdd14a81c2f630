package labs

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"podlab/sandbox"
)

// follow watches one node until ctx ends or the node is gone, and does for the session what it takes there.
func (s *session) follow(ctx context.Context) error {
	node, err := s.reach(ctx)
	if err != nil {
		return err
	}
	s.found(node.Frozen)
	agent := using{s.all.cfg.Nodes.Agent(node), s, ctx.Done()}
	s.opened(ctx, agent)
	group, inner := errgroup.WithContext(ctx)
	w := newWatch(s, node, agent)
	group.Go(func() error { return w.agent(inner) })
	group.Go(func() error { return w.kernel(inner) })
	group.Go(func() error { return w.merge(inner) })
	group.Go(func() error { return s.prepare(inner, agent, w) })
	group.Go(func() error { return s.probe(inner, agent) })
	group.Go(func() error { return s.doze(inner, node) })
	return group.Wait()
}

// opened lets others at the node.
func (s *session) opened(ctx context.Context, agent sandbox.Agent) {
	s.learner.mu.Lock()
	defer s.learner.mu.Unlock()
	s.access = &Access{Agent: agent, Generation: s.generation, Gone: ctx.Done()}
	if !s.ready {
		s.phase, s.stage, s.err = PhaseStarting, StageSetup, nil
	} else {
		s.phase, s.stage, s.err = PhaseReady, "", nil
	}
	s.learner.notify()
}

// reach makes the node, or finds again the one that the session had. Errors: node_gone.
func (s *session) reach(ctx context.Context) (sandbox.Node, error) {
	s.learner.mu.Lock()
	id, ready, ahead, gone := s.node, s.ready, s.ahead, s.err
	s.learner.mu.Unlock()
	if id == "" { // it was gone in an earlier life of the server
		return sandbox.Node{}, gone
	}
	if ready {
		return s.find(ctx, id)
	}
	if ahead == nil {
		return s.create(ctx, id)
	}
	err := s.all.cfg.Nodes.Thaw(ctx, id)
	if err == nil || ctx.Err() != nil {
		return ahead.Node, err
	}
	s.log.Warn("a node made ahead is lost", "node", id, "error", err)
	return s.create(ctx, s.cold())
}

// find looks for a node for as long as the daemon is away.
func (s *session) find(ctx context.Context, id string) (sandbox.Node, error) {
	for again := (backoff{}); ; {
		nodes, err := s.all.cfg.Nodes.List(ctx)
		if err == nil {
			for _, n := range nodes {
				if n.Spec.ID == id {
					return n, nil
				}
			}
			return sandbox.Node{}, s.why(ctx, id)
		}
		s.away(err)
		if err := again.wait(ctx); err != nil {
			return sandbox.Node{}, err
		}
	}
}

// why asks the daemon why a node is not there.
func (s *session) why(ctx context.Context, id string) error {
	ask, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err := s.all.cfg.Nodes.Moments(ask, id, 0, func(sandbox.Moments) error { return nil })
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case sandbox.CodeOf(err) == sandbox.CodeNodeGone:
		return err
	}
	return sandbox.NodeGone(id, "").Because(err) // it cannot be asked either
}

// away shows that something is being waited for.
func (s *session) away(err error) {
	s.log.Debug("away", "error", err)
	s.learner.mu.Lock()
	defer s.learner.mu.Unlock()
	s.err = unavailable("sandboxd")
	s.learner.notify()
}

// create makes a node, in turn when the machine is full, and for as long as the daemon is away.
func (s *session) create(ctx context.Context, id string) (sandbox.Node, error) {
	q := s.all.queue
	var t *ticket
	defer func() {
		if t != nil {
			q.leave(t)
		}
	}()
	if err := s.learner.save(ctx); err != nil { // the record comes before the node: no node is ever nobody's
		return sandbox.Node{}, err
	}
	spec := s.lab.Node.spec(id)
	removed := s.predecessor()
	full := removed == nil && !q.empty()
	for retry := (backoff{}); ; {
		if full {
			again := t != nil
			if t == nil {
				t = q.enter(removed != nil, s.queued)
			}
			if err := t.turn(ctx, q, again); err != nil {
				return sandbox.Node{}, err
			}
		}
		node, err := s.all.cfg.Nodes.Create(ctx, spec)
		code := sandbox.CodeOf(err)
		switch {
		case err == nil:
			return node, nil
		case code == sandbox.CodeMachineFull && pending(removed):
			if err := until(ctx, removed); err != nil {
				return sandbox.Node{}, err
			}
		case code == sandbox.CodeMachineFull && s.all.warm.Yield(ctx): // and tries again
		case code == sandbox.CodeMachineFull:
			full = true
		case isAway(err):
			s.away(err)
			if err := retry.wait(ctx); err != nil {
				return sandbox.Node{}, err
			}
		case code == sandbox.CodeNameTaken: // the answer to an earlier try was lost with the daemon
			return s.find(ctx, id)
		default:
			return sandbox.Node{}, err
		}
	}
}

func (s *session) predecessor() <-chan struct{} {
	s.learner.mu.Lock()
	defer s.learner.mu.Unlock()
	return s.removed
}

// pending reports whether c is a channel that is still open.
func pending(c <-chan struct{}) bool {
	if c == nil {
		return false
	}
	select {
	case <-c:
		return false
	default:
		return true
	}
}

func until(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// isAway reports whether the other side of a socket is not there for now.
func isAway(err error) bool {
	e, ok := errors.AsType[*sandbox.Error](err)
	return ok && (e.Code == sandbox.CodeUnavailable || e.Code == sandbox.CodeNotFound && e.Params["kind"] == "socket")
}

// queued shows the place in the queue.
func (s *session) queued(place int) {
	s.learner.mu.Lock()
	defer s.learner.mu.Unlock()
	s.phase, s.stage, s.place, s.err = PhaseQueued, "", place, nil
	s.learner.notify()
}
