// Package wire is the protocol of both sockets: the root daemon's and each node's.
//
// One connection carries one call. Messages are frames: one byte of kind, four bytes of length (big endian), then the payload.
//
//	client                                server
//	  ── 'j' Request{verb, args} ──────────►
//	  ◄────────────── 'j' Reply{error?, result} ──
//
// A plain call ends there. A call that streams goes on with frames in both directions until either side closes:
//
//	moments    ◄── 'j' Moments …          ◄── 'x' Error, last (node_gone)
//	watch      ◄── 'j' Update …            ──► 'p' (poke, no payload)
//	exec       ◄── '1' stdout '2' stderr   ──► '0' stdin 'c' stdin ends 'r' Size     ◄── 'x' Exit, last
//	attach     as exec
//	logs       ◄── '1' …
//	terminal   ◄── '1' output              ──► '0' typed 'a' answered 'r' Size       ◄── 'x' Exit, last
//	dial       both directions are raw bytes after the reply, no frames
//
// The Reply's result of terminal is TerminalOpened. Back-pressure is the socket's own.
package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"podlab/sandbox"
)

// Kinds of frame.
const (
	JSON     byte = 'j'
	Stdin    byte = '0'
	Stdout   byte = '1'
	Stderr   byte = '2'
	Close    byte = 'c'
	Resize   byte = 'r'
	Answered byte = 'a' // by a screen, of itself
	Poke     byte = 'p'
	Exit     byte = 'x'
)

// Limits of one frame's payload, in bytes.
const (
	MaxData = 64 << 10
	MaxJSON = 4 << 20
)

// Verbs of the daemon.
const (
	VerbInfo     = "info"
	VerbCreate   = "create"   // sandbox.NodeSpec → sandbox.Node
	VerbList     = "list"     // → []sandbox.Node
	VerbDestroy  = "destroy"  // NodeArgs
	VerbFreeze   = "freeze"   // NodeArgs
	VerbThaw     = "thaw"     // NodeArgs
	VerbPowerOff = "poweroff" // NodeArgs
	VerbPowerOn  = "poweron"  // NodeArgs → sandbox.Node
	VerbLink     = "link"     // LinkArgs
	VerbCut      = "cut"      // LinkArgs
	VerbRestore  = "restore"  // LinkArgs
	VerbMoments  = "moments"  // NodeArgs, then a stream
)

// Verbs of the agent.
const (
	VerbApply     = "apply"    // ApplyArgs → []sandbox.Applied
	VerbGet       = "get"      // sandbox.Ref → []json.RawMessage
	VerbDelete    = "delete"   // DeleteArgs
	VerbSnapshot  = "snapshot" // → sandbox.Snapshot
	VerbWatch     = "watch"    // then a stream
	VerbExec      = "exec"     // sandbox.ExecSpec, then a stream
	VerbAttach    = "attach"   // sandbox.AttachSpec, then a stream
	VerbLogs      = "logs"     // sandbox.LogOptions, then a stream
	VerbTerminal  = "terminal" // sandbox.TerminalSpec → TerminalOpened, then a stream
	VerbHangup    = "hangup"   // HangupArgs
	VerbRest      = "rest"     // → bool
	VerbDial      = "dial"     // DialArgs, then raw bytes
	VerbReadFile  = "readfile" // FileArgs → []byte
	VerbWriteFile = "writefile"
)

// Arguments and results of verbs that have no type of their own in package sandbox.
type (
	NodeArgs struct {
		ID    string `json:"id"`
		After uint64 `json:"after,omitempty"`
	}
	LinkArgs struct {
		A string `json:"a"`
		B string `json:"b"`
	}
	ApplyArgs struct {
		Objects []json.RawMessage `json:"objects"`
	}
	DeleteArgs struct {
		sandbox.Ref
		Grace int64 `json:"grace"`
	}
	TerminalOpened struct {
		Replay int `json:"replay"`
	}
	HangupArgs struct {
		ID string `json:"id"`
	}
	DialArgs struct {
		Pod  string `json:"pod"`
		Port int    `json:"port"`
	}
	FileArgs struct {
		Path string `json:"path"`
		Data []byte `json:"data,omitempty"`
	}
)

// Request opens a call.
type Request struct {
	Verb string          `json:"verb"`
	Args json.RawMessage `json:"args,omitempty"`
}

// Reply answers a Request.
type Reply struct {
	Error  *sandbox.Error  `json:"error,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
}

// Write sends one frame in one write.
func Write(w io.Writer, kind byte, payload []byte) error {
	frame := make([]byte, 5+len(payload))
	frame[0] = kind
	binary.BigEndian.PutUint32(frame[1:], uint32(len(payload)))
	copy(frame[5:], payload)
	_, err := w.Write(frame)
	return err
}

// WriteJSON sends v as a frame of the given kind.
func WriteJSON(w io.Writer, kind byte, v any) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(payload) > MaxJSON {
		return fmt.Errorf("wire: message of %d bytes is over the limit of %d", len(payload), MaxJSON)
	}
	return Write(w, kind, payload)
}

// readStep is how much room is made for a payload before any of it came: its length is only said.
const readStep = 64 << 10

// Read receives one frame. A frame over limit bytes is an error, and nothing of it is read.
func Read(r io.Reader, limit int) (kind byte, payload []byte, err error) {
	kind, n, err := ReadHead(r, limit)
	if err != nil {
		return 0, nil, err
	}
	payload, err = ReadBody(r, n)
	return kind, payload, err
}

// ReadHead receives a frame's kind, and how many bytes come behind it. More than limit are an error.
func ReadHead(r io.Reader, limit int) (kind byte, n int, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, 0, err
	}
	said := binary.BigEndian.Uint32(head[1:])
	if said > uint32(limit) {
		return 0, 0, fmt.Errorf("wire: frame of %d bytes is over the limit of %d", said, limit)
	}
	return head[0], int(said), nil
}

// ReadBody receives the n bytes behind a frame's head.
func ReadBody(r io.Reader, n int) (payload []byte, err error) {
	if n <= readStep {
		payload = make([]byte, n)
		_, err = io.ReadFull(r, payload)
		return payload, err
	}
	body := bytes.NewBuffer(make([]byte, 0, readStep))
	if _, err = io.CopyN(body, r, int64(n)); errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return body.Bytes(), err
}

// ReadJSON receives one JSON frame into v.
func ReadJSON(r io.Reader, v any) error {
	kind, payload, err := Read(r, MaxJSON)
	if err != nil {
		return err
	}
	if kind != JSON {
		return fmt.Errorf("wire: frame of kind %q where JSON was due", kind)
	}
	return json.Unmarshal(payload, v)
}

// Answer sends the reply of a call: an error as its public face, or a result.
func Answer(w io.Writer, result any, err error) error {
	reply := Reply{}
	if err != nil {
		reply.Error = sandbox.Public(err)
		return WriteJSON(w, JSON, reply)
	}
	if result != nil {
		raw, err := json.Marshal(result)
		if err != nil {
			return err
		}
		reply.Result = raw
	}
	return WriteJSON(w, JSON, reply)
}
