package labs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/manifest"
)

// Config is what sessions are run with. Zero durations take the defaults.
type Config struct {
	Course *Course
	Nodes  sandbox.Nodes
	Store  Store
	Log    *slog.Logger
	Prefix string        // of the ids of this server's nodes; default "s-". Nodes with it and without a session are destroyed.
	TTL    time.Duration // of a session; default 60 min
	Extend time.Duration // by one extension; default 30 min
	Warn   time.Duration // before the deadline: extendable from then on; default 10 min
	Idle   time.Duration // nobody looks: the session ends; default 20 min
	Most   time.Duration // that a session may live with all extensions; default 4 h
	// Fault, if set, is told of every evaluation that failed for another reason than that something is not there.
	Fault func(lab, step, source string, err error)
}

// defaults fills in what was not given.
func (c Config) defaults() Config {
	c.Prefix = cmp.Or(c.Prefix, "s-")
	c.TTL = cmp.Or(c.TTL, 60*time.Minute)
	c.Extend = cmp.Or(c.Extend, 30*time.Minute)
	c.Warn = cmp.Or(c.Warn, 10*time.Minute)
	c.Idle = cmp.Or(c.Idle, 20*time.Minute)
	c.Most = cmp.Or(c.Most, 4*time.Hour)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Fault == nil {
		c.Fault = func(lab, step, source string, err error) {
			c.Log.Debug("expression", "lab", lab, "step", step, "source", source, "error", err)
		}
	}
	return c
}

// Sessions holds the live sessions of all learners: at most one each. It owns every goroutine of this package: they end in Close.
type Sessions struct {
	cfg   Config
	ctx   context.Context //nolint:containedctx // the life of everything it owns, ended by Close
	stop  context.CancelFunc
	wg    sync.WaitGroup
	queue *queue

	mu       sync.Mutex
	learners map[string]*learner
	uses     map[*learner]int
	nodes    map[string]bool // ids that this server gave or found, until they are destroyed
	traced   string
}

// Open finds again the sessions that the store knows and their nodes, and removes nodes that belong to none. It returns at once
// when the daemon is away, and keeps trying. Close before the store closes.
func Open(ctx context.Context, cfg Config) (*Sessions, error) {
	s := &Sessions{
		cfg: cfg.defaults(), queue: newQueue(), learners: map[string]*learner{}, uses: map[*learner]int{}, nodes: map[string]bool{},
	}
	s.ctx, s.stop = context.WithCancel(ctx)
	records, err := s.cfg.Store.Sessions(ctx)
	if err != nil {
		s.stop()
		return nil, err
	}
	for _, r := range records {
		if err := s.adopt(ctx, r); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	s.wg.Go(s.reconcile)
	return s, nil
}

// Close stops watching. Nodes live on: the next Open finds them.
func (s *Sessions) Close() error {
	s.stop()
	s.wg.Wait()
	return nil
}

// adopt goes on with a session of an earlier life. One whose lab or step is no longer there ends; its node is removed as nobody's.
func (s *Sessions) adopt(ctx context.Context, r Record) error {
	lab, step, err := s.find(r.Lab, r.Step)
	if err != nil {
		s.cfg.Log.Warn("a session's step is no longer there", "lab", r.Lab, "step", r.Step)
		return s.cfg.Store.DeleteSession(ctx, r.Learner)
	}
	l, err := s.acquire(ctx, r.Learner)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.nodes[r.Node] = true
	s.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.session = newSession(s, l, lab, step)
	l.generation = r.Generation
	if err := l.session.adopt(r); err != nil {
		s.release(l)
		return err
	}
	l.session.launch()
	return nil
}

// reconcile learns about the host and removes nodes that carry this server's prefix and belong to nobody.
func (s *Sessions) reconcile() {
	for wait := retryFirst; ; wait = min(2*wait, retryLast) {
		err := s.sweep()
		if err == nil || s.ctx.Err() != nil {
			return
		}
		s.cfg.Log.Debug("daemon is away", "error", err)
		if sleep(s.ctx, wait) != nil {
			return
		}
	}
}

func (s *Sessions) sweep() error {
	info, err := s.cfg.Nodes.Info(s.ctx)
	if err != nil {
		return err
	}
	nodes, err := s.cfg.Nodes.List(s.ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.traced = info.Tracer
	var orphans []string
	for _, n := range nodes {
		if strings.HasPrefix(n.Spec.ID, s.cfg.Prefix) && !s.nodes[n.Spec.ID] {
			orphans = append(orphans, n.Spec.ID)
		}
	}
	s.mu.Unlock()
	for _, id := range orphans {
		s.cfg.Log.Info("node belongs to nobody: removed", "node", id)
		s.discard(id, true)
	}
	return nil
}

// newNodeID gives a node's id.
func (s *Sessions) newNodeID() string {
	id := s.cfg.Prefix + randomID()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes[id] = true
	return id
}

// discard removes a node in the background, for as long as it takes; the channel closes then. Its room is for whoever is first in
// the queue, unless vacant is false.
func (s *Sessions) discard(id string, vacant bool) <-chan struct{} {
	removed := make(chan struct{})
	s.wg.Go(func() {
		defer close(removed)
		for wait := retryFirst; ; wait = min(2*wait, retryLast) {
			err := s.cfg.Nodes.Destroy(s.ctx, id)
			if err == nil {
				break
			}
			s.cfg.Log.Warn("node is not removed yet", "node", id, "error", err)
			if sleep(s.ctx, wait) != nil {
				return // the next start removes it
			}
		}
		s.mu.Lock()
		delete(s.nodes, id)
		s.mu.Unlock()
		if vacant {
			s.queue.free()
		}
	})
	return removed
}

// boot is the time of the host's start in Unix milliseconds.
func (s *Sessions) boot() int64 { return time.Now().UnixMilli() - bootTime().Milliseconds() }

// tracer is where kernel moments come from; empty until the daemon was asked.
func (s *Sessions) tracer() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.traced
}

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

func (s *Sessions) find(lab, step string) (*Lab, *Step, error) {
	l, ok := s.cfg.Course.Lab(lab)
	if !ok {
		return nil, nil, sandbox.Errorf(sandbox.CodeNotFound, "kind", "lab", "name", lab)
	}
	st, _, ok := l.Step(step)
	if !ok {
		return nil, nil, sandbox.Errorf(sandbox.CodeNotFound, "kind", "step", "name", step)
	}
	return l, st, nil
}

// with calls fn with a learner, locked, and the step, and saves what fn changed.
func (s *Sessions) with(ctx context.Context, id, lab, step string, fn func(*learner, *Lab, *Step) error) error {
	l, st, err := s.find(lab, step)
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
	return s.live(s.ctx, id, lab, func(live *session) error {
		if !live.extendable(time.Now()) {
			return sandbox.Errorf(sandbox.CodeDenied)
		}
		live.extend()
		return nil
	})
}

// End ends the session and destroys its node. No session is no error.
func (s *Sessions) End(id, lab string) error {
	err := s.live(s.ctx, id, lab, func(live *session) error {
		live.want(wish{end: true})
		return nil
	})
	if sandbox.CodeOf(err) == sandbox.CodeNotFound {
		return nil
	}
	return err
}

// live calls fn with the learner's live session in a lab, locked, and saves what fn changed.
func (s *Sessions) live(ctx context.Context, id, lab string, fn func(*session) error) error {
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

// Predict locks an answer. Errors: not_found, denied (already answered, or it happened before).
func (s *Sessions) Predict(id, lab, step, prediction, option string) error {
	return s.live(s.ctx, id, lab, func(live *session) error {
		if live.board == nil || live.step.ID != step {
			return sandbox.Errorf(sandbox.CodeNotFound, "kind", "step", "name", step)
		}
		if err := live.board.predict(prediction, option); err != nil {
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
func (s *Sessions) File(ctx context.Context, id, lab, step, name string) ([]byte, error) {
	l, m, err := s.manifest(lab, step, name)
	if err != nil {
		return nil, err
	}
	access, err := s.Agent(id, lab)
	if err != nil {
		return l.Files[m.From], nil
	}
	data, err := access.ReadFile(ctx, name)
	if sandbox.CodeOf(err) == sandbox.CodeNotFound {
		return l.Files[m.From], nil
	}
	return data, err
}

// PutFile saves a manifest of the step on the node. Errors: not_found, too_large, unavailable.
func (s *Sessions) PutFile(ctx context.Context, id, lab, step, name string, data []byte) error {
	if _, _, err := s.manifest(lab, step, name); err != nil {
		return err
	}
	access, err := s.Agent(id, lab)
	if err != nil {
		return err
	}
	return access.WriteFile(ctx, name, data)
}

// Apply saves a manifest on the node and applies it. Errors: those of manifest.Decode and Agent.Apply, not_found.
func (s *Sessions) Apply(ctx context.Context, id, lab, step, name string, data []byte) ([]sandbox.Applied, error) {
	if err := s.PutFile(ctx, id, lab, step, name, data); err != nil {
		return nil, err
	}
	objects, err := manifest.Decode(data)
	if err != nil {
		return nil, err
	}
	access, err := s.Agent(id, lab)
	if err != nil {
		return nil, err
	}
	return access.Apply(ctx, manifest.Bytes(objects))
}

func (s *Sessions) manifest(lab, step, name string) (*Lab, *Manifest, error) {
	l, st, err := s.find(lab, step)
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
	l, st, err := s.find(lab, step)
	if err != nil {
		return nil, err
	}
	who, err := s.acquire(s.ctx, id)
	if err != nil {
		return nil, err
	}
	sub := &Subscription{sessions: s, learner: who, lab: l, step: st, wake: make(chan struct{}, 1)}
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
