package labs

import (
	"context"

	"podlab/labs/warm"
	"podlab/sandbox"
)

// newWarm returns the pool of nodes made ahead: of each lab that allows it, in its first step.
func (s *Sessions) newWarm() *warm.Pool {
	cfg := warm.Config{
		Nodes: s.cfg.Nodes, Most: s.cfg.Warm, Kinds: map[string]warm.Kind{}, Images: s.cfg.Images, Log: s.cfg.Log,
		NewID: s.newNodeID, Discard: func(id string) <-chan struct{} { return s.discard(id, true) },
		Busy: s.cfg.Busy, Full: func() bool { return !s.queue.empty() },
	}
	for _, lab := range s.cfg.Course.Labs() {
		if !lab.Ahead {
			continue
		}
		if cfg.First == "" {
			cfg.First = lab.ID
		}
		cfg.Kinds[lab.ID] = warm.Kind{
			Spec: lab.Node.spec(""),
			SetUp: func(ctx context.Context, agent sandbox.Agent) (warm.Start, error) {
				return Actor{Agent: agent, Lab: lab}.setUp(ctx, lab.Steps[0], true)
			},
		}
	}
	return warm.New(cfg)
}

// spec is what a node of that size is asked for with.
func (n NodeSize) spec(id string) sandbox.NodeSpec {
	return sandbox.NodeSpec{ID: id, Hostname: "node", Memory: n.Memory, CPU: n.CPU, PIDs: n.PIDs, Disk: n.Disk}
}

// named gives the id of a fresh node for a step: one made ahead if there is one of it.
func (s *Sessions) named(lab *Lab, step *Step) (id string, ahead *warm.Node) {
	s.warm.Asked(lab.ID)
	if step == lab.Steps[0] {
		if n, ok := s.warm.Take(lab.ID); ok {
			return n.Spec.ID, &n
		}
	}
	return s.newNodeID(), nil
}

// cold gives up a node made ahead that cannot be had, and names a fresh one.
func (s *session) cold() (id string) {
	s.learner.mu.Lock()
	defer s.learner.mu.Unlock()
	s.all.discard(s.node, false)
	s.node, s.ahead = s.all.newNodeID(), nil
	s.touched()
	return s.node
}

// setUpAhead finds a step set up already; ahead is false when it is still to be done. It began when its set-up ended, as in a cold start: what
// the kernel told since then is the step's.
func (s *session) setUpAhead(ctx context.Context, agent sandbox.Agent, fresh bool) (start warm.Start, ahead bool, err error) {
	s.learner.mu.Lock()
	made := s.ahead
	s.learner.mu.Unlock()
	if !fresh || made == nil {
		return start, false, nil
	}
	start.Since = made.Since
	start.Now, err = agent.Snapshot(ctx)
	return start, true, err
}
