package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
	"podlab/sandbox/kubectl"
)

const streamsPod = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"io"},"spec":{"terminationGracePeriodSeconds":0,"containers":[
{"name":"sh","image":"busybox","command":["sh"],"stdin":true,"tty":true},
{"name":"cat","image":"busybox","command":["cat"],"stdin":true},
{"name":"talks","image":"busybox","command":["sh","-c","i=0; while true; do i=$((i+1)); echo line $i; sleep 0.1; done"]}]}}`

// noise is n bytes that look like anything, always the same.
func noise(n int64) io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{1}), n) }

func sum(t *testing.T, n int64) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, noise(n)); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// counted is a hash that counts.
type counted struct {
	hash.Hash
	n int64
}

func (c *counted) Write(p []byte) (int, error) { c.n += int64(len(p)); return c.Hash.Write(p) }

// TestExecCarriesEveryByte sends 64 MiB through cat, in the node and in a container, while little memory is used for it.
func TestExecCarriesEveryByte(t *testing.T) {
	const size = 64 << 20
	ctx, agent := newNode(t)
	apply(ctx, t, agent, streamsPod)
	until(ctx, t, agent, "the pod", func(s sandbox.Snapshot) bool { return find(s, "io/cat").State == sandbox.StateRunning })
	want := sum(t, size)
	for _, where := range []string{"", "io/cat"} {
		got := &counted{Hash: sha256.New()}
		began := time.Now()
		exit, err := agent.Exec(ctx, sandbox.ExecSpec{Container: where, Argv: []string{"cat"}}, sandbox.Streams{In: noise(size), Out: got})
		if err != nil || exit.Code != 0 || got.n != size || fmt.Sprintf("%x", got.Sum(nil)) != want {
			t.Errorf("%q: %d bytes came back, %+v %v", where, got.n, exit, err)
		}
		t.Logf("%q: 64 MiB there and back in %v", where, time.Since(began).Round(time.Millisecond))
	}
	s, err := agent.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.Processes {
		if p.PID == s.Node.AgentPID && p.RSS > 40<<20 {
			t.Errorf("the agent takes %d MiB", p.RSS>>20)
		}
	}
}

// joined is an attachment in the background.
type joinedTo struct {
	keys   *io.PipeWriter
	screen *io.PipeReader
	cancel context.CancelFunc
	exit   sandbox.Exit
	err    error
	done   chan struct{}
}

func join(ctx context.Context, t *testing.T, agent sandbox.Agent, spec sandbox.AttachSpec) *joinedTo {
	t.Helper()
	in, keys := io.Pipe()
	screen, out := io.Pipe()
	ctx, cancel := context.WithCancel(ctx)
	j := &joinedTo{keys: keys, screen: screen, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(j.done)
		j.exit, j.err = agent.Attach(ctx, spec, sandbox.Streams{In: in, Out: out, Err: out})
		_, _ = out.Close(), in.Close()
	}()
	t.Cleanup(func() { cancel(); _ = screen.Close(); _ = keys.Close(); <-j.done })
	return j
}

func (j *joinedTo) leave(t *testing.T) {
	t.Helper()
	j.cancel()
	_ = j.screen.Close()
	_ = j.keys.Close()
	<-j.done
	if !errors.Is(j.err, context.Canceled) && !errors.Is(j.err, io.ErrClosedPipe) {
		t.Errorf("leaving: %v", j.err)
	}
}

// TestAttachReachesTheFirstProcess: what is typed goes to PID 1, a shell that lives on when one leaves, and through the agent's death.
func TestAttachReachesTheFirstProcess(t *testing.T) {
	ctx, agent := newNode(t)
	apply(ctx, t, agent, streamsPod)
	s := until(ctx, t, agent, "the pod", func(s sandbox.Snapshot) bool {
		return find(s, "io/sh").State == sandbox.StateRunning && find(s, "io/cat").State == sandbox.StateRunning
	})
	if c := find(s, "io/sh"); !c.TTY || !c.Stdin || find(s, "io/talks").Stdin {
		t.Errorf("the snapshot says %+v", c)
	}
	sh := sandbox.AttachSpec{Container: "io/sh", Size: sandbox.Size{Cols: 77, Rows: 11}}
	j := join(ctx, t, agent, sh)
	typed(t, j.keys, "V=kept; echo pid $$; stty size\r")
	if screen := read(t, j.screen, "11 77\r\n"); !strings.Contains(screen, "pid 1\r\n") {
		t.Errorf("the screen is %q", screen)
	}
	j.leave(t)

	cat := join(ctx, t, agent, sandbox.AttachSpec{Container: "io/cat"})
	typed(t, cat.keys, "one\n")
	read(t, cat.screen, "one\n")
	cat.leave(t) // without stdinOnce the input stays open
	j = join(ctx, t, agent, sh)
	go func() { _, _ = io.Copy(io.Discard, j.screen) }()                                                                   // ends with the attachment
	_, _ = agent.Exec(ctx, sandbox.ExecSpec{Argv: []string{"kill", "-9", fmt.Sprint(s.Node.AgentPID)}}, sandbox.Streams{}) // its connection breaks
	<-j.done
	if sandbox.CodeOf(j.err) != sandbox.CodeUnavailable {
		t.Errorf("attached when the agent died: %+v", j.err)
	}
	until(ctx, t, agent, "the next agent", func(n sandbox.Snapshot) bool { return n.Agent != s.Agent })
	again := join(ctx, t, agent, sh)
	typed(t, again.keys, "echo $V\r")
	read(t, again.screen, "kept\r\n")
	other := join(ctx, t, agent, sh)
	typed(t, other.keys, "echo both\r")
	read(t, again.screen, "both\r\n")
	read(t, other.screen, "both\r\n")
	cat = join(ctx, t, agent, sandbox.AttachSpec{Container: "io/cat"})
	typed(t, cat.keys, "two\n")
	read(t, cat.screen, "two\n")
	typed(t, again.keys, "exit 7\r")
	go func() { _, _ = io.Copy(io.Discard, again.screen) }() // ends with the attachment
	go func() { _, _ = io.Copy(io.Discard, other.screen) }()
	<-again.done
	<-other.done
	if again.err != nil || again.exit.Code != 7 || other.exit.Code != 7 {
		t.Errorf("the shell's end: %+v %v, %+v %v", again.exit, again.err, other.exit, other.err)
	}
	for id, want := range map[string]sandbox.Code{"io/none": sandbox.CodeNotFound, "io/_infra": sandbox.CodeNotFound, "none": sandbox.CodeNotFound} {
		if _, err := agent.Attach(ctx, sandbox.AttachSpec{Container: id}, sandbox.Streams{}); sandbox.CodeOf(err) != want {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// TestStdinOnceEnds: the first attachment's end is the input's, and the program's; nothing of 4 MiB is lost, nor of what was printed
// before anyone was there.
func TestStdinOnceEnds(t *testing.T) {
	const size = 4 << 20
	ctx, agent := newNode(t)
	once := `{"apiVersion":"podlab/v1","kind":"Container","metadata":{"name":"%s"},"spec":{"image":"busybox","stdin":true,"stdinOnce":true,"command":["sh","-c","%s"]}}`
	apply(ctx, t, agent, fmt.Sprintf(once, "hash", "echo early; sha256sum; exit 4"))
	until(ctx, t, agent, "hash", func(s sandbox.Snapshot) bool { return find(s, "hash").State == sandbox.StateRunning })
	time.Sleep(300 * time.Millisecond)
	var out bytes.Buffer
	exit, err := agent.Attach(ctx, sandbox.AttachSpec{Container: "hash", FromStart: true}, sandbox.Streams{In: noise(size), Out: &out})
	if want := "early\n" + sum(t, size) + "  -\n"; err != nil || exit.Code != 4 || out.String() != want {
		t.Errorf("%q %+v %v", out.String(), exit, err)
	}
	if _, err := agent.Attach(ctx, sandbox.AttachSpec{Container: "hash"}, sandbox.Streams{}); sandbox.CodeOf(err) != sandbox.CodeNotRunning {
		t.Errorf("attached to one that has ended: %v", err)
	}
	// More than its log would keep, before the first attachment: it is waited for.
	apply(ctx, t, agent, fmt.Sprintf(once, "flood", "seq 1 80000; cat"))
	until(ctx, t, agent, "flood", func(s sandbox.Snapshot) bool { return find(s, "flood").State == sandbox.StateRunning })
	time.Sleep(300 * time.Millisecond)
	out.Reset()
	exit, err = agent.Attach(ctx, sandbox.AttachSpec{Container: "flood", FromStart: true}, sandbox.Streams{In: strings.NewReader("end\n"), Out: &out})
	if lines := strings.Count(out.String(), "\n"); err != nil || exit.Code != 0 || lines != 80001 || !strings.HasPrefix(out.String(), "1\n2\n") || !strings.HasSuffix(out.String(), "\nend\n") {
		t.Errorf("%d lines, %+v %v", lines, exit, err)
	}
	// Whoever only looks ends nothing; whoever typed and left without a word ends it.
	apply(ctx, t, agent, fmt.Sprintf(once, "left", "cat; exit 6"))
	until(ctx, t, agent, "left", func(s sandbox.Snapshot) bool { return find(s, "left").State == sandbox.StateRunning })
	j := join(ctx, t, agent, sandbox.AttachSpec{Container: "left"})
	typed(t, j.keys, "hello\n")
	read(t, j.screen, "hello\n")
	j.leave(t)
	until(ctx, t, agent, "its end", func(s sandbox.Snapshot) bool {
		return find(s, "left").State == sandbox.StateExited && find(s, "left").ExitCode == 6
	})
}

// TestLogsBySelection: times, limits, and a follower that ends with the run it follows.
func TestLogsBySelection(t *testing.T) {
	ctx, agent := newNode(t)
	began := time.Now()
	apply(ctx, t, agent, streamsPod)
	logs := func(opt sandbox.LogOptions) string {
		t.Helper()
		var out bytes.Buffer
		opt.Container = "io/talks"
		if err := agent.Logs(ctx, opt, &out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	until(ctx, t, agent, "the pod", func(s sandbox.Snapshot) bool { return find(s, "io/talks").State == sandbox.StateRunning })
	for !strings.Contains(logs(sandbox.LogOptions{}), "line 6\n") {
		time.Sleep(50 * time.Millisecond) // logs fails at ctx's end
	}
	if got := logs(sandbox.LogOptions{Limit: 9}); got != "line 1\nli" {
		t.Errorf("nine bytes: %q", got)
	}
	if got := logs(sandbox.LogOptions{Tail: -1}); got != "" {
		t.Errorf("no lines: %q", got)
	}
	stamped := strings.Split(logs(sandbox.LogOptions{Timestamps: true}), "\n")
	stamp := func(i int) time.Time {
		stamp, text, _ := strings.Cut(stamped[i-1], " ")
		at, err := time.Parse(time.RFC3339Nano, stamp)
		if err != nil || text != fmt.Sprint("line ", i) {
			t.Errorf("stamped: %q %v", stamped[i-1], err)
		}
		return at
	}
	if at := stamp(1); at.Before(began) || at.After(time.Now()) {
		t.Errorf("the first line's time is %v", at)
	}
	if got := logs(sandbox.LogOptions{Since: stamp(5).UnixNano()}); !strings.HasPrefix(got, "line 5\nline 6\n") {
		t.Errorf("since line 5: %q", got)
	}
	followed, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- agent.Logs(ctx, sandbox.LogOptions{Container: "io/talks", Follow: true, Tail: 1}, out)
	}()
	read(t, followed, "line ")
	go func() { _, _ = io.Copy(io.Discard, followed) }() // ends with out
	defer out.Close()
	pid := find(until(ctx, t, agent, "a snapshot", func(sandbox.Snapshot) bool { return true }), "io/talks").PID
	in(ctx, t, agent, "", "kill", "-9", fmt.Sprint(pid))
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("followed: %v", err)
		}
	case <-time.After(sandboxtest.Within(10 * time.Second)):
		t.Error("a follower outlives the run it follows")
	}
	until(ctx, t, agent, "the restart", func(s sandbox.Snapshot) bool {
		return find(s, "io/talks").State == sandbox.StateRunning && find(s, "io/talks").Restarts == 1
	})
	if got := logs(sandbox.LogOptions{Previous: true, Limit: 7}); got != "line 1\n" {
		t.Errorf("previous: %q", got)
	}
}

// TestForwardReachesThePod: several connections at once through one forwarded port, a refused one, and a pod that goes.
func TestForwardReachesThePod(t *testing.T) {
	ctx, agent := newNode(t)
	apply(ctx, t, agent, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"terminationGracePeriodSeconds":0,"containers":[
{"name":"web","image":"busybox","command":["sh","-c","echo hi >/index.html; exec httpd -f -p 80 -h /"]}]}}`)
	var out bytes.Buffer
	if err := kubectl.Wait(ctx, agent, []string{"web"}, kubectl.Goal{Condition: "Ready", Status: "true"}, 10*time.Second, &out); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, agent, "a listening server", func(s sandbox.Snapshot) bool {
		for _, network := range s.Networks {
			for _, socket := range network.Sockets {
				if network.Owner == "web" && socket.State == "LISTEN" && strings.HasSuffix(socket.Local, ":80") {
					return true
				}
			}
		}
		return false
	})
	f := startForward(ctx, t, agent, "web", kubectl.Port{Remote: 80}, kubectl.Port{Remote: 81})
	for range 8 {
		f.get(t, 0, "hi\n")
	}
	f.parallel(t, 0, 20)
	f.refused(t, 1)
	if err := agent.Delete(ctx, sandbox.Ref{Kind: "Pod", Name: "web"}, 0); err != nil {
		t.Fatal(err)
	}
	f.refused(t, 0)
	select {
	case err := <-f.done:
		if !errors.Is(err, kubectl.ErrLostPod) {
			t.Errorf("the pod's end: %v", err)
		}
	case <-time.After(sandboxtest.Within(5 * time.Second)):
		t.Error("forwarding outlives the pod")
	}
}
