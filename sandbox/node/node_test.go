package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// newNode starts a daemon with one node.
func newNode(t *testing.T) (context.Context, sandbox.Agent) {
	t.Helper()
	d := sandboxtest.Start(t)
	n := d.Node(t, sandbox.NodeSpec{})
	ctx, cancel := context.WithTimeout(t.Context(), sandboxtest.Within(2*time.Minute))
	t.Cleanup(cancel)
	return ctx, d.Agent(n)
}

// in runs a command and returns what it printed on both streams.
func in(ctx context.Context, t *testing.T, agent sandbox.Agent, container string, argv ...string) (string, sandbox.Exit) {
	t.Helper()
	var out bytes.Buffer
	exit, err := agent.Exec(ctx, sandbox.ExecSpec{Container: container, Argv: argv}, sandbox.Streams{Out: &out, Err: &out})
	if err != nil {
		t.Fatalf("%v: %v", argv, err)
	}
	return out.String(), exit
}

func apply(ctx context.Context, t *testing.T, agent sandbox.Agent, object string) {
	t.Helper()
	if _, err := agent.Apply(ctx, [][]byte{[]byte(object)}); err != nil {
		t.Fatal(err)
	}
}

// until watches the node until fn is content with what it sees, and returns that.
func until(ctx context.Context, t *testing.T, agent sandbox.Agent, what string, fn func(sandbox.Snapshot) bool) (out sandbox.Snapshot) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, sandboxtest.Within(20*time.Second))
	defer cancel()
	seen := errors.New("seen")
	for {
		err := agent.Watch(ctx, nil, func(u sandbox.Update) error {
			if u.Snapshot != nil {
				if out = *u.Snapshot; fn(out) {
					return seen
				}
			}
			return nil
		})
		if errors.Is(err, seen) {
			return out
		}
		if ctx.Err() != nil || sandbox.CodeOf(err) != sandbox.CodeUnavailable { // the agent may be starting again
			t.Fatalf("waiting for %s: %v; last seen %+v", what, err, out.Containers)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func find(s sandbox.Snapshot, id string) sandbox.Container {
	i := slices.IndexFunc(s.Containers, func(c sandbox.Container) bool { return c.ID == id })
	if i < 0 {
		return sandbox.Container{}
	}
	return s.Containers[i]
}

func attach(ctx context.Context, t *testing.T, agent sandbox.Agent, id, target string) sandbox.Terminal {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		term, err := agent.Terminal(ctx, sandbox.TerminalSpec{ID: id, Target: target, Size: sandbox.Size{Cols: 100, Rows: 30}})
		if err == nil {
			return term
		}
		if sandbox.CodeOf(err) != sandbox.CodeUnavailable {
			t.Fatal(err)
		}
	}
	t.Fatal("the agent does not come back")
	return nil
}

// read reads a terminal until want was shown.
func read(t *testing.T, term io.Reader, want string) string {
	t.Helper()
	var seen strings.Builder
	buf := make([]byte, 32<<10)
	for !strings.Contains(seen.String(), want) {
		n, err := term.Read(buf)
		seen.Write(buf[:n])
		if err != nil {
			t.Fatalf("waiting for %q: %v after %q", want, err, seen.String())
		}
	}
	return seen.String()
}

func typed(t *testing.T, term io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(term, text); err != nil {
		t.Fatal(err)
	}
}

const demo = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"demo"},"spec":{"containers":[
{"name":"web","image":"busybox","command":["sh","-c","while true; do date +%s%N; sleep 0.2; done"]},
{"name":"side","image":"busybox","command":["sh","-c","trap 'exit 0' TERM; while true; do sleep 1; done"]}]}}`

func TestPodAndTerminalsOutliveTheAgent(t *testing.T) {
	ctx, agent := newNode(t)
	apply(ctx, t, agent, demo)
	ready := func(s sandbox.Snapshot) bool {
		return find(s, "demo/web").State == sandbox.StateRunning && find(s, "demo/side").State == sandbox.StateRunning
	}
	until(ctx, t, agent, "the pod", ready)
	node, web := attach(ctx, t, agent, "node", "node"), attach(ctx, t, agent, "demo/web", "demo/web")
	typed(t, node, "V=kept; echo $((40+2))\r")
	read(t, node, "42\r\n")
	typed(t, web, "W=too; echo $((50+3))\r")
	read(t, web, "53\r\n")
	before := until(ctx, t, agent, "terminals", func(s sandbox.Snapshot) bool { return len(s.Terminals) == 2 })

	killed := time.Now()
	// The command is the agent's child and its connection goes with the agent.
	_, err := agent.Exec(ctx, sandbox.ExecSpec{Argv: []string{"kill", "-9", fmt.Sprint(before.Node.AgentPID)}}, sandbox.Streams{})
	if err != nil && sandbox.CodeOf(err) != sandbox.CodeUnavailable {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, node); sandbox.CodeOf(err) != sandbox.CodeUnavailable {
		t.Fatalf("terminal after the agent's death: %v", err)
	}
	after := until(ctx, t, agent, "the new agent", func(s sandbox.Snapshot) bool { return s.Agent != before.Agent && ready(s) })
	t.Logf("agent back with everything after %v", time.Since(killed).Round(time.Millisecond))
	for _, id := range []string{"demo/_infra", "demo/web", "demo/side"} {
		if a, b := find(before, id), find(after, id); a.PID != b.PID || a.Started != b.Started || a.NS != b.NS || b.Restarts != 0 {
			t.Errorf("%s: was %+v, is %+v", id, a, b)
		}
	}
	if after.Pods[0].Metadata.UID != before.Pods[0].Metadata.UID || after.Pods[0].Status.PodIP != before.Pods[0].Status.PodIP {
		t.Error("the pod's uid or IP changed")
	}
	if len(after.Terminals) != 2 || after.Terminals[0].PID != before.Terminals[0].PID || after.Terminals[1].PID != before.Terminals[1].PID {
		t.Errorf("terminals: %+v, were %+v", after.Terminals, before.Terminals)
	}
	for _, c := range []struct{ id, shows, types, answer string }{
		{"node", "42\r\n", "echo $V\r", "kept\r\n"}, {"demo/web", "53\r\n", "echo $W\r", "too\r\n"},
	} {
		again := attach(ctx, t, agent, c.id, c.id)
		screen := make([]byte, again.Replay())
		if _, err := io.ReadFull(again, screen); err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(screen), c.shows) != 1 {
			t.Errorf("%s: the screen is %q", c.id, screen)
		}
		typed(t, again, c.types)
		read(t, again, c.answer)
		typed(t, again, "exit 9\r")
		if _, err := io.Copy(io.Discard, again); err != nil {
			t.Error(err)
		}
		if exit, ok := again.Exit(); !ok || exit.Code != 9 {
			t.Errorf("%s: exit %+v %v", c.id, exit, ok)
		}
	}
	var log bytes.Buffer
	if err := agent.Logs(ctx, sandbox.LogOptions{Container: "demo/web"}, &log); err != nil || log.Len() == 0 {
		t.Errorf("logs: %v, %d bytes", err, log.Len())
	}
	restarted(ctx, t, agent)
	if err := agent.Delete(ctx, sandbox.Ref{Kind: "Pod", Name: "demo"}, 1); err != nil {
		t.Error(err)
	}
}

// restarted wants the moments of both lives, numbered without a gap.
func restarted(ctx context.Context, t *testing.T, agent sandbox.Agent) {
	t.Helper()
	stop := errors.New("stop")
	err := agent.Watch(ctx, nil, func(u sandbox.Update) error {
		if u.Moments == nil {
			return errors.New("no moments")
		}
		var reasons []string
		for i, m := range u.Moments.Items {
			if m.Seq != uint64(i+1) {
				return fmt.Errorf("moment %d has number %d", i, m.Seq)
			}
			if m.Kind == sandbox.MomentAgent {
				reasons = append(reasons, m.Reason)
			}
		}
		if n := len(reasons); n < 2 || reasons[0] != "Started" || reasons[n-1] != "Restarted" {
			return fmt.Errorf("agent's moments: %v", reasons)
		}
		return stop
	})
	if !errors.Is(err, stop) {
		t.Error(err)
	}
}

func TestTwentyMegabytesThroughATerminal(t *testing.T) {
	ctx, agent := newNode(t)
	term, err := agent.Terminal(ctx, sandbox.TerminalSpec{ID: "t", Target: "node", Argv: []string{"sh", "-c", "stty -opost; head -c 20971520 /dev/zero; exit 3"}})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	n, err := io.Copy(io.Discard, term)
	took := time.Since(began)
	if exit, ok := term.Exit(); err != nil || n != 20<<20 || !ok || exit.Code != 3 {
		t.Fatalf("%d bytes, %v, exit %+v", n, err, exit)
	}
	t.Logf("20 MiB in %v: %.0f MiB/s", took.Round(time.Millisecond), 20/took.Seconds())
}

func TestEndlessOutputStaysBounded(t *testing.T) {
	ctx, agent := newNode(t)
	term, err := agent.Terminal(ctx, sandbox.TerminalSpec{ID: "t", Target: "node", Argv: []string{"yes", "an endless line of output"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = term.Close()
	time.Sleep(3 * time.Second)
	s, err := agent.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.Processes {
		if p.PID == s.Node.AgentPID || p.PID == 1 {
			t.Logf("%s: %d KiB resident", p.Name, p.RSS>>10)
			if p.RSS > 40<<20 {
				t.Errorf("%s takes %d MiB", p.Name, p.RSS>>20)
			}
		}
	}
	again := attach(ctx, t, agent, "t", "node")
	if again.Replay() > 300<<10 {
		t.Errorf("replay of %d bytes", again.Replay())
	}
	if err := agent.CloseTerminal(ctx, "t"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, again); err != nil {
		t.Error(err)
	}
}

func TestNodeInitCannotBeEnded(t *testing.T) {
	ctx, agent := newNode(t)
	// Every signal, plain and queued, with sigqueue(3) through a shell without tools: kill -q is util-linux's.
	out, _ := in(ctx, t, agent, "", "bash", "-c", `for s in $(seq 1 64); do kill -$s 1 2>/dev/null; /usr/bin/kill -q 7 -s $s 1 2>/dev/null; done; kill -0 1 && echo alive`)
	if !strings.Contains(out, "alive") {
		t.Fatalf("%q", out)
	}
	// The agent dies as often as one likes.
	for range 3 {
		s := until(ctx, t, agent, "an agent", func(sandbox.Snapshot) bool { return true })
		_, _ = agent.Exec(ctx, sandbox.ExecSpec{Argv: []string{"kill", "-9", fmt.Sprint(s.Node.AgentPID)}}, sandbox.Streams{}) // its connection breaks
		until(ctx, t, agent, "the next agent", func(n sandbox.Snapshot) bool { return n.Agent != s.Agent })
	}
	// Orphans are reaped: each outlives its parent.
	orphans := `for i in $(seq 50); do (sleep 0.05 & exec true) & done; wait
for try in $(seq 200); do ps -eo stat=,args= | grep -E '^Z|^[^ ]+ +sleep 0' >/tmp/left || break; sleep 0.05; done; wc -l </tmp/left`
	if out, _ := in(ctx, t, agent, "", "bash", "-c", orphans); strings.TrimSpace(out) != "0" {
		t.Errorf("zombies: %q", out)
	}
}

func TestExec(t *testing.T) {
	ctx, agent := newNode(t)
	apply(ctx, t, agent, demo)
	until(ctx, t, agent, "the pod", func(s sandbox.Snapshot) bool { return find(s, "demo/web").State == sandbox.StateRunning })
	for _, where := range []string{"", "demo/web"} {
		if _, exit := in(ctx, t, agent, where, "sh", "-c", "exit 42"); exit != (sandbox.Exit{Code: 42}) {
			t.Errorf("%q: exit %+v", where, exit)
		}
		if _, exit := in(ctx, t, agent, where, "sh", "-c", "kill -9 $$"); exit != (sandbox.Exit{Code: 137, Signal: 9}) {
			t.Errorf("%q: killed %+v", where, exit)
		}
		var out bytes.Buffer
		exit, err := agent.Exec(ctx, sandbox.ExecSpec{Container: where, Argv: []string{"wc", "-c"}}, sandbox.Streams{In: io.LimitReader(zeros{}, 3<<20), Out: &out})
		if err != nil || exit.Code != 0 || strings.TrimSpace(out.String()) != "3145728" {
			t.Errorf("%q: wc: %q %+v %v", where, out.String(), exit, err)
		}
		out.Reset()
		resize := make(chan sandbox.Size, 1)
		resize <- sandbox.Size{Cols: 91, Rows: 17}
		_, err = agent.Exec(ctx, sandbox.ExecSpec{Container: where, TTY: true, Size: sandbox.Size{Cols: 80, Rows: 24}, Argv: []string{"sh", "-c", "until stty size | grep -v '24 80'; do sleep 0.02; done"}},
			sandbox.Streams{Out: &out, Resize: resize})
		if err != nil || out.String() != "17 91\r\n" {
			t.Errorf("%q: size %q %v", where, out.String(), err)
		}
		hungUp(ctx, t, agent, where)
	}
	if _, err := agent.Exec(ctx, sandbox.ExecSpec{Container: "demo/web", Argv: []string{"no-such-command"}}, sandbox.Streams{}); sandbox.CodeOf(err) != sandbox.CodeCannotStart {
		t.Errorf("no such command: %v", err)
	}
	if _, exit := in(ctx, t, agent, "", "no-such-command"); exit.Code != 127 {
		t.Errorf("no such command in the node: %+v", exit)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// hungUp makes sure that a command ends with its client, even one that reads nothing of what it is sent.
func hungUp(ctx context.Context, t *testing.T, agent sandbox.Agent, where string) {
	t.Helper()
	short, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := agent.Exec(short, sandbox.ExecSpec{Container: where, Argv: []string{"sleep", "98765"}}, sandbox.Streams{In: zeros{}, Out: io.Discard})
		ended <- err
	}()
	until(ctx, t, agent, "the command", func(s sandbox.Snapshot) bool { return runs(s, "sleep", "98765") })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%q: %v", where, err)
	}
	until(ctx, t, agent, "the command's end", func(s sandbox.Snapshot) bool { return !runs(s, "sleep", "98765") })
}

// runs tells whether a process with these arguments is seen.
func runs(s sandbox.Snapshot, args ...string) bool {
	return slices.ContainsFunc(s.Processes, func(p sandbox.Process) bool { return slices.Equal(p.Args, args) })
}

func TestHiddenExecIsNotShown(t *testing.T) {
	ctx, agent := newNode(t)
	apply(ctx, t, agent, demo)
	until(ctx, t, agent, "the pod", func(s sandbox.Snapshot) bool { return find(s, "demo/web").State == sandbox.StateRunning })
	for _, where := range []string{"", "demo/web"} {
		short, cancel := context.WithCancel(ctx)
		var ends sync.WaitGroup
		start := func(hidden bool, seconds string) {
			said, out := io.Pipe()
			ends.Go(func() {
				argv := []string{"sh", "-c", "echo here; exec sleep " + seconds}
				_, _ = agent.Exec(short, sandbox.ExecSpec{Container: where, Argv: argv, Hidden: hidden}, sandbox.Streams{Out: out}) // ends with short
			})
			read(t, said, "here\n")
		}
		start(true, "87654")
		start(false, "76543")
		s := until(ctx, t, agent, "the one that is not hidden", func(s sandbox.Snapshot) bool { return runs(s, "sleep", "76543") })
		if slices.ContainsFunc(s.Processes, func(p sandbox.Process) bool { return strings.Contains(strings.Join(p.Args, " "), "87654") }) {
			t.Errorf("%q: the hidden one is seen", where)
		}
		cancel()
		ends.Wait()
	}
}

func TestFiles(t *testing.T) {
	ctx, agent := newNode(t)
	if err := agent.WriteFile(ctx, "/root/lab/pod.yaml", []byte("kind: Pod\n")); err != nil {
		t.Fatal(err)
	}
	if data, err := agent.ReadFile(ctx, "lab/pod.yaml"); err != nil || string(data) != "kind: Pod\n" {
		t.Errorf("%q %v", data, err)
	}
	in(ctx, t, agent, "", "sh", "-c", `ln -s /etc/passwd /root/link; ln -s /etc /root/dir; mkfifo /root/fifo; head -c 300000 /dev/zero >/root/big; mkdir /root/sub`)
	for _, name := range []string{"/root/link", "/root/dir/passwd", "/root/fifo", "/root/big", "/root/sub", "/root/../etc/passwd", "/etc/passwd", "", "/root/", "a\x00b", "..", "none"} {
		if data, err := agent.ReadFile(ctx, name); err == nil || sandbox.CodeOf(err) == sandbox.CodeInternal {
			t.Errorf("read %q: %q %v", name, data, err)
		}
	}
	for _, name := range []string{"/root/dir/x", "/root/sub", "/root/../etc/x", "/etc/x"} {
		if err := agent.WriteFile(ctx, name, []byte("x")); err == nil || sandbox.CodeOf(err) == sandbox.CodeInternal {
			t.Errorf("write %q: %v", name, err)
		}
	}
	for _, name := range []string{"/root/link", "/root/fifo"} { // replaced, not followed
		if err := agent.WriteFile(ctx, name, []byte("mine")); err != nil {
			t.Errorf("write %q: %v", name, err)
		}
	}
	if out, _ := in(ctx, t, agent, "", "sh", "-c", "head -c4 /etc/passwd; cat /root/link"); out != "rootmine" {
		t.Errorf("%q", out)
	}
}

func TestNodeShellIsWalled(t *testing.T) {
	ctx, agent := newNode(t)
	for _, c := range []struct{ script, want string }{
		{"unshare -U true 2>&1 || echo denied", "denied"},
		{"unshare -n ip -o link | wc -l", "1"},
		{"mkdir -p /tmp/m && mount -t tmpfs none /tmp/m && umount /tmp/m && echo ok", "ok"},
		{"nsenter -t 1 -m -u -i -n -p true && echo ok", "ok"},
		{"dmesg 2>&1 >/dev/null || echo denied", "denied"},
		{"cat /proc/self/oom_score_adj", "300"},
		{"grep CapBnd /proc/self/status | cut -f2", "00000000002c34fb"},
		{"pod get 2>&1", "There are no pods on this node."},
		{"PODLAB_LANG=zh pod get 2>&1", "这个节点上没有 Pod。"},
	} {
		out, _ := in(ctx, t, agent, "", "bash", "-c", c.script)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if lines[len(lines)-1] != c.want {
			t.Errorf("%s: %q, want %q", c.script, out, c.want)
		}
	}
}

// TestAgentsLooksAreNotTold: the agent enters a pod's network at each look; of what entered one only others are told of, also by the next daemon.
func TestAgentsLooksAreNotTold(t *testing.T) {
	d := sandboxtest.Start(t)
	n := d.Node(t, sandbox.NodeSpec{})
	ctx, agent := t.Context(), d.Agent(n)
	apply(ctx, t, agent, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"a","image":"busybox","command":["sleep","1000"]}]}}`)
	s := until(ctx, t, agent, "the pod", func(s sandbox.Snapshot) bool { return find(s, "p/a").State == sandbox.StateRunning })
	pid := strconv.Itoa(find(s, "p/a").PID)
	w := newWitness(ctx, t, d, n.Spec.ID)
	for life := range 2 {
		for range 5 {
			if _, err := agent.Snapshot(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if out, exit := in(ctx, t, agent, "", "nsenter", "-n", "-t", pid, "true"); exit.Code != 0 {
			t.Fatal(exit, out)
		}
		by := func(all []sandbox.Moment, own bool) (n int) {
			for _, m := range all {
				if m.Kind == sandbox.MomentSetns && (m.PID == s.Node.AgentPID) == own && (own || m.Name == "nsenter") {
					n++
				}
			}
			return n
		}
		all := w.until(ctx, t, func(all []sandbox.Moment) bool { return by(all, false) == 1 })
		if n := by(all, true); n > 0 {
			t.Errorf("the agent has entered %d namespaces, it is told, in life %d of the daemon", n, life)
		}
		if life == 0 {
			d.Stop(t, unix.SIGKILL)
			d.Restart(t)
			w = newWitness(ctx, t, d, n.Spec.ID)
		}
	}
}

// TestNobodyPosesAsTheAgent: an orphan of a learner that has the agent's name hides nothing of what it does from the next daemon, which finds the
// agent beside it, or none while that is at rest.
func TestNobodyPosesAsTheAgent(t *testing.T) {
	for _, rests := range []bool{false, true} {
		t.Run(fmt.Sprint("at rest: ", rests), func(t *testing.T) { nobodyPosesAsTheAgent(t, rests) })
	}
}

func nobodyPosesAsTheAgent(t *testing.T, rests bool) {
	d := sandboxtest.Start(t)
	n := d.Node(t, sandbox.NodeSpec{})
	ctx, cancel := context.WithTimeout(t.Context(), sandboxtest.Within(time.Minute))
	defer cancel()
	agent := d.Agent(n)
	apply(ctx, t, agent, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"a","image":"busybox","command":["sleep","1000"]}]}}`)
	s := until(ctx, t, agent, "the pod", func(s sandbox.Snapshot) bool { return find(s, "p/a").State == sandbox.StateRunning })
	const posing = `printf '#!/bin/bash\necho $$ >/tmp/is\nwhile [ ! -e /tmp/go ]; do sleep 0.05; done\nexec nsenter -n -t 1 true\n' >/tmp/podlab-agent
		chmod 755 /tmp/podlab-agent; (setsid /tmp/podlab-agent </dev/null >/dev/null 2>&1 &)
		while [ ! -s /tmp/is ]; do sleep 0.05; done; cat /tmp/is; grep -E '^(Name|PPid)' /proc/$(cat /tmp/is)/status`
	out, _ := in(ctx, t, agent, "", "bash", "-c", posing)
	poser := strings.Fields(out)
	if len(poser) != 5 || poser[2] != "podlab-agent" || poser[4] != "1" {
		t.Fatalf("it poses as %q", out)
	}
	d.Stop(t, unix.SIGKILL)
	for ended := !rests; !ended; {
		var err error
		if ended, err = agent.Rest(ctx); err != nil {
			t.Fatal(err)
		}
	}
	d.Restart(t)
	w := newWitness(ctx, t, d, n.Spec.ID)
	if !rests {
		if _, err := agent.Snapshot(ctx); err != nil { // it looks
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/root/tmp/go", n.PID), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	entered := func(all []sandbox.Moment, pid string) bool {
		return slices.ContainsFunc(all, func(m sandbox.Moment) bool { return m.Kind == sandbox.MomentSetns && strconv.Itoa(m.PID) == pid })
	}
	all := w.until(ctx, t, func(all []sandbox.Moment) bool { return entered(all, poser[0]) })
	if entered(all, strconv.Itoa(s.Node.AgentPID)) {
		t.Error("the agent was not found: it is told what it enters")
	}
}

// TestProgramsAreAsUsual: the wide slack of timers, and the memory without huge pages, of agent and first stages are not those of the programs
// they start (prctl(2), PR_SET_TIMERSLACK, PR_SET_THP_DISABLE).
func TestProgramsAreAsUsual(t *testing.T) {
	ctx, agent := newNode(t)
	const look = "cat /proc/self/timerslack_ns; grep THP_enabled /proc/self/status"
	const want = "50000\nTHP_enabled:\t1\n" // ns, as every process of Linux begins
	apply(ctx, t, agent, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[
		{"name":"a","image":"busybox","command":["sh","-c","`+look+`; sleep 1000"]}]}}`)
	until(ctx, t, agent, "the pod", func(s sandbox.Snapshot) bool { return find(s, "p/a").State == sandbox.StateRunning })
	for i := range 20 { // the agent has threads of both kinds
		of := []string{"p/a", ""}[i%2]
		if got, _ := in(ctx, t, agent, of, "sh", "-c", look); got != want {
			t.Errorf("a command in %q: %q, not %q", of, got, want)
		}
	}
	logged := errors.New("logged")
	var out bytes.Buffer
	err := agent.Logs(ctx, sandbox.LogOptions{Container: "p/a", Follow: true}, writer(func(p []byte) (int, error) {
		if out.Write(p); strings.Count(out.String(), "\n") == 2 {
			return 0, logged
		}
		return len(p), nil
	}))
	if !errors.Is(err, logged) || !strings.HasSuffix(out.String(), want) {
		t.Errorf("the container's program: %q, not %q; %v", out.String(), want, err)
	}
	for _, own := range []string{"1", "$(pgrep -o -x podlab-agent)"} {
		if got, _ := in(ctx, t, agent, "", "sh", "-c", "grep THP_enabled /proc/"+own+"/status"); got != "THP_enabled:\t0\n" {
			t.Errorf("process %s of the node: %q", own, got)
		}
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
