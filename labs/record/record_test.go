package record_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"podlab/labs"
	"podlab/labs/record"
	"podlab/sandbox"
)

var header = record.Header{Lab: "3.1-pause", Step: "share", Started: 1_764_000_000_000}

// frame is what a page is shown at a time: a snapshot with so many processes, and one moment.
func frame(at time.Duration, seq, processes int) labs.Frame {
	f := labs.Frame{
		Now: header.Started + at.Milliseconds(), Boot: 1, Tracer: "ebpf",
		Session: labs.SessionView{Lab: header.Lab, Step: header.Step, Phase: labs.PhaseReady, Generation: 1,
			Checks: []labs.CheckState{}, Predictions: []labs.PredictionState{}, StepsDone: []string{}, Reached: []string{}},
		Snapshot: &sandbox.Snapshot{Agent: "a", Seq: uint64(seq), Time: at.Microseconds()},
		Moments:  []sandbox.Moment{{Source: sandbox.SourceKernel, Seq: uint64(seq), Time: at.Microseconds(), Kind: sandbox.MomentFork, PID: seq}},
	}
	for i := range processes {
		f.Snapshot.Processes = append(f.Snapshot.Processes, sandbox.Process{PID: 100 + i, PPID: 1, Name: "sleep", Args: []string{"sleep", fmt.Sprint(i)}, State: "S"})
	}
	f.Snapshot.Node.Usage.CPU = int64(seq) * 1021
	return f
}

// taken is the i-th state: every third was judged, the first begins a judge.
func taken(at time.Duration, i int) labs.Taken {
	out := labs.Taken{Frame: frame(at, i+1, 20), Judged: i%3 == 0}
	if i == 0 {
		out.Begun = &labs.Begun{Step: header.Step, Since: 7, Marks: labs.Marks{Kept: map[string]string{"ip": "10.0.0.2"}}}
	}
	return out
}

// recorded is a file of so many frames, one every step, with a terminal that prints between them.
func recorded(t testing.TB, frames int, step time.Duration) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := record.NewWriter(&file, header)
	must(t, err)
	number, err := w.Terminal(0, "node", sandbox.Size{Cols: 80, Rows: 24})
	must(t, err)
	for i := range frames {
		at := time.Duration(i) * step
		must(t, w.Take(at, taken(at, i)))
		must(t, w.Output(at+step/2, number, fmt.Appendf(nil, "line %d <b>é\r\n", i)))
	}
	must(t, w.Close())
	return file.Bytes()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, data []byte) *record.Reader {
	t.Helper()
	r, err := record.Open(bytes.NewReader(data), int64(len(data)))
	must(t, err)
	return r
}

func TestEveryFrameComesBack(t *testing.T) {
	const n, step = 200, 400 * time.Millisecond
	r := open(t, recorded(t, n, step))
	if !r.Whole || r.Header != header || r.Length() != (n-1)*step+step/2 {
		t.Errorf("whole %v, %+v, %v long", r.Whole, r.Header, r.Length())
	}
	i := 0
	for shown, err := range r.Frames() {
		must(t, err)
		at := time.Duration(i) * step
		if diff := cmp.Diff(taken(at, i), shown.Taken); diff != "" || shown.At != at {
			t.Fatalf("frame %d at %v: %s", i, shown.At, diff)
		}
		i++
	}
	if i != n {
		t.Errorf("%d frames of %d", i, n)
	}
}

func TestSnapshotEndsWithItsNode(t *testing.T) {
	var file bytes.Buffer
	w, err := record.NewWriter(&file, header)
	must(t, err)
	take := func(at time.Duration, f labs.Frame) { must(t, w.Take(at, labs.Taken{Frame: f})) }
	take(0, frame(0, 1, 1))
	gone := frame(time.Second, 2, 1)
	gone.Session.Phase, gone.Snapshot = labs.PhaseGone, nil
	take(time.Second, gone)
	fresh := frame(2*time.Second, 3, 1)
	fresh.Session.Generation, fresh.Snapshot = 2, nil
	take(2*time.Second, fresh)
	take(20*time.Second, fresh) // the first of another chunk
	again := frame(21*time.Second, 4, 1)
	again.Session.Generation = 2
	take(21*time.Second, again)
	again.Snapshot = nil
	take(40*time.Second, again) // and of one more: whole
	must(t, w.Close())
	want := []bool{true, false, false, false, true, true}
	for shown, err := range open(t, file.Bytes()).Frames() {
		must(t, err)
		if (shown.Frame.Snapshot != nil) != want[0] {
			t.Errorf("at %v there is a snapshot: %v", shown.At, shown.Frame.Snapshot != nil)
		}
		want = want[1:]
	}
}

// TestCast reads what is exported as the specification of asciicast v2 says: a header object, then arrays of time, code and data, in order.
func TestCast(t *testing.T) {
	var file bytes.Buffer
	w, err := record.NewWriter(&file, header)
	must(t, err)
	node, err := w.Terminal(0, "node", sandbox.Size{Cols: 80, Rows: 24})
	must(t, err)
	web, err := w.Terminal(time.Second, "demo/web", sandbox.Size{Cols: 100, Rows: 30})
	must(t, err)
	must(t, w.Output(2*time.Second, node, []byte("a\xe4\xb8")))
	must(t, w.Output(3*time.Second, web, []byte("\x1b[1m<&>\xff")))
	must(t, w.Output(4*time.Second, node, []byte("\xad\r\n")))
	must(t, w.Resize(5*time.Second, node, sandbox.Size{Cols: 90, Rows: 20}))
	must(t, w.Mark(6*time.Second, node, "cut"))
	must(t, w.Close())
	r := open(t, file.Bytes())
	terminals, err := r.Terminals()
	must(t, err)
	if diff := cmp.Diff([]record.Terminal{{"node", 80, 24}, {"demo/web", 100, 30}}, terminals); diff != "" {
		t.Error(diff)
	}
	want := map[int][]string{
		node: {`2.0 o "a"`, `4.0 o "中\r\n"`, `5.0 r "90x20"`, `6.0 m "cut"`},
		web:  {`3.0 o "\x1b[1m<&>�"`},
	}
	for number, events := range want {
		var cast bytes.Buffer
		must(t, r.Cast(t.Context(), number, &cast))
		if diff := cmp.Diff(events, asciicast(t, &cast)); diff != "" {
			t.Errorf("terminal %d: %s\n%s", number, diff, cast.String())
		}
	}
}

func TestCastEndsWithItsContext(t *testing.T) {
	var file bytes.Buffer
	w, err := record.NewWriter(&file, record.Header{Lab: "x", Step: "y"})
	must(t, err)
	number, err := w.Terminal(0, "node", sandbox.Size{})
	must(t, err)
	must(t, w.Output(0, number, []byte("x")))
	must(t, w.Close())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := open(t, file.Bytes()).Cast(ctx, number, io.Discard); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// asciicast reads a file of the specification, strictly, and returns its events.
func asciicast(t *testing.T, file *bytes.Buffer) (events []string) {
	t.Helper()
	lines := bufio.NewScanner(file)
	if !lines.Scan() {
		t.Fatal("empty")
	}
	var h struct {
		Version, Width, Height int
		Timestamp              int64
		Title                  string
	}
	d := json.NewDecoder(strings.NewReader(lines.Text()))
	d.DisallowUnknownFields()
	must(t, d.Decode(&h))
	if h.Version != 2 || h.Width < 1 || h.Height < 1 {
		t.Errorf("header %+v", h)
	}
	for last := 0.0; lines.Scan(); {
		var event []any
		must(t, json.Unmarshal(lines.Bytes(), &event))
		if len(event) != 3 || event[0].(float64) < last {
			t.Fatalf("event %s", lines.Text())
		}
		last = event[0].(float64)
		events = append(events, fmt.Sprintf("%.1f %s %q", last, event[1], event[2]))
	}
	return events
}

func TestCutOffFileIsGoodUpToItsLastChunk(t *testing.T) {
	data := recorded(t, 200, 400*time.Millisecond)
	for _, keep := range []int{len(data) - 1, len(data) - 30, len(data) / 2} {
		path := filepath.Join(t.TempDir(), "x")
		must(t, os.WriteFile(path, data[:keep], 0o600))
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		must(t, err)
		defer f.Close()
		must(t, record.Repair(f))
		info, err := f.Stat()
		must(t, err)
		r, err := record.Open(f, info.Size())
		must(t, err)
		frames := 0
		for _, err := range r.Frames() {
			must(t, err)
			frames++
		}
		if !r.Whole || frames == 0 {
			t.Errorf("cut at %d: whole %v, %d frames", keep, r.Whole, frames)
		}
	}
}

// TestTitlesAndSizesAreBounded: both are a node's word.
func TestTitlesAndSizesAreBounded(t *testing.T) {
	var file bytes.Buffer
	w, err := record.NewWriter(&file, header)
	must(t, err)
	_, err = w.Terminal(0, strings.Repeat("x", 1000)+"\x1b[2J", sandbox.Size{Cols: 65535, Rows: 65535})
	must(t, err)
	must(t, w.Resize(0, 0, sandbox.Size{Cols: 65535, Rows: 1}))
	must(t, w.Close())
	terminals, err := open(t, file.Bytes()).Terminals()
	must(t, err)
	if len(terminals) != 1 || len(terminals[0].Title) > 200 || terminals[0].Width != 1000 || terminals[0].Height != 1000 {
		t.Errorf("%+v", terminals)
	}
}

func TestForgedFilesAreRefused(t *testing.T) {
	good := recorded(t, 50, 400*time.Millisecond)
	first := len(record.Magic)
	change := func(at int, to ...byte) []byte {
		data := bytes.Clone(good)
		copy(data[at:], to)
		return data
	}
	for name, data := range map[string][]byte{
		"empty":                 {},
		"another magic":         change(0, 'P'),
		"another version":       change(len("podlab recording "), '2'),
		"no header":             []byte(record.Magic),
		"another kind":          change(first, 'x'),
		"frames before":         change(first, 'f'),
		"reserved bytes":        change(first+1, 1),
		"ends before it begins": change(first+4, 9, 9),
		"longer than allowed":   change(first+8, 255, 255, 255, 255),
		"more than allowed":     change(first+12, 255, 255, 255, 255),
		"a bomb":                change(first+16, 255, 255, 255, 255),
		"a large header":        change(first+16, 255, 255),
		"other raw size":        change(first+16, 20),
		"something behind":      append(bytes.Clone(good), 1),
	} {
		if _, err := record.Open(bytes.NewReader(data), int64(len(data))); !errors.Is(err, record.ErrBad) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWriterEndsBeforeItsBounds(t *testing.T) {
	w, err := record.NewWriter(&bytes.Buffer{}, header)
	must(t, err)
	if err := w.Take(record.MaxLength, taken(0, 1)); !errors.Is(err, record.ErrFull) {
		t.Error(err)
	}
	for range record.MaxTerminals {
		_, err := w.Terminal(0, "node", sandbox.Size{})
		must(t, err)
	}
	if _, err := w.Terminal(0, "node", sandbox.Size{}); !errors.Is(err, record.ErrFull) {
		t.Error(err)
	}
}

func FuzzOpen(f *testing.F) {
	good := recorded(f, 3, time.Second)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := record.Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		for range r.Frames() { // ends with its first error
		}
		terminals, err := r.Terminals()
		for i := range terminals {
			if cast := (&bytes.Buffer{}); err == nil && r.Cast(t.Context(), i, cast) == nil {
				asciicast(t, cast)
			}
		}
	})
}
