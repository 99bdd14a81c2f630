package chaos

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

var long = flag.Bool("long", false, "a thousand cycles instead of 150")

func cycles() int {
	if *long || full {
		return 1000
	}
	return 150
}

// count is what must be the same after any number of cycles.
type count map[string]int

// counted are a process's descriptors and threads.
func (c count) of(name string, pid int) {
	for what, dir := range map[string]string{"descriptors": "fd", "threads": "task"} {
		entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/%s", pid, dir))
		c[name+" "+what] = len(entries)
	}
	c[name+" mounts"] = len(mounts(pid))
}

// host counts what the tests have on the host.
func host(t testing.TB, d *sandboxtest.Daemon) count {
	t.Helper()
	c := count{}
	for _, what := range left(t, d) {
		kind, _, _ := strings.Cut(what, " ")
		c[kind]++
	}
	spaces := map[string]bool{}
	for _, p := range append(started(d.PID()), process{pid: d.PID()}, process{pid: os.Getpid()}) {
		names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/ns/*", p.pid))
		for _, name := range names {
			if ns, err := os.Readlink(name); err == nil {
				spaces[ns] = true
			}
		}
	}
	c["namespaces"] = len(spaces)
	c.of("daemon", d.PID())
	return c
}

// pss is a process's share of memory of its own making in KiB (proc_pid_smaps(5)). Of the program's own pages each process that runs it has
// a share, which grows when another one gives its up.
func pss(t testing.TB, pid int) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	must(t, err)
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); f[0] == "Pss_Anon:" {
			kib, err := strconv.Atoi(f[1])
			must(t, err)
			return kib
		}
	}
	t.Fatal("no Pss_Anon in smaps_rollup")
	return 0
}

// threads may be some more or fewer: the runtime starts them as it needs them, and keeps them.
const moreThreads = 8

// same waits until counts are what they were, but for the runtime's threads.
func same(t testing.TB, what string, before count, now func() count) {
	t.Helper()
	for end := time.Now().Add(settle); ; time.Sleep(20 * time.Millisecond) {
		var differ []string
		after := now()
		all := maps.Clone(before)
		maps.Copy(all, after)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			room := 0
			if strings.HasSuffix(name, "threads") {
				room = moreThreads
			}
			if after[name] > before[name]+room {
				differ = append(differ, fmt.Sprintf("%s: %d, were %d", name, after[name], before[name]))
			}
		}
		if len(differ) == 0 {
			t.Logf("%s: before %v", what, before)
			t.Logf("%s: after  %v", what, after)
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %s", what, strings.Join(differ, "; "))
		}
	}
}

// memory wants that a process grew by less than most KiB. The runtime collects what a process at rest has left every two minutes
// (runtime.forcegcperiod), and gives it back bit by bit: it is given the time.
func memory(t testing.TB, name string, pid, before, most int) {
	t.Helper()
	least := pss(t, pid)
	for end := time.Now().Add(5 * time.Minute); least > before+most && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		least = min(least, pss(t, pid))
	}
	t.Logf("%s: %d KiB before, %d KiB after", name, before, least)
	if least > before+most {
		t.Errorf("%s grew from %d to %d KiB", name, before, least)
	}
}

// atRest is the least of a process's own memory within the time after which an agent has given back what work took.
func atRest(t testing.TB, pid int) int {
	t.Helper()
	least := pss(t, pid)
	for end := time.Now().Add(sandboxtest.Within(5 * time.Second)); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		least = min(least, pss(t, pid))
	}
	return least
}

// TestNodesInACycle makes and destroys nodes with a pod, again and again.
func TestNodesInACycle(t *testing.T) {
	d := sandboxtest.Start(t)
	cycle := func() {
		node := d.Node(t, sandbox.NodeSpec{ID: "n"})
		_, err := d.Agent(node).Apply(t.Context(), [][]byte{[]byte(demo)})
		must(t, err)
		must(t, d.Destroy(t.Context(), "n"))
	}
	for range 20 { // until the runtime has its threads and the pools their buffers
		cycle()
	}
	nothingLeft(t, d, "after the first nodes")
	before, was := host(t, d), pss(t, d.PID())
	for range cycles() {
		cycle()
	}
	same(t, fmt.Sprint(cycles(), " nodes"), before, func() count { return host(t, d) })
	memory(t, "daemon", d.PID(), was, 2048)
}

// TestPodsInACycle makes and removes pods in one node, each with an exec and a look at its logs.
func TestPodsInACycle(t *testing.T) {
	d := sandboxtest.Start(t)
	node := d.Node(t, sandbox.NodeSpec{ID: "n"})
	l := life{t, d, node, d.Agent(node)}
	cycle := func() {
		l.run("cycle")
		exit, err := l.agent.Exec(t.Context(), sandbox.ExecSpec{Container: "demo/web", Argv: []string{"true"}}, sandbox.Streams{})
		if err != nil || exit.Code != 0 {
			t.Fatal(exit, err)
		}
		must(t, l.agent.Logs(t.Context(), sandbox.LogOptions{Container: "demo/web"}, new(strings.Builder)))
		l.end("cycle")
	}
	for range 120 { // until node init's runtime has the memory it keeps: some 2.6 MiB, after 80 pods
		cycle()
	}
	agent := agentOf(t, node)
	look := func() count {
		c := count{}
		for _, what := range inNode(t, d, node) {
			kind, _, _ := strings.Cut(what, " ")
			c[kind]++
		}
		c.of("node init", node.PID)
		c.of("agent", agent)
		return c
	}
	before := look()
	was := map[int]int{node.PID: pss(t, node.PID), agent: atRest(t, agent), d.PID(): pss(t, d.PID())}
	for range cycles() {
		cycle()
	}
	same(t, fmt.Sprint(cycles(), " pods"), before, look)
	memory(t, "node init", node.PID, was[node.PID], 512)
	memory(t, "agent", agent, was[agent], 1024)
	memory(t, "daemon", d.PID(), was[d.PID()], 4096) // it keeps the newest 4,096 moments of a node
	if now := agentOf(t, node); now != agent {
		t.Errorf("the agent ended meanwhile: %d, now %d", agent, now)
	}
}

// agentOf is the agent's pid on the host.
func agentOf(t testing.TB, node sandbox.Node) int {
	t.Helper()
	for _, p := range descendants(node.PID) {
		if strings.Contains(p.name, agentNames[0]) {
			return p.pid
		}
	}
	t.Fatal("no agent")
	return 0
}

// TestTerminalsInACycle opens and closes node shells.
func TestTerminalsInACycle(t *testing.T) {
	d := sandboxtest.Start(t)
	node := d.Node(t, sandbox.NodeSpec{ID: "n"})
	agent := d.Agent(node)
	cycle := func() {
		must(t, bounded(t, "terminal", func(ctx context.Context) error {
			term, err := agent.Terminal(ctx, sandbox.TerminalSpec{ID: "node", Target: "node", Size: sandbox.Size{Cols: 80, Rows: 24}})
			if err != nil {
				return err
			}
			defer term.Close()
			if err := agent.CloseTerminal(ctx, "node"); err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, term) // until it has ended: the next one shall be a new one
			return err
		}))
	}
	for range 10 {
		cycle()
	}
	pid := agentOf(t, node)
	look := func() count {
		c := count{}
		c.of("node init", node.PID)
		c.of("agent", pid)
		c["processes"] = len(descendants(node.PID))
		ptys, err := os.ReadDir(fmt.Sprintf("/proc/%d/root/dev/pts", node.PID))
		must(t, err)
		c["ptys"] = len(ptys)
		return c
	}
	before := look()
	for range cycles() {
		cycle()
	}
	same(t, fmt.Sprint(cycles(), " terminals"), before, look)
}
