package client

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"podlab/sandbox"
	"podlab/sandbox/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hostile is an agent that answers every call by fn.
func hostile(t *testing.T, fn func(conn net.Conn)) Agent {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if _, _, err := wire.Read(conn, wire.MaxJSON); err == nil {
				fn(conn)
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() { listener.Close(); <-ended })
	return Agent{Socket: socket}
}

// saying is an agent that sends these frames and then nothing until the other side goes.
func saying(t *testing.T, frames ...frame) Agent {
	return hostile(t, func(conn net.Conn) {
		for _, f := range frames {
			if wire.Write(conn, f.kind, []byte(f.text)) != nil {
				return
			}
		}
		_, _ = io.Copy(io.Discard, conn)
	})
}

type frame struct {
	kind byte
	text string
}

var accepted = frame{wire.JSON, `{}`}

// list is a JSON list of n elements.
func list(n int, element string) string {
	return "[" + strings.TrimSuffix(strings.Repeat(element+",", n), ",") + "]"
}

func TestHostileSnapshots(t *testing.T) {
	for _, c := range []struct{ what, snapshot string }{
		{"a million processes", `{"processes":` + list(1_000_000, "{}") + `}`},
		{"nothings for processes", `{"processes":` + list(800_000, "null") + `}`},
		{"numbers for containers", `{"containers":` + list(1_000_000, "0") + `}`},
		{"a million lists", `{"x":` + list(1_000_000, "[]") + `}`},
		{"a million levels", strings.Repeat("[", 1_000_000)},
		{"another type", `{"processes":"many"}`},
		{"a number that is none", `{"seq":-1}`},
		{"too large a number", `{"time":1e99}`},
		{"nothing", ``},
		{"no JSON", `{"processes":[{"pid":1`},
	} {
		t.Run(c.what, func(t *testing.T) {
			agent := saying(t, frame{wire.JSON, `{"result":` + c.snapshot + `}`})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := agent.Snapshot(t.Context()); err == nil {
				t.Error("taken")
			}
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
				t.Errorf("%d MiB for %d KiB", used>>20, len(c.snapshot)>>10)
			}
		})
	}
}

func TestStringsAndMapsAreCut(t *testing.T) {
	labels := map[string]string{}
	for i := range 1000 {
		labels[strings.Repeat("k", i+1)] = strings.Repeat("v", 1000)
	}
	s := sandbox.Snapshot{
		Processes: []sandbox.Process{{Name: strings.Repeat("n", 1<<20), Args: []string{strings.Repeat("\u202e", 1<<18)}}},
		Pods:      []sandbox.Pod{{Metadata: sandbox.ObjectMeta{Labels: labels}}},
	}
	text, err := json.Marshal(map[string]any{"result": s})
	if err != nil {
		t.Fatal(err)
	}
	got, err := saying(t, frame{wire.JSON, string(text)}).Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := got.Processes[0]
	if len(p.Name) != maxString || len(p.Args[0]) > maxString || len(got.Pods[0].Metadata.Labels) != maxEntries {
		t.Errorf("%d, %d, %d", len(p.Name), len(p.Args[0]), len(got.Pods[0].Metadata.Labels))
	}
}

// TestNamesAreFitToBeShown, whoever speaks in the agent's place; what a pod runs stays as it was written.
func TestNamesAreFitToBeShown(t *testing.T) {
	const odd = `\u202e\u001b[2J\n`
	agent := saying(t, frame{wire.JSON, `{"result":{"processes":[{"name":"` + odd + `","args":["` + odd + `"]}],
		"pods":[{"spec":{"containers":[{"command":["` + odd + `"]}]}}]}}`})
	s, err := agent.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const shown = "\ufffd␛[2J␊"
	if p := s.Processes[0]; p.Name != shown || p.Args[0] != shown || s.Pods[0].Spec.Containers[0].Command[0] != "\u202e\x1b[2J\n" {
		t.Errorf("%q, %q, %q", p.Name, p.Args, s.Pods[0].Spec.Containers[0].Command)
	}
}

// TestAFrameIsNotBelieved: a length alone takes no memory.
func TestAFrameIsNotBelieved(t *testing.T) {
	agent := hostile(t, func(conn net.Conn) {
		_, _ = conn.Write([]byte{wire.JSON, 0, 0x3f, 0xff, 0xff, '{'})
		_, _ = io.Copy(io.Discard, conn)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := agent.Snapshot(ctx)
	runtime.ReadMemStats(&after)
	if err == nil || after.TotalAlloc-before.TotalAlloc > 1<<20 {
		t.Errorf("%v, %d bytes", err, after.TotalAlloc-before.TotalAlloc)
	}
}

func TestHostileStreams(t *testing.T) {
	empty := make([]frame, 1000)
	for i := range empty {
		empty[i] = frame{wire.Stdout, ""}
	}
	terminal := func(ctx context.Context, a Agent) error {
		term, err := a.Terminal(ctx, sandbox.TerminalSpec{})
		if err != nil {
			return err
		}
		defer term.Close()
		if term.Replay() < 0 || term.Replay() > maxReplay {
			t.Errorf("replay %d", term.Replay())
		}
		_, err = term.Read(make([]byte, 10))
		return err
	}
	exec := func(ctx context.Context, a Agent) error {
		_, err := a.Exec(ctx, sandbox.ExecSpec{}, sandbox.Streams{})
		return err
	}
	for _, c := range []struct {
		what   string
		call   func(context.Context, Agent) error
		frames []frame
	}{
		{"a terminal's empty frames", terminal, append([]frame{accepted}, empty...)},
		{"a terminal's odd frames", terminal, []frame{accepted, {'?', "x"}}},
		{"a terminal's huge frame", terminal, []frame{accepted, {wire.Stdout, strings.Repeat("x", wire.MaxData+1)}}},
		{"a replay below zero", terminal, []frame{{wire.JSON, `{"result":{"replay":-5}}`}, {'?', ""}}},
		{"a replay without end", terminal, []frame{{wire.JSON, `{"result":{"replay":9007199254740993}}`}, {'?', ""}}},
		{"a command's odd frames", exec, []frame{accepted, {'?', "x"}}},
		{"a command's odd end", exec, []frame{accepted, {wire.Exit, `{"code":"none"}`}}},
	} {
		t.Run(c.what, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // which only a call that hangs comes to
			defer cancel()
			if err := c.call(ctx, saying(t, c.frames...)); err == nil || ctx.Err() != nil {
				t.Errorf("%v, %v", err, ctx.Err())
			}
		})
	}
}

func TestHostileErrors(t *testing.T) {
	for _, c := range []struct{ reply, code string }{
		{`{"error":{"code":"<script>"}}`, "internal"},
		{`{"error":{"code":"` + strings.Repeat("x", 1000) + `"}}`, "internal"},
		{`{"error":{"code":"not_found","params":{"name":"` + strings.Repeat("x", 100_000) + `"}}}`, "not_found"},
		{`{"error":{"code":"not_found","params":{"name":"\u001b[2J"}}}`, "not_found"},
	} {
		_, err := saying(t, frame{wire.JSON, c.reply}).Snapshot(t.Context())
		if string(sandbox.CodeOf(err)) != c.code || len(err.Error()) > 1000 || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%.80s: %.80v", c.reply, err)
		}
	}
}

// TestForgedMoments: an agent cannot tell what the kernel saw.
func TestForgedMoments(t *testing.T) {
	update := `{"moments":{"items":[{"source":"kernel","seq":18446744073709551615,"kind":"fork"},{"source":"x"},
		{"source":"agent","seq":1,"kind":"pod","reason":"` + strings.Repeat("r", 5000) + `"}]}}`
	enough := io.EOF
	err := saying(t, accepted, frame{wire.JSON, update}).Watch(t.Context(), nil, func(u sandbox.Update) error {
		if len(u.Moments.Items) != 1 || u.Moments.Items[0].Source != sandbox.SourceAgent || len(u.Moments.Items[0].Reason) != maxWord {
			t.Errorf("%+v", u.Moments.Items)
		}
		return enough
	})
	if err != enough { //nolint:errorlint // the very same
		t.Error(err)
	}
}

// TestEndlessUpdates: an agent that never stops talking is read at a pace.
func TestEndlessUpdates(t *testing.T) {
	update := []byte(`{"snapshot":{"processes":` + list(1000, `{"name":"x"}`) + `}}`)
	agent := hostile(t, func(conn net.Conn) {
		err := wire.Write(conn, wire.JSON, []byte(`{}`))
		for err == nil {
			err = wire.Write(conn, wire.JSON, update)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	seen, began := 0, time.Now()
	if err := agent.Watch(ctx, nil, func(sandbox.Update) error { seen++; return nil }); err == nil {
		t.Error("no error")
	}
	if most := int((watchBurst + (time.Since(began).Seconds()+1)*watchRate) / (1000 * elementCost)); seen == 0 || seen > most {
		t.Errorf("%d updates, not at most %d", seen, most)
	}
}

// FuzzWeigh: whatever is taken has no more elements than were counted.
func FuzzWeigh(f *testing.F) {
	for _, seed := range []string{`[1,2,[3,{"a":[4,"]\"[,"]}]]`, `{"a":1,"b":[]}`, `[[[`, `]]],,`, `"\\",[1,2]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		counted, err := wire.Weigh(data)
		var v any
		if err != nil || json.Unmarshal(data, &v) != nil {
			return
		}
		if there := count(v); counted < there {
			t.Errorf("%q: counted %d of %d", data, counted, there)
		}
	})
}

func count(v any) (n int) {
	switch v := v.(type) {
	case []any:
		n = len(v)
		for _, e := range v {
			n += count(e)
		}
	case map[string]any:
		for _, e := range v {
			n += count(e)
		}
	}
	return n
}
