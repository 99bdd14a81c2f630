package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"podlab/labs"
	"podlab/sandbox"
	"podlab/sandbox/text"
)

// packer serves all recordings: each call packs one chunk by itself.
var packer = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(4<<20))
	if err != nil {
		panic(err) // the options are constants
	}
	return e
})

// ErrFull says that the recording is as long or as large as one may be. It can still be closed.
var ErrFull = errors.New("recording is full")

// Writer writes one recording. Its methods may be called by several goroutines. After an error the file is good up to the last
// chunk that was written.
type Writer struct {
	mu       sync.Mutex
	out      io.Writer
	written  int64 // bytes
	unpacked int64 // bytes
	chunks   int
	frames   pending
	casts    pending
	last     *sandbox.Snapshot // newest: the first of the next chunk
	session  labs.SessionView  // of the frame before
	cut      [][]byte          // by terminal's number: the bytes of a letter whose rest has not come
	err      error
}

// pending is a chunk that grows.
type pending struct {
	head
	body bytes.Buffer
}

func (p *pending) begun() bool { return p.body.Len() > 0 }

// NewWriter begins a recording.
func NewWriter(out io.Writer, h Header) (*Writer, error) {
	w := &Writer{out: out, frames: pending{head: head{kind: kindFrames}}, casts: pending{head: head{kind: kindTerminals}}}
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	w.write([]byte(Magic))
	w.chunk(head{kind: kindHeader}, text)
	return w, w.err
}

// Take adds a state of the session. at is since the start; they come in order. Errors: ErrFull, those of the file.
func (w *Writer) Take(at time.Duration, taken labs.Taken) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.ready(at); err != nil {
		return err
	}
	ms := millis(at)
	if w.frames.begun() && (ms-w.frames.start >= millis(chunkLength) || w.frames.body.Len() >= chunkRaw) {
		w.flush(&w.frames)
	}
	f, snapshot := taken.Frame, taken.Frame.Snapshot
	f.Snapshot = nil
	w.keep(snapshot, f.Session)
	if !w.frames.begun() {
		w.frames.start, snapshot = ms, w.last
	}
	w.line(&w.frames, ms, "f", f)
	if snapshot != nil {
		w.line(&w.frames, ms, "s", snapshot)
	}
	if taken.Begun != nil {
		w.line(&w.frames, ms, "b", taken.Begun)
	}
	if taken.Judged {
		w.line(&w.frames, ms, "j", true)
	}
	w.frames.end = ms
	w.frames.count += uint32(len(f.Moments)) //nolint:gosec // hundreds
	return w.err
}

// keep remembers the snapshot that stands: none on another node, or on none.
func (w *Writer) keep(s *sandbox.Snapshot, v labs.SessionView) {
	if s != nil || !v.SameNode(w.session) {
		w.last = s
	}
	w.session = v
}

func (w *Writer) line(p *pending, ms uint32, kind string, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		w.fail(err)
		return
	}
	p.body.WriteString(strconv.FormatUint(uint64(ms), 10))
	p.body.WriteByte(' ')
	p.body.WriteString(kind)
	p.body.WriteByte(' ')
	p.body.Write(text)
	p.body.WriteByte('\n')
}

// Terminal names a terminal and returns its number for the other calls. Errors: ErrFull (too many), those of the file.
func (w *Writer) Terminal(at time.Duration, title string, size sandbox.Size) (number int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.ready(at); err != nil {
		return 0, err
	}
	if len(w.cut) >= MaxTerminals {
		return 0, ErrFull
	}
	number = len(w.cut)
	w.cut = append(w.cut, nil)
	width, height := bounded(size)
	w.event(at, number, castHeader{Version: 2, Width: width, Height: height, Title: text.Clean(title, maxTitle)})
	return number, w.err
}

// Output adds what a terminal printed. Bytes that are no letter become U+FFFD, as on a screen; one that is cut waits for its rest.
func (w *Writer) Output(at time.Duration, number int, data []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.ready(at); err != nil {
		return err
	}
	data = append(w.cut[number], data...)
	end := wholeLetters(data)
	w.cut[number] = bytes.Clone(data[end:])
	if end > 0 {
		w.event(at, number, [3]any{seconds(at), "o", string(bytes.ToValidUTF8(data[:end], []byte("\uFFFD")))})
	}
	return w.err
}

// Resize says that a terminal has another size.
func (w *Writer) Resize(at time.Duration, number int, size sandbox.Size) error {
	width, height := bounded(size)
	return w.say(at, number, "r", strconv.Itoa(width)+"x"+strconv.Itoa(height))
}

// bounded is a size that a reader takes; 80 by 24 where none is known.
func bounded(size sandbox.Size) (width, height int) {
	if size.Cols == 0 || size.Rows == 0 {
		return 80, 24
	}
	return min(int(size.Cols), maxCols), min(int(size.Rows), maxCols)
}

// Mark puts a marker into a terminal's output.
func (w *Writer) Mark(at time.Duration, number int, text string) error {
	return w.say(at, number, "m", text)
}

func (w *Writer) say(at time.Duration, number int, code, data string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.ready(at); err != nil {
		return err
	}
	w.event(at, number, [3]any{seconds(at), code, data})
	return w.err
}

// wholeLetters is how many bytes end with a whole letter.
func wholeLetters(data []byte) int {
	for back := 1; back < utf8.UTFMax && back <= len(data); back++ {
		if c := data[len(data)-back]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(data[len(data)-back:]) {
				return len(data) - back
			}
			break
		}
	}
	return len(data)
}

// event adds a line to a terminal. The caller holds the lock.
func (w *Writer) event(at time.Duration, number int, v any) {
	text, err := marshal(v)
	if err != nil {
		w.fail(err)
		return
	}
	ms := millis(at)
	p := &w.casts
	if p.begun() && (p.body.Len() >= castRaw || ms-p.start >= millis(castLength)) {
		w.flush(p)
	}
	if !p.begun() {
		p.start = ms
	}
	p.body.WriteString(strconv.Itoa(number))
	p.body.WriteByte(' ')
	p.body.Write(text)
	p.end = ms
	p.count++
}

// marshal writes JSON and a newline, without what is only for HTML: escapes are many in a terminal's output.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// Close writes what waits and the end. It does not close the file.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flush(&w.frames)
	w.flush(&w.casts)
	w.chunk(head{kind: kindEnd}, nil)
	return w.err
}

// ready refuses what comes too late, or after an error. The caller holds the lock.
func (w *Writer) ready(at time.Duration) error {
	waiting := int64(w.frames.body.Len()+w.casts.body.Len()) / 4 // packed, and some room
	late := at < 0 || at > MaxLength-time.Minute || w.chunks > maxChunks-8
	if w.err == nil && (late || w.written+waiting > MaxFile-maxRaw/2 || w.unpacked > MaxUnpacked-2*maxRaw) {
		return ErrFull
	}
	return w.err
}

func (w *Writer) flush(p *pending) {
	if !p.begun() {
		return
	}
	p.end = max(p.end, p.start)
	w.chunk(p.head, p.body.Bytes())
	p.body.Reset()
	p.count = 0
}

func (w *Writer) chunk(h head, body []byte) {
	var packed []byte
	if len(body) > 0 {
		packed = packer().EncodeAll(body, nil)
	}
	if len(body) > maxRaw {
		w.fail(ErrFull)
		return
	}
	w.unpacked += int64(len(body))
	h.raw, h.packed = uint32(len(body)), uint32(len(packed)) //nolint:gosec // at most maxRaw
	w.chunks++
	w.write(append(h.encode(), packed...))
}

func (w *Writer) write(data []byte) {
	if w.err != nil {
		return
	}
	n, err := w.out.Write(data)
	w.written += int64(n)
	w.fail(err)
}

func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func millis(d time.Duration) uint32 { return uint32(max(0, min(d, MaxLength)).Milliseconds()) } //nolint:gosec // four hours

// seconds are those of asciicast, with microseconds.
func seconds(d time.Duration) json.Number {
	return json.Number(strconv.FormatFloat(max(0, d).Seconds(), 'f', 6, 64))
}
