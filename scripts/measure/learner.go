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
	"sync"
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
	l := &learner{origin: b.site(), host: b.host.addr, lab: b.lab, http: &http.Client{Jar: jar, Timeout: 30 * time.Second}}
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

// ready starts the lab's node and returns the live socket once its starting state is there.
func (l *learner) ready(ctx context.Context) (live *websocket.Conn, took time.Duration, err error) {
	if live, err = l.watch(ctx); err != nil {
		return nil, 0, err
	}
	if took, err = l.start(ctx, live, func(*sandbox.Snapshot) bool { return true }); err != nil {
		live.Close()
		return nil, 0, err
	}
	return live, took, nil
}

// watch opens the live socket of a page that has no node yet.
func (l *learner) watch(ctx context.Context) (*websocket.Conn, error) {
	live, err := l.dial(ctx, "/ws/live", url.Values{})
	if err != nil {
		return nil, err
	}
	if _, err = frame(live); err != nil { // the page as it is without a node
		live.Close()
		return nil, err
	}
	return live, nil
}

// start presses the button, and returns how long it took until the starting state was there, and what is shown was enough.
func (l *learner) start(ctx context.Context, live *websocket.Conn, enough func(*sandbox.Snapshot) bool) (took time.Duration, err error) {
	var shown *sandbox.Snapshot
	start := time.Now()
	if err := l.press(ctx, "start"); err != nil {
		return 0, err
	}
	for {
		f, err := frame(live)
		if err == nil && f.Session.Phase == labs.PhaseGone {
			err = fmt.Errorf("the node could not be made: %w", f.Session.Error)
		}
		if err != nil {
			return 0, err
		}
		if f.Snapshot != nil { // a frame has none where it is still the last one's
			shown = f.Snapshot
		}
		if f.Session.Phase == labs.PhaseReady && shown != nil && enough(shown) {
			return time.Since(start), nil
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
func (b *bench) atTerminal(ctx context.Context, f func(live *websocket.Conn, term *terminal) error) error {
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
	conn, err := l.dial(ctx, "/ws/terminal", url.Values{"id": {"bench"}, "target": {"node"}, "cols": {"80"}, "rows": {"24"}})
	if err != nil {
		return err
	}
	defer conn.Close()
	term := &terminal{Conn: conn}
	if err := quiet(term); err != nil {
		return err
	}
	return f(live, term)
}

// terminal is a terminal's socket that two goroutines may write to: one types, one acknowledges.
type terminal struct {
	*websocket.Conn
	writing sync.Mutex
}

func (t *terminal) WriteMessage(kind int, data []byte) error {
	t.writing.Lock()
	defer t.writing.Unlock()
	return t.Conn.WriteMessage(kind, data)
}

// quiet reads until the shell has drawn its prompt: an echo of ours comes back behind it.
func quiet(term *terminal) error {
	if err := term.WriteMessage(websocket.BinaryMessage, []byte("echo rea''dy\r")); err != nil {
		return err
	}
	return until(term, "ready")
}

// until reads output, acknowledging it as a page does, until it holds text.
func until(term *terminal, text string) error {
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

func benchKey(ctx context.Context, b *bench) error {
	return b.atTerminal(ctx, func(_ *websocket.Conn, term *terminal) error {
		t, err := typeKeys(term, b.rounds*50, time.Millisecond)
		if err != nil {
			return err
		}
		t.print("key.echo")
		return nil
	})
}

// typeKeys types one key after another at the shell's prompt and waits for each to come back: the shell itself (readline) echoes.
func typeKeys(term *terminal, n int, pause time.Duration) (times, error) {
	var t times
	for i := range n {
		key := string("zqjwvy"[i%6]) // letters that no prompt and no escape sequence holds
		if i%40 == 39 {              // before the line wraps
			if err := newLine(term, i); err != nil {
				return nil, err
			}
		}
		start := time.Now()
		if err := term.WriteMessage(websocket.BinaryMessage, []byte(key)); err != nil {
			return nil, err
		}
		if err := until(term, key); err != nil {
			return nil, err
		}
		t = append(t, time.Since(start))
		time.Sleep(pause)
	}
	return t, nil
}

// newLine throws the line away (Ctrl-U) and waits for a prompt with nothing behind it.
func newLine(term *terminal, i int) error {
	if err := term.WriteMessage(websocket.BinaryMessage, fmt.Appendf(nil, "\x15echo '<'%d'>'\r", i)); err != nil {
		return err
	}
	if err := until(term, fmt.Sprintf("<%d>", i)); err != nil {
		return err
	}
	time.Sleep(20 * time.Millisecond) // until the prompt is drawn
	return nil
}

// benchMoment runs a program on the node and takes the times from the kernel's moments to the frames that tell of them: of the fork,
// which is the first thing that happens after a pause, and of the exec right behind it, which may have to wait for its turn.
func benchMoment(ctx context.Context, b *bench) error {
	return b.atTerminal(ctx, func(live *websocket.Conn, term *terminal) error {
		var reading sync.WaitGroup
		reading.Go(func() { _ = until(term, "\x00") }) // acknowledges output until the socket closes
		defer reading.Wait()
		defer term.Close()
		var forks, execs times
		for range b.rounds {
			time.Sleep(250 * time.Millisecond) // longer than frames are held back
			if err := term.WriteMessage(websocket.BinaryMessage, []byte("/usr/bin/true\r")); err != nil {
				return err
			}
			fork, exec, err := untilExec(live)
			if err != nil {
				return err
			}
			forks, execs = append(forks, fork), append(execs, exec)
		}
		forks.print("moment.frame.first")
		execs.print("moment.frame.next")
		return nil
	})
}

// untilExec reads frames until one tells that true was run, and returns how old both moments were when their frames were there.
func untilExec(live *websocket.Conn) (fork, exec time.Duration, err error) {
	parents := map[int]time.Duration{} // age of the fork that made the process
	for {
		f, err := frame(live)
		if err != nil {
			return 0, 0, err
		}
		now := sinceBoot()
		for _, m := range f.Moments {
			age := now - time.Duration(m.Time)*time.Microsecond
			switch {
			case m.Source != sandbox.SourceKernel:
			case m.Kind == sandbox.MomentFork:
				parents[m.PID] = age
			case m.Kind == sandbox.MomentExec && m.Name == "true":
				return parents[m.PID], age, nil
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
