package labs

import (
	"context"
	"slices"

	"podlab/sandbox"
	"podlab/sandbox/manifest"
)

// Start brings the learner into a step, with a node: a step that continues the one the session is in keeps its node, any other
// gets a fresh one. A live session in another lab ends. Being there already is no error. It returns before the node is ready:
// frames tell. Errors: not_found.
func (s *Sessions) Start(id, lab, step string) error {
	return s.with(s.ctx, id, lab, step, func(who *learner, l *Lab, st *Step) error {
		live := who.session
		switch {
		case live == nil || live.lab != l:
			s.open(who, l, st)
		case live.step == st && live.phase != PhaseGone:
		case live.continues(st):
			live.proceed(st)
		default:
			live.want(wish{fresh: st})
		}
		return nil
	})
}

// Reset gives the learner a fresh node in the step's start. Errors: not_found.
func (s *Sessions) Reset(id, lab, step string) error {
	return s.with(s.ctx, id, lab, step, func(who *learner, l *Lab, st *Step) error {
		if who.session == nil || who.session.lab != l {
			s.open(who, l, st)
		} else {
			who.session.want(wish{fresh: st})
		}
		return nil
	})
}

// open begins a session; one in another lab ends. The caller holds the learner's lock.
func (s *Sessions) open(who *learner, lab *Lab, step *Step) {
	if who.session != nil {
		who.session.want(wish{end: true})
	}
	s.mu.Lock()
	s.uses[who]++
	s.mu.Unlock()
	who.session, who.ended = newSession(s, who, lab, step), ""
	who.session.wish = &wish{fresh: step}
	who.session.generation = who.generation
	who.session.launch()
	who.notify()
}

// Extend moves the deadline. Errors: not_found (no session), denied (too early, or no more).
func (s *Sessions) Extend(id, lab string) error {
	return s.inSession(s.ctx, id, lab, func(live *session) error {
		if !live.extendable(s.read().wall) {
			return sandbox.Errorf(sandbox.CodeDenied)
		}
		live.extend()
		return nil
	})
}

// End ends the session and destroys its node. No session is no error.
func (s *Sessions) End(id, lab string) error {
	err := s.inSession(s.ctx, id, lab, func(live *session) error {
		live.want(wish{end: true})
		return nil
	})
	if sandbox.CodeOf(err) == sandbox.CodeNotFound {
		return nil
	}
	return err
}

// Predict locks an answer. Errors: not_found, denied (already answered, or it happened before).
func (s *Sessions) Predict(id, lab, step, prediction, option string) error {
	return s.inSession(s.ctx, id, lab, func(live *session) error {
		if live.attempt == nil || live.step.ID != step {
			return sandbox.Errorf(sandbox.CodeNotFound, "kind", "step", "name", step)
		}
		if err := live.attempt.predict(prediction, option); err != nil {
			return err
		}
		live.changed()
		live.learner.notify()
		return nil
	})
}

// Hint grants the next tier of a check's hints and returns it, the last one again when there is no more. Errors: not_found.
func (s *Sessions) Hint(ctx context.Context, id, lab, step, check string) (tier int, err error) {
	err = s.with(ctx, id, lab, step, func(who *learner, l *Lab, st *Step) error {
		c, ok := st.Check(check)
		if !ok {
			return sandbox.Errorf(sandbox.CodeNotFound, "kind", "check", "name", check)
		}
		tier = who.hint(l, st, c)
		return nil
	})
	return tier, err
}

// ShowSolution records that the learner looked at the solution.
func (s *Sessions) ShowSolution(ctx context.Context, id, lab, step string) error {
	return s.with(ctx, id, lab, step, func(who *learner, l *Lab, st *Step) error {
		who.update(l.ID, st.ID, func(p *StepProgress) { p.Solution = true })
		return nil
	})
}

// Progress returns what the learner has done, by lab id. Hints that were granted are in it.
func (s *Sessions) Progress(ctx context.Context, id string) (map[string]Progress, error) {
	who, err := s.acquire(ctx, id)
	if err != nil {
		return nil, err
	}
	defer s.release(who)
	who.mu.Lock()
	defer who.mu.Unlock()
	out := make(map[string]Progress, len(who.progress))
	for lab, p := range who.progress {
		out[lab] = p.clone()
	}
	return out, nil
}

// Live returns the lab and step of the learner's live session; ok is false when there is none.
func (s *Sessions) Live(id string) (lab, step string, ok bool) {
	who := s.known(id, nil)
	if who == nil {
		return "", "", false
	}
	defer s.release(who)
	who.mu.Lock()
	defer who.mu.Unlock()
	if who.session == nil {
		return "", "", false
	}
	return who.session.lab.ID, who.session.step.ID, true
}

// Access is a learner's node for as long as it is theirs.
type Access struct {
	sandbox.Agent
	Generation int
	Gone       <-chan struct{} // closes when the node is replaced or removed
}

// Agent returns the way to the agent of the learner's node in this lab, for terminals and previews, and the node's generation.
// ctx of calls made with it should end when Gone does: the node is being replaced then. Errors: not_found (no node).
func (s *Sessions) Agent(id, lab string) (Access, error) {
	who := s.known(id, nil)
	if who == nil {
		return Access{}, sandbox.Errorf(sandbox.CodeNotFound, "kind", "node", "name", lab)
	}
	defer s.release(who)
	who.mu.Lock()
	defer who.mu.Unlock()
	if who.session == nil || who.session.lab.ID != lab || who.session.access == nil {
		return Access{}, sandbox.Errorf(sandbox.CodeNotFound, "kind", "node", "name", lab)
	}
	return *who.session.access, nil
}

// File returns a manifest of the step as it is on the node, or as the lab has it when there is no node. Errors: not_found.
func (s *Sessions) File(ctx context.Context, id, lab, step, name string) (data []byte, err error) {
	l, m, err := s.manifest(lab, step, name)
	if err != nil {
		return nil, err
	}
	access, err := s.Agent(id, lab)
	if err == nil {
		data, err = access.ReadFile(ctx, name)
	}
	if sandbox.CodeOf(err) == sandbox.CodeNotFound {
		return l.Files[m.From], nil
	}
	return data, err
}

// Apply saves a manifest of the step on the node, also one with mistakes, and applies it. Errors: those of Agent.WriteFile,
// manifest.Decode and Agent.Apply, not_found.
func (s *Sessions) Apply(ctx context.Context, id, lab, step, name string, data []byte) ([]sandbox.Applied, error) {
	if _, _, err := s.manifest(lab, step, name); err != nil {
		return nil, err
	}
	access, err := s.Agent(id, lab)
	if err != nil {
		return nil, err
	}
	if err := access.WriteFile(ctx, name, data); err != nil {
		return nil, err
	}
	objects, err := manifest.Decode(data)
	if err != nil {
		return nil, err
	}
	return access.Apply(ctx, manifest.Bytes(objects))
}

func (s *Sessions) manifest(lab, step, name string) (*Lab, *Manifest, error) {
	l, st, err := s.cfg.Course.Find(lab, step)
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(st.Manifests, func(m Manifest) bool { return m.File == name })
	if i < 0 {
		return nil, nil, sandbox.Errorf(sandbox.CodeNotFound, "kind", "file", "name", name)
	}
	return l, &st.Manifests[i], nil
}

// Subscribe shows a learner one step's page. Close it.
func (s *Sessions) Subscribe(id, lab, step string) (*Subscription, error) {
	l, st, err := s.cfg.Course.Find(lab, step)
	if err != nil {
		return nil, err
	}
	who, err := s.acquire(s.ctx, id)
	if err != nil {
		return nil, err
	}
	sub := &Subscription{sessions: s, learner: who, lab: l, step: st, wake: make(chan struct{}, 1), pace: newPace()}
	sub.poke()
	who.mu.Lock()
	defer who.mu.Unlock()
	who.subs[sub] = struct{}{}
	if live := who.session; live != nil {
		poke(live.seen)
		live.rouse()
	}
	return sub, nil
}
