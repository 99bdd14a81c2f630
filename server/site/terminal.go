package site

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"

	"github.com/gorilla/websocket"

	"podlab/labs"
	"podlab/sandbox"
)

// Limits of one terminal socket.
const (
	maxUnacked = 384 << 10 // bytes sent that the browser has not said it consumed
	chunk      = 64 << 10
	maxCols    = 1000
	maxRows    = 500
)

var (
	terminalID = regexp.MustCompile(`^[a-z0-9._/#-]{1,80}$`)
	targetID   = regexp.MustCompile(`^[a-zA-Z0-9._/-]{1,140}$`)
)

// terminal passes a terminal's bytes through. The node is found by the learner's own cookie, so nobody reaches another's. Output
// flows as fast as the browser acknowledges it: an unread terminal blocks its program and costs one window here.
func (s *Site) terminal(w http.ResponseWriter, r *http.Request) error {
	spec, err := terminalSpec(r.URL.Query())
	if err != nil {
		return err
	}
	k, leave, err := s.upgrade(w, r, "terminal")
	if err != nil {
		return err
	}
	defer leave()
	access, err := s.access(who(r), r.URL.Query().Get("lab"))
	if err != nil {
		s.refuse(k, err)
		return nil
	}
	defer afterClose(access.Gone, k.ctx, k.stop)()
	term, err := access.Terminal(k.ctx, spec)
	if err != nil {
		s.refuse(k, err)
		return nil
	}
	defer term.Close()
	opened := map[string]int{"replay": term.Replay(), "generation": access.Generation}
	if k.tell(opened) != nil {
		return nil
	}
	flow := newWindow(maxUnacked)
	k.listen(func(kind int, data []byte) error { return typed(term, flow, kind, data) })
	s.pass(k, term, flow)
	return nil
}

// access finds the learner's node. One that is being made, or made anew, will be there in a moment.
func (s *Site) access(learner, lab string) (labs.Access, error) {
	access, err := s.Sessions.Agent(learner, lab)
	if at, _, live := s.Sessions.Live(learner); err != nil && live && at == lab {
		return access, sandbox.Errorf(sandbox.CodeUnavailable, "what", "node").Because(err)
	}
	return access, err
}

func terminalSpec(q url.Values) (sandbox.TerminalSpec, error) {
	spec := sandbox.TerminalSpec{ID: q.Get("id"), Target: q.Get("target")}
	if q.Get("lang") == "zh" {
		spec.Lang = "zh"
	}
	cols, colsErr := strconv.ParseUint(q.Get("cols"), 10, 16)
	rows, rowsErr := strconv.ParseUint(q.Get("rows"), 10, 16)
	spec.Size = sandbox.Size{Cols: uint16(cols), Rows: uint16(rows)}
	if !terminalID.MatchString(spec.ID) || !targetID.MatchString(spec.Target) || colsErr != nil || rowsErr != nil || !sane(spec.Size) {
		return spec, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "terminal")
	}
	return spec, nil
}

func sane(size sandbox.Size) bool {
	return size.Cols > 0 && size.Cols <= maxCols && size.Rows > 0 && size.Rows <= maxRows
}

// typed takes one message of the browser: binary is typed, text is {"cols","rows"}, {"ack"} or {"answer"}.
func typed(term sandbox.Terminal, flow *window, kind int, data []byte) error {
	if kind == websocket.BinaryMessage {
		_, err := term.Write(data)
		return err
	}
	var said struct {
		Cols, Rows uint16
		Ack        int64
		Answer     string
	}
	if err := json.Unmarshal(data, &said); err != nil {
		return err
	}
	if said.Ack > 0 {
		return flow.ack(said.Ack)
	}
	if said.Answer != "" {
		return term.Answer([]byte(said.Answer))
	}
	if size := (sandbox.Size{Cols: said.Cols, Rows: said.Rows}); sane(size) {
		return term.Resize(size)
	}
	return nil
}

// pass sends output until the program ends, the browser goes or the node is replaced.
func (s *Site) pass(k *socket, term sandbox.Terminal, flow *window) {
	buf := make([]byte, chunk)
	for {
		room, err := flow.wait(k.ctx, chunk)
		if err != nil {
			return
		}
		n, err := term.Read(buf[:room])
		if n > 0 {
			flow.sent(n)
			if k.send(websocket.BinaryMessage, buf[:n]) != nil {
				return
			}
			s.meter.output.Add(float64(n))
		}
		if err != nil {
			s.over(k, term, err)
			return
		}
	}
}

// over tells the browser why there is no more output.
func (s *Site) over(k *socket, term sandbox.Terminal, err error) {
	if exit, ok := term.Exit(); ok && errors.Is(err, io.EOF) {
		if k.tell(map[string]sandbox.Exit{"exit": exit}) == nil {
			k.bye(websocket.CloseNormalClosure, "exit")
		}
		return
	}
	s.refuse(k, err)
}

// refuse ends a socket with an error in words that the page has, or, when the other side is only away for a moment, with the
// close code that makes the page come back.
func (s *Site) refuse(k *socket, err error) {
	if stale(err) || k.ctx.Err() != nil {
		k.bye(closeRestart, "restart")
		return
	}
	public := public(err)
	if public.Code == sandbox.CodeInternal {
		s.Log.Error("socket failed", "error", err)
	}
	if k.tell(map[string]any{"error": public}) == nil {
		k.bye(websocket.CloseNormalClosure, string(public.Code))
	}
}

func (k *socket) tell(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return k.send(websocket.TextMessage, data)
}

// window counts the bytes that are on their way: sent, and not yet acknowledged.
type window struct {
	most int
	free chan struct{} // holds a value when there may be room again
	out  chan int      // holds the number of bytes on their way
}

func newWindow(most int) *window {
	w := &window{most: most, free: make(chan struct{}, 1), out: make(chan int, 1)}
	w.out <- 0
	return w
}

// wait returns how many bytes may be sent, at most want and at least one.
func (w *window) wait(ctx context.Context, want int) (int, error) {
	for {
		out := <-w.out
		w.out <- out
		if room := w.most - out; room > 0 {
			return min(room, want), ctx.Err()
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-w.free:
		}
	}
}

func (w *window) sent(n int) { w.out <- <-w.out + n }

// ack takes bytes back. Nobody can acknowledge more than was sent.
func (w *window) ack(n int64) error {
	out := <-w.out
	if n > int64(out) {
		w.out <- out
		return sandbox.Errorf(sandbox.CodeBadRequest, "detail", "ack")
	}
	w.out <- out - int(n)
	select {
	case w.free <- struct{}{}:
	default:
	}
	return nil
}
