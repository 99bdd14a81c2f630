package recordings

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"podlab/content"
	"podlab/labs"
	"podlab/labs/record"
	"podlab/sandbox"
	"podlab/sandbox/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ann  = "ann"
	lab  = "3.3-shared-volumes"
	step = "slip"
)

// house is the real sessions over scripted nodes, and recordings of them.
type house struct {
	*testing.T
	dir      string
	free     atomic.Uint64 // bytes of the disk
	nodes    *fake.Nodes
	sessions *labs.Sessions
	*Recordings
}

func open(t *testing.T) *house {
	t.Helper()
	course, err := labs.Load(content.FS)
	must(t, err)
	h := &house{T: t, dir: filepath.Join(t.TempDir(), "recordings"), nodes: fake.New()}
	h.sessions, err = labs.Open(t.Context(), labs.Config{Course: course, Nodes: h.nodes, Store: labs.NewMemory(), Log: h.log()})
	must(t, err)
	t.Cleanup(func() { must(t, h.sessions.Close()) })
	h.free.Store(1 << 40)
	h.open(time.Hour)
	t.Cleanup(func() { h.Recordings.Close() })
	return h
}

func (h *house) log() *slog.Logger { return slog.New(slog.NewTextHandler(h.Output(), nil)) }

func (h *house) open(keep time.Duration) {
	h.Helper()
	var err error
	h.Recordings, err = Open(context.WithoutCancel(h.Context()), Config{Dir: h.dir, Keep: keep, Sessions: h.sessions, Log: h.log(), Free: func(string) (uint64, error) { return h.free.Load(), nil }})
	must(h.T, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start brings a learner to a node with a terminal, and returns its frames.
func (h *house) start(learner string) (*labs.Subscription, sandbox.Terminal) {
	h.Helper()
	sub, err := h.sessions.Subscribe(learner, lab, step)
	must(h.T, err)
	h.Cleanup(sub.Close)
	must(h.T, h.sessions.Start(learner, lab, step))
	h.until(sub, func(f labs.Frame) bool { return f.Session.Phase == labs.PhaseReady && f.Snapshot != nil })
	access, err := h.sessions.Agent(learner, lab)
	must(h.T, err)
	term, err := access.Terminal(h.Context(), sandbox.TerminalSpec{ID: "node", Target: "node", Size: sandbox.Size{Cols: 90, Rows: 20}})
	must(h.T, err)
	h.Cleanup(func() { term.Close() })
	return sub, term
}

func (h *house) until(sub *labs.Subscription, is func(labs.Frame) bool) {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), 10*time.Second)
	defer cancel()
	for {
		f, err := sub.Next(ctx)
		must(h.T, err)
		if is(f) {
			return
		}
	}
}

// reads waits until a terminal has printed something.
func (h *house) reads(term io.Reader, want string) {
	h.Helper()
	var seen bytes.Buffer
	for buf := make([]byte, 4096); !strings.Contains(seen.String(), want); {
		n, err := term.Read(buf)
		must(h.T, err)
		seen.Write(buf[:n])
	}
}

// recorded opens the newest recording.
func (h *house) recorded(learner string) (*record.Reader, Recording) {
	h.Helper()
	all := h.List(learner)
	if len(all) == 0 {
		h.Fatal("no recording")
	}
	f, one, err := h.File(all[0].ID)
	must(h.T, err)
	h.Cleanup(func() { f.Close() })
	r, err := record.Open(f, one.Bytes)
	must(h.T, err)
	return r, one
}

func TestRecordingHoldsViewsAndTerminals(t *testing.T) {
	h := open(t)
	sub, term := h.start(ann)
	_, err := term.Write([]byte("echo before\r"))
	must(t, err)
	h.reads(term, "\nbefore")
	h.until(sub, func(f labs.Frame) bool { return f.Snapshot != nil && len(f.Snapshot.Terminals) == 1 })
	must(t, h.Start(ann, lab))
	if err := h.Start(ann, lab); sandbox.CodeOf(err) != sandbox.CodeDenied {
		t.Error("two at once:", err)
	}
	h.until(sub, func(f labs.Frame) bool { return f.Session.Recording != 0 })
	_, err = term.Write([]byte("echo meanwhile\r"))
	must(t, err)
	h.reads(term, "\nmeanwhile")
	must(t, term.Resize(sandbox.Size{Cols: 100, Rows: 30}))
	h.until(sub, func(f labs.Frame) bool {
		return f.Snapshot != nil && len(f.Snapshot.Terminals) == 1 && f.Snapshot.Terminals[0].Attached == 2 && f.Snapshot.Terminals[0].Size.Cols == 100
	})
	must(t, h.Stop(t.Context(), ann))
	h.until(sub, func(f labs.Frame) bool { return f.Session.Recording == 0 })
	file, one := h.recorded(ann)
	if one.Lab != lab || one.Step != step || one.Started == 0 || one.Expires < time.Now().UnixMilli() || !file.Whole {
		t.Errorf("%+v, whole %v", one, file.Whole)
	}
	terminals, err := file.Terminals()
	must(t, err)
	if len(terminals) != 1 || terminals[0] != (record.Terminal{Title: "node", Width: 90, Height: 20}) {
		t.Fatalf("%+v", terminals)
	}
	var cast bytes.Buffer
	must(t, file.Cast(t.Context(), 0, &cast))
	for _, want := range []string{"before", "meanwhile", `"r","100x30"`} {
		if !strings.Contains(cast.String(), want) {
			t.Errorf("the terminal lacks %s:\n%s", want, cast.String())
		}
	}
	if !regexp.MustCompile(`(?m)^\[0\.000000,"o","\\u001bc.*\\nbefore`).MatchString(cast.String()) {
		t.Errorf("what stood on the terminal is not there at the beginning:\n%s", cast.String())
	}
	if _, err := os.Stat(h.path(ann, one.ID, part)); !os.IsNotExist(err) {
		t.Error("the unfinished file is still there")
	}
	h.rejudge(file)
}

// rejudge judges a recording anew: each verdict is the one that was recorded.
func (h *house) rejudge(file *record.Reader) {
	h.Helper()
	course, err := labs.Load(content.FS)
	must(h.T, err)
	l, _ := course.Lab(lab)
	j := labs.NewJudge(l)
	verdicts := 0
	for shown, err := range file.Frames() {
		must(h.T, err)
		must(h.T, j.Take(shown.Taken))
		for i, c := range j.Checks() {
			verdicts++
			if was := shown.Frame.Session.Checks[i]; c.ID != was.ID || c.State != was.State {
				h.Errorf("at %v %s is %s, and was %s", shown.At, c.ID, c.State, was.State)
			}
		}
	}
	if verdicts == 0 {
		h.Error("nothing was judged")
	}
}

func TestRecordingEndsWithItsSession(t *testing.T) {
	h := open(t)
	h.start(ann)
	must(t, h.Start(ann, lab))
	h.mu.Lock()
	made := h.running[ann]
	h.mu.Unlock()
	must(t, h.sessions.End(ann, lab))
	select {
	case <-made.over:
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on")
	}
	file, _ := h.recorded(ann)
	last := ""
	for shown, err := range file.Frames() {
		must(t, err)
		last = shown.Frame.Session.Phase
	}
	if last != labs.PhaseEnded {
		t.Errorf("it ends in phase %s", last)
	}
}

func TestOnlyItsMakerListsAndDeletes(t *testing.T) {
	h := open(t)
	h.start(ann)
	must(t, h.Start(ann, lab))
	must(t, h.Stop(t.Context(), ann))
	_, one := h.recorded(ann)
	if others := h.List("bob"); len(others) != 0 {
		t.Errorf("bob sees %v", others)
	}
	if err := h.Delete("bob", one.ID); sandbox.CodeOf(err) != sandbox.CodeNotFound {
		t.Error("bob deletes:", err)
	}
	for _, id := range []string{"", "x", "../" + one.ID, strings.ToUpper(one.ID)} {
		if _, _, err := h.File(id); sandbox.CodeOf(err) != sandbox.CodeNotFound {
			t.Errorf("%q opens: %v", id, err)
		}
	}
	must(t, h.Delete(ann, one.ID))
	if _, _, err := h.File(one.ID); sandbox.CodeOf(err) != sandbox.CodeNotFound {
		t.Error("deleted, and still there:", err)
	}
	if left, _ := os.ReadDir(h.dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestServerIsKilled: what was recorded until then is a recording, and what is none is removed or left alone.
func TestServerIsKilled(t *testing.T) {
	h := open(t)
	h.start(ann)
	must(t, h.Start(ann, lab))
	must(t, h.Stop(t.Context(), ann))
	_, one := h.recorded(ann)
	whole := h.path(ann, one.ID, record.Extension)
	data, err := os.ReadFile(whole)
	must(t, err)
	h.Recordings.Close()
	must(t, os.Remove(whole))
	must(t, os.WriteFile(h.path(ann, one.ID, part), data[:len(data)-5], 0o600))
	empty := h.path(ann, strings.Repeat("a", 26), part)
	must(t, os.WriteFile(empty, []byte(record.Magic), 0o600))
	other := filepath.Join(h.dir, "notes.txt")
	must(t, os.WriteFile(other, nil, 0o600))
	h.open(time.Hour)
	if all := h.List(ann); len(all) != 1 || all[0].ID != one.ID || all[0].Lab != lab {
		t.Errorf("%+v", all)
	}
	if _, err := os.Stat(empty); !os.IsNotExist(err) {
		t.Error("what held nothing is still there")
	}
	if _, err := os.Stat(other); err != nil {
		t.Error(err)
	}
}

func TestRecordingsExpire(t *testing.T) {
	h := open(t)
	h.start(ann)
	must(t, h.Start(ann, lab))
	must(t, h.Stop(t.Context(), ann))
	_, one := h.recorded(ann)
	h.expire(one.Expires - 1)
	if len(h.List(ann)) != 1 {
		t.Fatal("it expired too early")
	}
	h.expire(one.Expires)
	if left, _ := os.ReadDir(h.dir); len(h.List(ann)) != 0 || len(left) != 0 {
		t.Errorf("it is still there: %v", left)
	}
}

func TestNoneIsMadeBeyondTheBounds(t *testing.T) {
	h := open(t)
	h.start(ann)
	full := map[string]Recording{}
	for i := range maxEach {
		id := strings.Repeat(string(rune('a'+i)), 26)
		full[id] = Recording{owner: ann, Info: record.Info{ID: id, Expires: time.Now().Add(time.Hour).UnixMilli()}}
	}
	h.keep(full)
	if err := h.Start(ann, lab); sandbox.CodeOf(err) != sandbox.CodeOverCapacity {
		t.Error("one too many:", err)
	}
	h.keep(map[string]Recording{"x": {owner: "bob", Info: record.Info{Bytes: maxTotal, Expires: time.Now().Add(time.Hour).UnixMilli()}}})
	if err := h.Start(ann, lab); sandbox.CodeOf(err) != sandbox.CodeOverCapacity {
		t.Error("no room left:", err)
	}
	h.keep(map[string]Recording{})
	if err := h.Start("bob", lab); sandbox.CodeOf(err) != sandbox.CodeNotFound {
		t.Error("without a session:", err)
	}
	h.Recordings.Close()
	h.open(0)
	if err := h.Start(ann, lab); sandbox.CodeOf(err) != sandbox.CodeDenied {
		t.Error("switched off:", err)
	}
}

// keep says what there is.
func (h *house) keep(all map[string]Recording) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done = all
}

// TestSlowDiskSkipsOutput: what waits is bounded, and the newest of it stays.
func TestSlowDiskSkipsOutput(t *testing.T) {
	s := &screen{}
	for range 100 {
		s.add(bytes.Repeat([]byte("x"), 16<<10))
	}
	s.add([]byte("last"))
	data, skipped := s.take()
	if !skipped || len(data) != maxWaiting || !bytes.HasSuffix(data, []byte("last")) {
		t.Errorf("%d bytes, skipped %v", len(data), skipped)
	}
}

// TestErrorsNameNoRecording: they go to the log, and who knows an id may read what it is of.
func TestErrorsNameNoRecording(t *testing.T) {
	h := open(t)
	h.start(ann)
	must(t, h.Start(ann, lab))
	must(t, h.Stop(t.Context(), ann))
	one := h.List(ann)[0]
	path := h.path(ann, one.ID, record.Extension)
	must(t, os.Remove(path))
	must(t, os.MkdirAll(filepath.Join(path, "x"), 0o700))
	if err := h.Delete(ann, one.ID); err == nil || strings.Contains(err.Error(), one.ID) {
		t.Error(err)
	}
	var log bytes.Buffer
	h.cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	h.expire(one.Expires)
	h.Recordings.Close()
	again, err := Open(context.WithoutCancel(t.Context()), h.cfg)
	must(t, err)
	again.Close()
	if !strings.Contains(log.String(), "not removed") || !strings.Contains(log.String(), "left alone") || strings.Contains(log.String(), one.ID) {
		t.Error(log.String())
	}
}

// TestDiskNearlyFull: with little room no recording begins, and one that is being made ends in good order; its learner is told.
func TestDiskNearlyFull(t *testing.T) {
	h := open(t)
	sub, term := h.start(ann)
	h.free.Store(reserve + record.MaxFile - 1)
	if err := h.Start(ann, lab); sandbox.CodeOf(err) != sandbox.CodeOverCapacity || sandbox.Public(err).Params["detail"] != "disk" {
		t.Fatalf("begun with too little room: %v", err)
	}
	h.free.Store(reserve + record.MaxFile)
	must(t, h.Start(ann, lab))
	h.until(sub, func(f labs.Frame) bool { return f.Session.Recording != 0 })
	_, err := term.Write([]byte("echo kept\r"))
	must(t, err)
	h.reads(term, "kept")
	h.free.Store(reserve - 1)
	h.until(sub, func(f labs.Frame) bool {
		return f.Session.Recording == 0 && f.Session.Recorded != nil && f.Session.Recorded.Params["detail"] == "disk"
	})
	must(t, h.Stop(t.Context(), ann)) // waits until the file has its name
	if file, one := h.recorded(ann); one.Bytes == 0 || file.Header.Lab != lab {
		t.Errorf("recorded %+v", one)
	}
	h.free.Store(1 << 40)
	must(t, h.Start(ann, lab))
	h.until(sub, func(f labs.Frame) bool { return f.Session.Recording != 0 && f.Session.Recorded == nil })
}

// TestFreeIsTheFileSystems: what statfs says of a small file system.
func TestFreeIsTheFileSystems(t *testing.T) {
	got, err := free(t.TempDir())
	if err != nil || got == 0 {
		t.Errorf("%d bytes free, %v", got, err)
	}
	if _, err := free(filepath.Join(t.TempDir(), "nowhere")); err == nil {
		t.Error("no error where there is no directory")
	}
}

// TestTerminalIsNotTriedAtEachState: one that cannot be attached to is tried less and less often.
func TestTerminalIsNotTriedAtEachState(t *testing.T) {
	s := &screen{id: "node", target: "node"}
	now := time.Now()
	tries := 0
	for at := time.Duration(0); at < time.Minute; at += 50 * time.Millisecond { // as often as there are states
		if !s.idle(now.Add(at)) {
			continue
		}
		tries++
		s.read(t.Context(), func() (labs.Access, error) { return labs.Access{}, sandbox.Errorf(sandbox.CodeUnavailable) })
		s.again = now.Add(at + s.wait)
	}
	if tries > 12 || tries < 8 {
		t.Errorf("%d tries in a minute", tries)
	}
}
