package record

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"strconv"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"podlab/labs"
	"podlab/sandbox"
	"podlab/sandbox/client"
)

// unpacker serves all readers. It unpacks no more than there is room for.
var unpacker = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(maxRaw+1<<10), zstd.WithDecoderMaxWindow(maxRaw),
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic(err) // the options are constants
	}
	return d
})

// Reader reads one recording. The file may be anybody's: everything is bounded and checked before it is believed. It is for one goroutine.
type Reader struct {
	Header Header
	Whole  bool // it was ended; else it was cut off

	src    io.ReaderAt
	chunks []chunk
	end    int64 // of the last whole chunk, bytes
	length uint32
}

type chunk struct {
	head
	at int64 // of the body in the file
}

// Open goes over the chunks of a file without unpacking more than the first. Errors: ErrBad, those of the file.
func Open(src io.ReaderAt, size int64) (*Reader, error) {
	if size > MaxFile {
		return nil, bad("%d bytes", size)
	}
	r := &Reader{src: src}
	magic := make([]byte, len(Magic))
	if _, err := src.ReadAt(magic, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if string(magic) != Magic {
		return nil, bad("it begins with %q", magic)
	}
	if err := r.walk(size); err != nil {
		return nil, err
	}
	return r, r.readHeader()
}

// walk reads the heads. It ends at the last whole chunk.
func (r *Reader) walk(size int64) error {
	at, unpacked := int64(len(Magic)), int64(0)
	var before [256]uint32 // by kind: the start of the one before
	for at+headSize <= size && !r.Whole {
		raw := make([]byte, headSize)
		if _, err := r.src.ReadAt(raw, at); err != nil {
			return err
		}
		h, err := decodeHead(raw)
		if err != nil {
			return err
		}
		if (h.kind == kindHeader) != (len(r.chunks) == 0) || h.start < before[h.kind] || len(r.chunks) >= maxChunks {
			return bad("chunk %d is of kind %c and begins at %d ms", len(r.chunks), h.kind, h.start)
		}
		before[h.kind] = h.start
		if unpacked += int64(h.raw); unpacked > MaxUnpacked {
			return bad("more than %d bytes", MaxUnpacked)
		}
		if at+headSize+int64(h.packed) > size {
			break
		}
		r.chunks = append(r.chunks, chunk{h, at + headSize})
		at += headSize + int64(h.packed)
		r.length, r.end, r.Whole = max(r.length, h.end), at, h.kind == kindEnd
	}
	if r.Whole && at != size {
		return bad("%d bytes after the end", size-at)
	}
	return nil
}

func (r *Reader) readHeader() error {
	if len(r.chunks) == 0 {
		return bad("without a header")
	}
	body, err := r.body(r.chunks[0])
	if err != nil {
		return err
	}
	if err := client.Decode(body, &r.Header); err != nil {
		return bad("header: %v", err)
	}
	return nil
}

// Size is how many bytes of the file are whole.
func (r *Reader) Size() int64 { return r.end }

// Length of the recording.
func (r *Reader) Length() time.Duration { return time.Duration(r.length) * time.Millisecond }

// body unpacks a chunk.
func (r *Reader) body(c chunk) ([]byte, error) {
	if c.raw == 0 {
		return nil, nil
	}
	packed := make([]byte, c.packed)
	if _, err := r.src.ReadAt(packed, c.at); err != nil {
		return nil, err
	}
	body, err := unpacker().DecodeAll(packed, make([]byte, 0, c.raw))
	if err != nil || len(body) != int(c.raw) {
		return nil, bad("chunk of %d bytes unpacks to %d: %v", c.raw, len(body), err)
	}
	return body, nil
}

// Shown is a state of the session and when it was.
type Shown struct {
	At time.Duration
	labs.Taken
}

// Frames are all states, in order. Only those whose snapshot changed, and the first of a chunk, have one. The sequence ends with its first
// error: ErrBad, those of the file.
func (r *Reader) Frames() iter.Seq2[Shown, error] {
	return func(yield func(Shown, error) bool) {
		for _, c := range r.chunks {
			if c.kind != kindFrames {
				continue
			}
			body, err := r.body(c)
			if err != nil {
				yield(Shown{}, err)
				return
			}
			if !eachFrame(body, yield) {
				return
			}
		}
	}
}

func eachFrame(body []byte, yield func(Shown, error) bool) bool {
	var shown *Shown
	for line := range bytes.Lines(body) {
		ms, kind, text, err := cutLine(line)
		switch {
		case err != nil:
		case kind == "f":
			if shown != nil && !yield(*shown, nil) {
				return false
			}
			shown = &Shown{At: ms}
			err = client.Decode(text, &shown.Frame)
		case kind == "s" && shown != nil:
			shown.Frame.Snapshot = &sandbox.Snapshot{}
			err = client.Decode(text, shown.Frame.Snapshot)
		case kind == "b" && shown != nil:
			shown.Begun = &labs.Begun{}
			err = client.Decode(text, shown.Begun)
		case kind == "j" && shown != nil:
			shown.Judged = true
		default:
			err = bad("line of kind %q", kind)
		}
		if err != nil {
			yield(Shown{}, errors.Join(ErrBad, err))
			return false
		}
	}
	return shown == nil || yield(*shown, nil)
}

// cutLine takes "MILLISECONDS KIND TEXT\n" apart.
func cutLine(line []byte) (at time.Duration, kind string, text []byte, err error) {
	before, rest, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
	what, text, ok := bytes.Cut(rest, []byte(" "))
	ms, err := strconv.ParseUint(string(before), 10, 32)
	if !ok || err != nil {
		return 0, "", nil, bad("line without a time")
	}
	return time.Duration(ms) * time.Millisecond, string(what), text, nil
}
