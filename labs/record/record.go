// Package record is the format of a recording: what a learner's pages showed and what their terminals printed, in one file. It is a package
// of its own, above labs, because a file outlives the session, the course and the server that it is of: it is read where there is none of
// them, and by browsers (web/src/recording/file.ts reads the same bytes).
//
// A file is Magic and then chunks: a head of headSize bytes and a body packed with Zstandard. The heads are the index: who goes over them
// knows which chunk holds a moment before anything is unpacked, and a file that was cut off is good up to its last whole chunk.
//
//	head    kind byte, three zero bytes, then five little-endian uint32: start, end (milliseconds since the recording began),
//	        count (moments of a frames chunk, events of a terminals chunk), raw and packed (bytes of the body)
//	'h'     Header as JSON; the first chunk, and only that
//	'f'     frames of some fifteen seconds. The first is whole: whoever wants a moment unpacks one chunk. A frame is a line
//	        "MILLISECONDS f FRAME", FRAME a labs.Frame without its snapshot, and behind it what else there is: "MILLISECONDS s SNAPSHOT";
//	        "MILLISECONDS b BEGUN", a labs.Begun; "MILLISECONDS j true": the judge looked at it. Snapshots are whole, too; most of one is
//	        as it was in the one before, which the packing finds
//	't'     output of terminals. Lines "NUMBER EVENT": EVENT is a line of asciicast v2, a header where a terminal is first named, then
//	        [SECONDS,"o"|"r"|"m",DATA]. The lines of one number are an asciicast file
//	'e'     the end, empty; a file without it was cut off
//
// All texts are identifiers and kernel's names: the words around them are the reader's language's.
package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Magic begins every file; the number is the format's version.
const Magic = "podlab recording 1\n"

// Extension of files.
const Extension = ".podlab"

// Bounds of a file. A reader refuses more; a writer ends before.
const (
	MaxFile      = 24 << 20 // bytes
	MaxLength    = 4 * time.Hour
	MaxTerminals = 64
	MaxUnpacked  = 1 << 30 // bytes of all chunks

	maxChunks   = 16 << 10
	maxRaw      = 8 << 20 // bytes of one chunk's unpacked body
	maxEvents   = 1 << 20 // of one chunk
	maxHeader   = 4 << 10 // bytes of the header's body
	headSize    = 24
	chunkLength = 15 * time.Second // of frames: what is unpacked to show one moment
	chunkRaw    = 2 << 20          // bytes of frames, or of events, that end a chunk early
	castRaw     = 256 << 10
	castLength  = 5 * time.Minute // that output may wait for its chunk
)

// Kinds of chunks.
const (
	kindHeader    = 'h'
	kindFrames    = 'f'
	kindTerminals = 't'
	kindEnd       = 'e'
)

// Header says what a recording is of. It holds nobody's name.
type Header struct {
	Lab     string `json:"lab"`
	Step    string `json:"step"`    // at the start; frames tell when it changes
	Started int64  `json:"started"` // Unix milliseconds: time 0 of the recording
}

// Info is what a server tells of a recording that it keeps.
type Info struct {
	ID      string `json:"id"` // who knows it may read it
	Lab     string `json:"lab"`
	Title   string `json:"title"`   // of the lab, in the reader's language; empty when it is not here any more
	Step    string `json:"step"`    // it began in
	Started int64  `json:"started"` // Unix milliseconds
	Length  int64  `json:"length"`  // milliseconds
	Bytes   int64  `json:"bytes"`
	Expires int64  `json:"expires"` // Unix milliseconds
}

// Verdict is one check of a recording, as it is judged anew and as it was.
type Verdict struct {
	ID    string `json:"id"`
	State string `json:"state"`
	Was   string `json:"was"`
	Given bool   `json:"given"` // not judged: passed before the recording began, or what the node of then was asked
}

// ErrBad says that a file is none, or was tampered with. Its text is for logs.
var ErrBad = errors.New("not a recording")

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBad, fmt.Sprintf(format, args...))
}

// head is what stands before each chunk.
type head struct {
	kind        byte
	start, end  uint32 // milliseconds
	count       uint32
	raw, packed uint32 // bytes
}

func (h head) encode() []byte {
	b := make([]byte, headSize)
	b[0] = h.kind
	for i, v := range []uint32{h.start, h.end, h.count, h.raw, h.packed} {
		binary.LittleEndian.PutUint32(b[4+4*i:], v)
	}
	return b
}

// decodeHead reads a head and refuses what no writer writes.
func decodeHead(b []byte) (head, error) {
	u := func(i int) uint32 { return binary.LittleEndian.Uint32(b[4+4*i:]) }
	h := head{kind: b[0], start: u(0), end: u(1), count: u(2), raw: u(3), packed: u(4)}
	switch {
	case h.kind != kindHeader && h.kind != kindFrames && h.kind != kindTerminals && h.kind != kindEnd:
		return h, bad("chunk of kind %d", h.kind)
	case b[1] != 0 || b[2] != 0 || b[3] != 0:
		return h, bad("head is not zero where it should be")
	case h.end < h.start || int64(h.end) > MaxLength.Milliseconds():
		return h, bad("chunk from %d to %d ms", h.start, h.end)
	case h.raw > maxRaw || h.packed > h.raw+1<<10 || h.count > maxEvents:
		return h, bad("chunk of %d bytes in %d, %d events", h.raw, h.packed, h.count)
	case h.kind == kindEnd && h.raw+h.packed+h.count != 0, h.kind == kindHeader && h.raw > maxHeader:
		return h, bad("chunk of kind %c with %d bytes", h.kind, h.raw)
	}
	return h, nil
}
