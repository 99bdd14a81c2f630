package site

import (
	"context"
	"io"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/gorilla/websocket"

	"podlab/sandbox"
)

// strict is a terminal that wants to be asked for what is possible only.
type strict struct{ *testing.T }

func (s strict) Read([]byte) (int, error)    { return 0, io.EOF }
func (s strict) Write(p []byte) (int, error) { return len(p), nil }
func (s strict) Answer(p []byte) error {
	if len(p) == 0 || len(p) > maxMessage {
		s.Errorf("an answer of %d bytes", len(p))
	}
	return nil
}
func (s strict) Replay() int                { return 0 }
func (s strict) Close() error               { return nil }
func (s strict) Exit() (sandbox.Exit, bool) { return sandbox.Exit{}, false }
func (s strict) Resize(size sandbox.Size) error {
	if !sane(size) {
		s.Errorf("resized to %+v", size)
	}
	return nil
}

// FuzzMessages takes any messages of a browser on a terminal's socket, while output is sent: never is more on its way than the window holds.
func FuzzMessages(f *testing.F) {
	for _, seed := range []string{
		`{"cols":80,"rows":24}`, `{"ack":1}`, `{"ack":-1}`, `{"ack":9223372036854775807}`, `{"ack":1e3}`, `{"Cols":65535,"ROWS":1}`, `{"cols":80,"ack":3}`, `[]`, `null`, ``, `{"ack":"1"}`, `{"answer":"\u001b[1;1R"}`, `{"answer":""}`,
	} {
		f.Add(websocket.TextMessage, []byte(seed), []byte(`{"ack":16384}`), uint16(100))
		f.Add(websocket.BinaryMessage, []byte(seed), []byte(seed), uint16(65535))
	}
	f.Fuzz(func(t *testing.T, kind int, one, two []byte, output uint16) {
		if len(one) > maxMessage || len(two) > maxMessage {
			return // the socket's own limit
		}
		flow := newWindow(maxUnacked)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, message := range [][]byte{one, two, one} {
			if room, err := flow.wait(ctx, int(output)+1); err == nil || room > 0 {
				flow.sent(min(room, int(output)))
			}
			_ = typed(strict{t}, flow, kind, message)
			out := <-flow.out
			flow.out <- out
			if out < 0 || out > maxUnacked {
				t.Fatalf("%d bytes are on their way after %q", out, message)
			}
		}
	})
}

// FuzzTerminalQuery reads what a browser asks a terminal for, and checks what would reach the agent.
func FuzzTerminalQuery(f *testing.F) {
	f.Add("id=node&target=node&cols=80&rows=24&lang=zh")
	f.Add("id=../x&target=%00&cols=-1&rows=99999999999")
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		spec, err := terminalSpec(values)
		if err == nil && (!sane(spec.Size) || len(spec.ID) > 80 || len(spec.Target) > 140 || spec.ID == "" || spec.Target == "") {
			t.Errorf("%q asks for %+v", query, spec)
		}
	})
}

// FuzzOrigin asks from any origin: only a page of the same host is let in.
func FuzzOrigin(f *testing.F) {
	for _, seed := range []string{"http://127.0.0.1:8080", "https://evil.example", "null", "http://127.0.0.1:8080@evil.example", "http://127.0.0.1:8080/x", "", "//127.0.0.1:8080"} {
		f.Add(seed, "127.0.0.1:8080")
	}
	s := &Site{}
	f.Fuzz(func(t *testing.T, origin, host string) {
		r := httptest.NewRequest("GET", "/live", nil)
		r.Host = host
		r.Header.Set("Origin", origin)
		if !s.ownOrigin(r) {
			return
		}
		if u, err := url.Parse(origin); err != nil || u.Host != host || u.Scheme != "http" && u.Scheme != "https" {
			t.Errorf("origin %q was let in at %q", origin, host)
		}
	})
}
