package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/sys/unix"

	"podlab/labs"
	"podlab/sandbox"
)

// learner is a browser on a lab's page: a cookie, a lab, a step.
type learner struct {
	origin, host string
	lab, step    string
	http         *http.Client
}

// enter opens the lab's page, which gives the cookie and leads to its first step.
func (b *bench) enter(ctx context.Context) (*learner, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	l := &learner{origin: "http://" + b.host.addr, host: b.host.addr, lab: b.lab, http: &http.Client{Jar: jar, Timeout: 30 * time.Second}}
	led, err := l.do(ctx, http.MethodGet, "/en/l/"+b.lab, "")
	if err != nil {
		return nil, err
	}
	parts := strings.Split(strings.Trim(led, "/"), "/")
	if len(parts) != 4 {
		return nil, fmt.Errorf("the lab's page led to %s", led)
	}
	l.step = parts[3]
	return l, nil
}

// do asks for a path and returns the path that redirects led to.
func (l *learner) do(ctx context.Context, method, path, body string) (led string, err error) {
	r, err := http.NewRequestWithContext(ctx, method, l.origin+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Origin", l.origin)
	r.Header.Set("Content-Type", "application/json")
	answer, err := l.http.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err == nil && answer.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %.300s", method, path, answer.Status, text)
	}
	return answer.Request.URL.Path, err
}

func (l *learner) press(ctx context.Context, button string) error {
	_, err := l.do(ctx, http.MethodPost, "/api/l/"+l.lab+"/"+l.step+"/"+button, "")
	return err
}

func (l *learner) dial(ctx context.Context, path string, query url.Values) (*websocket.Conn, error) {
	query.Set("lab", l.lab)
	query.Set("step", l.step)
	dialer := websocket.Dialer{Jar: l.http.Jar, HandshakeTimeout: 10 * time.Second}
	conn, answer, err := dialer.DialContext(ctx, "ws://"+l.host+path+"?"+query.Encode(), http.Header{"Origin": {l.origin}})
	if err == nil {
		answer.Body.Close()
	}
	return conn, err
}

// ready starts the lab's node and returns the live socket once its starting state is there. The figure is from the press of the button.
func (l *learner) ready(ctx context.Context) (*websocket.Conn, time.Duration, error) {
	live, err := l.dial(ctx, "/ws/live", url.Values{})
	if err != nil {
		return nil, 0, err
	}
	start := time.Now()
	if err := l.press(ctx, "start"); err != nil {
		live.Close()
		return nil, 0, err
	}
	for {
		f, err := frame(live)
		if err == nil && f.Session.Phase == labs.PhaseGone {
			err = fmt.Errorf("the node could not be made: %w", f.Session.Error)
		}
		if err != nil {
			live.Close()
			return nil, 0, err
		}
		if f.Session.Phase == labs.PhaseReady && f.Snapshot != nil {
			return live, time.Since(start), nil
		}
	}
}

func frame(live *websocket.Conn) (labs.Frame, error) {
	var f labs.Frame
	if err := live.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return f, err
	}
	_, data, err := live.ReadMessage()
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(data, &f)
}

// atTerminal runs f with a learner whose node is ready: the live socket, and a terminal on the node with its prompt drawn.
func (b *bench) atTerminal(ctx context.Context, f func(live, term *websocket.Conn) error) error {
	l, err := b.enter(ctx)
	if err != nil {
		return err
	}
	live, took, err := l.ready(ctx)
	if err != nil {
		return err
	}
	defer live.Close()
	defer func() { _ = l.press(context.WithoutCancel(ctx), "end") }()
	figure("start.frame", took.Seconds()*1e3, "ms")
	term, err := l.dial(ctx, "/ws/terminal", url.Values{"id": {"bench"}, "target": {"node"}, "cols": {"80"}, "rows": {"24"}})
	if err != nil {
		return err
	}
	defer term.Close()
	if err := quiet(term); err != nil {
		return err
	}
	return f(live, term)
}

// quiet reads until the shell has drawn its prompt: an echo of ours comes back behind it.
func quiet(term *websocket.Conn) error {
	if err := term.WriteMessage(websocket.BinaryMessage, []byte("echo rea''dy\r")); err != nil {
		return err
	}
	return until(term, "ready")
}

// until reads output, acknowledging it as a page does, until it holds text.
func until(term *websocket.Conn, text string) error {
	var seen strings.Builder
	for !strings.Contains(seen.String(), text) {
		if err := term.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			return err
		}
		kind, data, err := term.ReadMessage()
		if err != nil {
			return fmt.Errorf("waiting for %q: %w", text, err)
		}
		if kind != websocket.BinaryMessage {
			continue
		}
		seen.Write(data)
		if err := term.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"ack":%d}`, len(data))); err != nil {
			return err
		}
	}
	return nil
}

// benchKey types one key after another at a shell and waits for each to come back.
func benchKey(ctx context.Context, b *bench) error {
	return b.atTerminal(ctx, func(_, term *websocket.Conn) error {
		if err := term.WriteMessage(websocket.BinaryMessage, []byte("cat >/dev/null\r")); err != nil {
			return err
		}
		if err := until(term, "null"); err != nil {
			return err
		}
		time.Sleep(200 * time.Millisecond)
		var t times
		for i := range b.rounds * 50 {
			key := string(rune('a' + i%26))
			if i%60 == 59 {
				key = "\r"
			}
			start := time.Now()
			if err := term.WriteMessage(websocket.BinaryMessage, []byte(key)); err != nil {
				return err
			}
			if err := until(term, key); err != nil {
				return err
			}
			t = append(t, time.Since(start))
			time.Sleep(time.Millisecond)
		}
		t.print("key.echo")
		return nil
	})
}

// benchMoment runs a program on the node and takes the time from the kernel's moment of its exec to the frame that tells of it.
func benchMoment(ctx context.Context, b *bench) error {
	return b.atTerminal(ctx, func(live, term *websocket.Conn) error {
		go func() { _ = until(term, "\x00") }() // acknowledges output until the socket closes
		var t times
		for range b.rounds {
			time.Sleep(250 * time.Millisecond) // a frame may go out at most ten times a second: each of these is a first one
			if err := term.WriteMessage(websocket.BinaryMessage, []byte("/usr/bin/true\r")); err != nil {
				return err
			}
			late, err := untilExec(live)
			if err != nil {
				return err
			}
			t = append(t, late)
		}
		t.print("moment.frame")
		return nil
	})
}

func untilExec(live *websocket.Conn) (time.Duration, error) {
	for {
		f, err := frame(live)
		if err != nil {
			return 0, err
		}
		for _, m := range f.Moments {
			if m.Source == sandbox.SourceKernel && m.Kind == sandbox.MomentExec && m.Name == "true" {
				return sinceBoot() - time.Duration(m.Time)*time.Microsecond, nil
			}
		}
	}
}

// sinceBoot reads CLOCK_BOOTTIME, the clock of Moment.Time.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic(errors.Join(errors.New("CLOCK_BOOTTIME"), err)) // every Linux since 2.6.39 has it
	}
	return time.Duration(ts.Nano())
}
