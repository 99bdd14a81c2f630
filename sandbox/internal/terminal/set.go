package terminal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"podlab/sandbox"
)

// Limits.
const (
	MaxTerminals = 32
	// maxLag is how far the slowest attachment may be behind before the program blocks: small, so that ^C on endless output is felt.
	maxLag = 64 << 10
	// linger is how long a terminal whose program ended while nobody was attached waits to tell so.
	linger = 10 * time.Second
	// keyPrefix is that of the keeper's keys.
	keyPrefix = "terminal/"
)

// stuckAfter is how long one of several attachments may hold up the others.
var stuckAfter = 10 * time.Second

// Keeper keeps descriptors across lives of the agent; node init does.
type Keeper interface {
	Keep(key string, files ...*os.File) error
	Drop(key string) error
	Kept(prefix string) (map[string][]*os.File, error)
}

// Program is what runs on a terminal.
type Program struct {
	PID   int
	Start uint64 // field 22 of /proc/PID/stat
	// Wait returns when the program ended. It is called once.
	Wait func(context.Context) (sandbox.Exit, error)
}

// Config is what a Set needs.
type Config struct {
	Keeper Keeper
	// Start starts the program of a new terminal on a new pty.
	Start func(ctx context.Context, spec sandbox.TerminalSpec) (master *os.File, program Program, err error)
	// Adopt returns a program of an earlier life.
	Adopt   func(pid int, start uint64) Program
	Changed func() // a terminal came, went, or changed its number of attachments
	Log     *slog.Logger
}

// Set is the terminals of a node.
type Set struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	run    sync.WaitGroup

	mu    sync.Mutex
	terms map[string]*entry
}

// entry is a terminal, or one that is being started.
type entry struct {
	ready chan struct{} // closed when term or err is set
	term  *term
	err   error
}

// Open takes over the terminals of an earlier life.
func Open(ctx context.Context, cfg Config) (*Set, error) {
	s := &Set{cfg: cfg, terms: map[string]*entry{}}
	s.ctx, s.cancel = context.WithCancel(ctx)
	kept, err := cfg.Keeper.Kept(keyPrefix)
	if err != nil {
		s.cancel()
		return nil, fmt.Errorf("terminals: %w", err)
	}
	for key, files := range kept {
		if err := s.adopt(key, files); err != nil {
			cfg.Log.Warn("terminal lost", "key", key, "err", err)
			_ = cfg.Keeper.Drop(key) // nothing can be made of it
		}
	}
	return s, nil
}

func (s *Set) adopt(key string, files []*os.File) error {
	if len(files) != 2 {
		for _, f := range files {
			_ = f.Close()
		}
		return errors.New("not two descriptors")
	}
	master, err := Master(files[0])
	if err != nil {
		_ = files[1].Close()
		return err
	}
	r, err := openRing(files[1])
	if err != nil {
		_ = master.Close()
		return err
	}
	if keyPrefix+r.label.ID != key {
		return errors.Join(errors.New("label does not match"), master.Close(), r.close())
	}
	e := &entry{ready: make(chan struct{}), term: newTerm(s, master, r, s.cfg.Adopt(r.label.PID, r.label.Start))}
	e.term.start()
	close(e.ready)
	s.terms[r.label.ID] = e
	return nil
}

// isID reports whether s can name a terminal: 1–80 of [a-z0-9._/#-]. A regular expression would cost every container's first stage 0.2 ms:
// it is the same program.
func isID(s string) bool {
	return s != "" && len(s) <= 80 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789._/#-") == ""
}

// Attach attaches to a terminal, and starts it if it is not there. Errors: bad_request, name_taken (it is for another target),
// over_capacity, and what Start gives; with spec.Watch not_found instead of a start.
func (s *Set) Attach(ctx context.Context, spec sandbox.TerminalSpec) (sandbox.Terminal, error) {
	if !isID(spec.ID) {
		return nil, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "terminal id")
	}
	if spec.Watch {
		return s.watch(spec)
	}
	for {
		e, mine, err := s.entry(spec.ID)
		if err != nil {
			return nil, err
		}
		if mine {
			s.begin(ctx, spec, e)
		}
		select {
		case <-e.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if e.err != nil {
			return nil, e.err
		}
		if e.term.ring.label.Target != spec.Target {
			return nil, sandbox.Errorf(sandbox.CodeNameTaken, "kind", "terminal", "name", spec.ID)
		}
		if a := e.term.attach(spec.Size, false); a != nil {
			if _, over := a.Exit(); over { // told to this one, and to nobody else
				s.remove(spec.ID, e)
			}
			s.cfg.Changed()
			return a, nil
		}
		// It ended just now: the next round starts a new one.
		s.remove(spec.ID, e)
	}
}

// watch attaches to a terminal whose program runs, and changes nothing of it. Errors: not_found.
func (s *Set) watch(spec sandbox.TerminalSpec) (sandbox.Terminal, error) {
	t := s.find(spec.ID)
	if t == nil || t.ring.label.Target != spec.Target {
		return nil, absent(spec.ID)
	}
	a := t.attach(sandbox.Size{}, true)
	if a == nil {
		return nil, absent(spec.ID)
	}
	if _, over := a.Exit(); over { // that is for whoever looks at it to be told
		return nil, errors.Join(absent(spec.ID), a.Close())
	}
	s.cfg.Changed()
	return a, nil
}

func absent(id string) error {
	return sandbox.Errorf(sandbox.CodeNotFound, "kind", "terminal", "name", id)
}

// entry returns the terminal's entry; mine says that the caller has to begin it.
func (s *Set) entry(id string) (e *entry, mine bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return nil, false, sandbox.Errorf(sandbox.CodeUnavailable)
	}
	if e := s.terms[id]; e != nil {
		return e, false, nil
	}
	if len(s.terms) >= MaxTerminals {
		return nil, false, sandbox.Errorf(sandbox.CodeOverCapacity, "resource", "terminals", "asked", fmt.Sprint(MaxTerminals+1), "free", "0")
	}
	e = &entry{ready: make(chan struct{})}
	s.terms[id] = e
	return e, true, nil
}

// begin starts the terminal of e, or removes e with its error.
func (s *Set) begin(ctx context.Context, spec sandbox.TerminalSpec, e *entry) {
	e.term, e.err = s.make(ctx, spec)
	if e.err != nil {
		s.remove(spec.ID, e)
	} else {
		e.term.start()
	}
	close(e.ready)
}

func (s *Set) make(ctx context.Context, spec sandbox.TerminalSpec) (*term, error) {
	console, program, err := s.cfg.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	master, err := Master(console)
	if err != nil {
		return nil, err
	}
	SetSize(master, spec.Size)
	r, err := newRing(label{ID: spec.ID, Target: spec.Target, PID: program.PID, Start: program.Start})
	if err != nil {
		return nil, errors.Join(err, master.Close())
	}
	if err := s.cfg.Keeper.Keep(keyPrefix+spec.ID, master, r.file); err != nil {
		return nil, errors.Join(err, master.Close(), r.close())
	}
	return newTerm(s, master, r, program), nil
}

func (s *Set) remove(id string, e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.terms[id] == e {
		delete(s.terms, id)
	}
}

// forget is called once by a terminal that ended and has been told, or will not be.
func (s *Set) forget(t *term) {
	id := t.ring.label.ID
	s.mu.Lock()
	e := s.terms[id]
	mine := e != nil && e.term == t
	if mine {
		delete(s.terms, id)
	}
	s.mu.Unlock()
	s.cfg.Changed()
}

// Hangup ends a terminal's program: SIGHUP, and SIGKILL when that did not do.
func (s *Set) Hangup(id string) error {
	t := s.find(id)
	if t == nil {
		return absent(id)
	}
	t.hangup()
	return nil
}

func (s *Set) find(id string) *term {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.terms[id]
	if e == nil {
		return nil
	}
	select {
	case <-e.ready:
		return e.term
	default:
		return nil
	}
}

// List returns all terminals whose program runs, by ID.
func (s *Set) List() []sandbox.TerminalStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []sandbox.TerminalStatus{}
	for _, e := range s.terms {
		select {
		case <-e.ready:
		default:
			continue
		}
		if e.term != nil {
			if st, ok := e.term.status(); ok {
				out = append(out, st)
			}
		}
	}
	sort.Slice(out, func(i, j int) bool { return strings.Compare(out[i].ID, out[j].ID) < 0 })
	return out
}

// Close cuts off every attachment and ends the goroutines. Programs and rings stay for the next life.
func (s *Set) Close() {
	s.mu.Lock()
	s.cancel()
	terms := s.terms
	s.terms = map[string]*entry{}
	s.mu.Unlock()
	for _, e := range terms {
		<-e.ready
		if e.term != nil {
			e.term.leave()
		}
	}
	s.run.Wait()
}
