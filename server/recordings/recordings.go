// Package recordings makes and keeps recordings of sessions (labs/record): when a learner asks and only then, for a time, and within
// bounds. Who knows a recording's id may read it; only who made it may list and delete it.
//
// A recording that is being made is OWNER.ID.part, a finished one OWNER.ID.podlab; nothing else tells of it. Owner is the learner's id.
//
// Who owns what: Recordings owns one goroutine that removes what expired, and those of each recorder. A recorder has one goroutine that
// writes, one that reads the tape, and one for each terminal. All end in Close, which finishes what is being made.
package recordings

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"podlab/labs"
	"podlab/labs/record"
	"podlab/sandbox"
)

// Bounds of what is kept.
const (
	maxEach    = 20        // recordings of one learner
	maxLearner = 200 << 20 // bytes of one learner's
	maxTotal   = 4 << 30   // bytes of all
	reserve    = 512 << 20 // bytes of the file system that recordings leave free: progress is kept there, too

	sweepEvery = time.Minute
	part       = ".part"
)

// Sessions is what a recorder sees of the lessons. *labs.Sessions is one.
type Sessions interface {
	Record(learner, lab string) (*labs.Tape, error)
	Agent(learner, lab string) (labs.Access, error)
}

// Config is what Recordings are made with.
type Config struct {
	Dir      string
	Keep     time.Duration // after which a finished recording is removed; 0 or less: none is made
	Sessions Sessions
	Log      *slog.Logger
	Free     func(dir string) (bytes uint64, err error) // of a directory's file system; nil: statfs(2)
}

// Recordings are all that were made here.
type Recordings struct {
	cfg  Config
	ctx  context.Context //nolint:containedctx // the life of everything it owns, ended by Close
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu      sync.Mutex
	done    map[string]Recording // by id
	running map[string]*recorder // by learner
}

// Recording is a finished one.
type Recording struct {
	record.Info
	owner string
}

// Open finds what was recorded, and finishes what an earlier life of the server was recording. ctx is the recordings' life.
func Open(ctx context.Context, cfg Config) (*Recordings, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	if cfg.Free == nil {
		cfg.Free = free
	}
	r := &Recordings{cfg: cfg, done: map[string]Recording{}, running: map[string]*recorder{}}
	entries, err := os.ReadDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if err := r.find(e.Name()); err != nil {
			cfg.Log.Warn("recording left alone", "file", fileName.ReplaceAllString(e.Name(), "$1.…$3"), "error", nameless(err))
		}
	}
	r.ctx, r.stop = context.WithCancel(ctx)
	r.wg.Go(r.sweep)
	return r, nil
}

// Close finishes what is being recorded.
func (r *Recordings) Close() {
	r.stop()
	r.wg.Wait()
}

var fileName = regexp.MustCompile(`^([A-Za-z0-9_-]{1,64})\.([a-z2-7]{26})(\.part|\.podlab)$`)

// find takes up a file.
func (r *Recordings) find(name string) error {
	is := fileName.FindStringSubmatch(name)
	if is == nil {
		return errors.New("it is none")
	}
	path := filepath.Join(r.cfg.Dir, name)
	if is[3] == part {
		whole, err := mend(path)
		if errors.Is(err, record.ErrBad) {
			return errors.Join(err, os.Remove(path)) // nothing came so far as to be kept
		}
		if err != nil {
			return err
		}
		path = whole
	}
	one, err := r.read(path, is[1], is[2])
	if err != nil {
		return err
	}
	r.done[one.ID] = one
	return nil
}

// mend ends a file that was cut off, and gives it its name.
func mend(path string) (whole string, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	if err := errors.Join(record.Repair(f), f.Close()); err != nil {
		return "", err
	}
	whole = strings.TrimSuffix(path, part) + record.Extension
	return whole, os.Rename(path, whole)
}

func (r *Recordings) read(path, owner, id string) (Recording, error) {
	f, err := os.Open(path)
	if err != nil {
		return Recording{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Recording{}, err
	}
	file, err := record.Open(f, info.Size())
	if err != nil {
		return Recording{}, err
	}
	return Recording{owner: owner, Info: record.Info{
		ID: id, Lab: file.Header.Lab, Step: file.Header.Step, Started: file.Header.Started, Length: file.Length().Milliseconds(),
		Bytes: info.Size(), Expires: info.ModTime().Add(r.cfg.Keep).UnixMilli(),
	}}, nil
}

func (r *Recordings) path(owner, id, extension string) string {
	return filepath.Join(r.cfg.Dir, owner+"."+id+extension)
}

// sweep removes what expired.
func (r *Recordings) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		r.expire(time.Now().UnixMilli())
		select {
		case <-tick.C:
		case <-r.ctx.Done():
			return
		}
	}
}

func (r *Recordings) expire(now int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, one := range r.done {
		if one.Expires > now {
			continue
		}
		if err := r.remove(one); err != nil {
			r.cfg.Log.Error("recording is not removed", "lab", one.Lab, "error", nameless(err))
			continue
		}
		delete(r.done, id)
	}
}

func (r *Recordings) remove(one Recording) error {
	return os.Remove(r.path(one.owner, one.ID, record.Extension))
}

// Start begins to record a learner's live session. Errors: not_found (no session), denied (one is being made, or none shall be),
// over_capacity (detail recordings: the learner's or all room is used; disk: the file system is nearly full).
func (r *Recordings) Start(learner, lab string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cfg.Keep <= 0 || r.running[learner] != nil || r.ctx.Err() != nil {
		return sandbox.Errorf(sandbox.CodeDenied)
	}
	if !r.room(learner) {
		return sandbox.Errorf(sandbox.CodeOverCapacity, "detail", "recordings")
	}
	if why := r.short(int64(len(r.running)+1) * record.MaxFile); why != nil {
		return why
	}
	tape, err := r.cfg.Sessions.Record(learner, lab)
	if err != nil {
		return err
	}
	id := strings.ToLower(rand.Text())
	made, err := r.begin(tape, learner, lab, id)
	if err != nil {
		tape.Close(nil)
		return fmt.Errorf("recording: %w", nameless(err))
	}
	r.running[learner] = made
	r.wg.Go(func() {
		made.run()
		r.finish(made, learner, id)
	})
	return nil
}

// room reports whether one more recording may be made. The caller holds the lock.
func (r *Recordings) room(learner string) bool {
	count, mine, all := 0, int64(0), int64(len(r.running))*record.MaxFile
	for _, one := range r.done {
		all += one.Bytes
		if one.owner == learner {
			count++
			mine += one.Bytes
		}
	}
	return count < maxEach && mine+record.MaxFile <= maxLearner && all+record.MaxFile <= maxTotal
}

// short is an error when the file system has less room than what is still to be written and the reserve.
func (r *Recordings) short(more int64) *sandbox.Error {
	left, err := r.cfg.Free(r.cfg.Dir)
	if err != nil {
		return sandbox.Errorf(sandbox.CodeInternal).Because(nameless(err))
	}
	if left < reserve+uint64(max(0, more)) {
		return sandbox.Errorf(sandbox.CodeOverCapacity, "detail", "disk")
	}
	return nil
}

// free is what unprivileged processes may still write, statfs(2).
func free(dir string) (uint64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("statfs: %w", err)
	}
	return fs.Bavail * uint64(fs.Bsize), nil //nolint:gosec // a block's size is positive
}

// finish gives a recording its name.
func (r *Recordings) finish(made *recorder, learner, id string) {
	from, to := r.path(learner, id, part), r.path(learner, id, record.Extension)
	r.mu.Lock()
	defer r.mu.Unlock()
	defer close(made.over)
	delete(r.running, learner)
	if err := os.Rename(from, to); err != nil {
		r.cfg.Log.Error("recording is lost", "error", nameless(err))
		return
	}
	one, err := r.read(to, learner, id)
	if err != nil {
		r.cfg.Log.Error("recording is lost", "error", errors.Join(nameless(err), nameless(os.Remove(to))))
		return
	}
	r.done[id] = one
}

// Stop finishes what is being recorded of a learner. None is no error.
func (r *Recordings) Stop(ctx context.Context, learner string) error {
	r.mu.Lock()
	made := r.running[learner]
	r.mu.Unlock()
	if made == nil {
		return nil
	}
	made.stop()
	select {
	case <-made.over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// List are a learner's recordings, newest first.
func (r *Recordings) List(learner string) []Recording {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := []Recording{}
	for _, one := range r.done {
		if one.owner == learner {
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b Recording) int { return cmp.Compare(b.Started, a.Started) })
	return all
}

// Delete removes a learner's recording. Errors: not_found.
func (r *Recordings) Delete(learner, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	one, ok := r.done[id]
	if !ok || one.owner != learner {
		return absent()
	}
	if err := r.remove(one); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nameless(err)
	}
	delete(r.done, id)
	return nil
}

// File opens a recording for whoever knows its id. Errors: not_found.
func (r *Recordings) File(id string) (*os.File, Recording, error) {
	r.mu.Lock()
	one, ok := r.done[id]
	r.mu.Unlock()
	if !ok || one.Expires <= time.Now().UnixMilli() {
		return nil, one, absent()
	}
	f, err := os.Open(r.path(one.owner, id, record.Extension))
	if errors.Is(err, os.ErrNotExist) {
		return nil, one, absent()
	}
	return f, one, nameless(err)
}

// nameless is an error without the name of the file that it is of: a log shall not hold a recording's id, with which anybody may read it.
func nameless(err error) error {
	if one, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", one.Op, one.Err)
	}
	if two, ok := errors.AsType[*os.LinkError](err); ok {
		return fmt.Errorf("%s: %w", two.Op, two.Err)
	}
	return err
}

func absent() error { return sandbox.Errorf(sandbox.CodeNotFound, "kind", "recording", "name", "") }
