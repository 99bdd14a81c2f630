package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// operations are shell functions. Each does one thing and says what it was, which process did it, in the process's own numbers, and
// how that ended: the shell's word against the kernel's moments.
const operations = `
e() { sh -c "exit $1" & wait $!; echo "exit $! $?"; }
x() { sh -c 'exec true' & wait $!; echo "exec $! $?"; }
f() { (exit $1) & wait $!; echo "fork $! $?"; }
k() { sleep 100 & kill -$1 $!; wait $!; echo "kill $! $?"; }
o() { sh -c 'sleep '$alone' & echo "orphan $! 0"' & wait $!; echo "exit $! $?"; }
echo "driver $$ 0"
`

// script is n random operations.
func script(n int, random *rand.Rand) string {
	var b strings.Builder
	alone := sandboxtest.Within(200 * time.Millisecond).Seconds() // an orphan lives: longer than its parent takes to end
	fmt.Fprintf(&b, "alone=%g%s", alone, operations)
	for range n {
		switch op := random.IntN(20); {
		case op < 8:
			fmt.Fprintln(&b, "e", random.IntN(256))
		case op < 11:
			fmt.Fprintln(&b, "x")
		case op < 15:
			fmt.Fprintln(&b, "f", random.IntN(256))
		case op < 18:
			fmt.Fprintln(&b, "k", []int{1, 6, 9, 10, 15}[random.IntN(5)])
		default:
			fmt.Fprintln(&b, "o")
		}
	}
	fmt.Fprintf(&b, "sleep %g\n", 3*alone) // until the last orphan has ended
	return b.String()
}

// claim is what a script said of one process.
type claim struct {
	what string
	code int
}

// claims reads a script's output: the driver's pid, and what was claimed of each of its children.
func claims(t *testing.T, output string) (driver int, children, orphans map[int]claim) {
	t.Helper()
	children, orphans = map[int]claim{}, map[int]claim{}
	for line := range strings.Lines(output) {
		var c claim
		var pid int
		if _, err := fmt.Sscanf(line, "%s %d %d", &c.what, &pid, &c.code); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		into := children
		switch c.what {
		case "driver":
			driver = pid
			continue
		case "orphan":
			into = orphans
		}
		if _, twice := into[pid]; twice {
			t.Fatalf("pid %d was given twice: %s", pid, line)
		}
		into[pid] = c
	}
	return driver, children, orphans
}

// history is what the kernel's moments said of one process, by its innermost pid.
type history struct {
	forks, execs, exits int
	parent, adopted     int // the node's pids
	pid, code           int
}

// histories sorts the moments of one pid namespace.
func histories(all []sandbox.Moment, pidns uint64) map[int]*history {
	byPID := map[int]*history{}
	inside := map[int]int{} // the node's pid → its own
	of := func(pid int) *history {
		if byPID[pid] == nil {
			byPID[pid] = &history{}
		}
		return byPID[pid]
	}
	for _, m := range all {
		if m.Thread || m.PIDNS != pidns && m.Kind != sandbox.MomentReparent {
			continue
		}
		switch m.Kind {
		case sandbox.MomentFork:
			h := of(m.PIDInside)
			h.forks++
			h.parent, h.pid = m.PPID, m.PID
			inside[m.PID] = m.PIDInside
		case sandbox.MomentExec:
			of(m.PIDInside).execs++
		case sandbox.MomentExit:
			h := of(m.PIDInside)
			h.exits++
			h.code = m.Code
		case sandbox.MomentReparent:
			if own, here := inside[m.PID]; here {
				of(own).adopted = m.PPID
			}
		}
	}
	return byPID
}

// TestTenThousandOperations does random things in the node and in a container at the same time. What the shells say of their children,
// and what the kernel's moments say, must be the same, with nothing lost and nothing besides; in the end the snapshot and a reading of
// the host's /proc must be the same too.
func TestTenThousandOperations(t *testing.T) {
	d := sandboxtest.Start(t)
	n := d.Node(t, sandbox.NodeSpec{})
	ctx, cancel := context.WithTimeout(t.Context(), sandboxtest.Within(4*time.Minute))
	t.Cleanup(cancel)
	agent := d.Agent(n)
	apply(ctx, t, agent, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"demo"},"spec":{"containers":[
		{"name":"web","image":"busybox","command":["sh","-c","trap 'exit 0' TERM; while :; do sleep 1000 & wait; done"]}]}}`)
	s := until(ctx, t, agent, "the pod", func(s sandbox.Snapshot) bool { return find(s, "demo/web").State == sandbox.StateRunning })

	record := newWitness(ctx, t, d, n.Spec.ID)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	targets := map[string]uint64{"": s.Node.NS.PID, "demo/web": find(s, "demo/web").NS.PID}
	outputs := map[string]string{}
	var mu sync.Mutex
	var both sync.WaitGroup
	for target := range targets {
		random := rand.New(rand.NewPCG(seed, uint64(len(target))))
		both.Go(func() {
			var out, errs bytes.Buffer
			_, err := agent.Exec(ctx, sandbox.ExecSpec{Container: target, Argv: []string{"sh"}},
				sandbox.Streams{In: strings.NewReader(script(5000, random)), Out: &out, Err: &errs})
			if err != nil {
				t.Errorf("%q: %v: %s", target, err, errs.String())
			}
			mu.Lock()
			outputs[target] = out.String()
			mu.Unlock()
		})
	}
	both.Wait()
	ended := 0
	all := record.until(ctx, t, func(all []sandbox.Moment) bool {
		ended = len(all)
		return drivenEnded(all, targets, outputs)
	})
	t.Logf("%d moments, %d lost", ended, record.lost)
	if record.lost > 0 {
		t.Errorf("%d moments were lost", record.lost)
	}
	total := 0
	for target, pidns := range targets {
		total += compare(t, target, outputs[target], histories(all, pidns), s.Node.InitPID, pidns == s.Node.NS.PID)
	}
	if total < 10000 {
		t.Errorf("%d operations", total)
	}
	sameAsProc(ctx, t, agent, n)
}

// drivenEnded: the moments tell of the end of both scripts' shells.
func drivenEnded(all []sandbox.Moment, targets map[string]uint64, outputs map[string]string) bool {
	for target, pidns := range targets {
		first, _, _ := strings.Cut(strings.TrimPrefix(outputs[target], "driver "), " ")
		pid, _ := strconv.Atoi(first)
		if !slices.ContainsFunc(all, func(m sandbox.Moment) bool {
			return m.Kind == sandbox.MomentExit && !m.Thread && m.PIDNS == pidns && m.PIDInside == pid
		}) {
			return false
		}
	}
	return true
}

// compare holds one script's claims against the moments of its pid namespace; it returns how many claims there were.
func compare(t *testing.T, target, output string, told map[int]*history, init int, ofNode bool) int {
	t.Helper()
	driver, children, orphans := claims(t, output)
	wrong := 0
	complain := func(pid int, c claim, h *history) {
		if wrong++; wrong < 10 {
			t.Errorf("%q: pid %d, %+v: the kernel says %+v", target, pid, c, h)
		}
	}
	execs := map[string]int{"exit": 1, "exec": 2, "fork": 0}
	for pid, c := range children {
		h := told[pid]
		if h == nil {
			complain(pid, c, h)
			continue
		}
		n, exact := execs[c.what]
		if h.forks != 1 || h.exits != 1 || h.code != c.code || h.parent != told[driver].pid || exact && h.execs != n {
			complain(pid, c, h)
		}
	}
	for pid, c := range orphans {
		h := told[pid]
		if h == nil || h.forks != 1 || h.exits != 1 || h.execs != 1 || h.code != 0 || h.adopted == 0 || ofNode && h.adopted != init {
			complain(pid, c, h)
		}
	}
	forked := 0
	for _, h := range told {
		if told[driver] != nil && h.parent == told[driver].pid && h.forks > 0 {
			forked++
		}
	}
	if want := len(children) + 1; forked != want { // and the last sleep
		t.Errorf("%q: the shell made %d children, the kernel says %d", target, want, forked)
	}
	return len(children)
}

// witness collects a node's moments from the kernel.
type witness struct {
	mu      sync.Mutex
	moments []sandbox.Moment
	lost    uint64
	news    chan struct{}
}

func newWitness(ctx context.Context, t *testing.T, d *sandboxtest.Daemon, node string) *witness {
	w := &witness{news: make(chan struct{}, 1)}
	done := make(chan struct{})
	ctx, stop := context.WithCancel(ctx)
	go func() {
		defer close(done)
		_ = d.Moments(ctx, node, 0, func(run sandbox.Moments) error { // ends with ctx
			w.mu.Lock()
			w.moments = append(w.moments, run.Items...)
			w.lost += run.Lost
			w.mu.Unlock()
			select {
			case w.news <- struct{}{}:
			default:
			}
			return nil
		})
	}()
	t.Cleanup(func() { stop(); <-done })
	return w
}

func (w *witness) until(ctx context.Context, t *testing.T, enough func([]sandbox.Moment) bool) []sandbox.Moment {
	t.Helper()
	for {
		w.mu.Lock()
		all := slices.Clone(w.moments)
		w.mu.Unlock()
		if enough(all) {
			return all
		}
		select {
		case <-w.news:
			time.Sleep(50 * time.Millisecond) // many come at once
		case <-ctx.Done():
			t.Fatalf("%v after %d moments", ctx.Err(), len(all))
		}
	}
}

// process is what both the snapshot and the host's /proc say of one.
type process struct {
	parent, inside int
	name, state    string
}

// sameAsProc compares a snapshot with what the host's /proc says of the node's processes, as soon as /proc says the same before and after.
func sameAsProc(ctx context.Context, t *testing.T, agent sandbox.Agent, n sandbox.Node) {
	t.Helper()
	for {
		before := hostView(t, n.PID)
		s, err := agent.Snapshot(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if after := hostView(t, n.PID); !atRest(before, s.Node.AgentPID) || !maps.Equal(before, after) {
			if ctx.Err() != nil {
				t.Fatal("the node does not come to rest")
			}
			continue
		}
		seen := map[int]process{}
		for _, p := range s.Processes {
			seen[p.PID] = process{parent: p.PPID, inside: p.Inside, name: p.Name, state: p.State}
		}
		for _, view := range []map[int]process{seen, before} {
			agent := view[s.Node.AgentPID]
			agent.state = "" // it runs while it looks, and waits while the test does
			view[s.Node.AgentPID] = agent
		}
		if !maps.Equal(seen, before) {
			t.Errorf("snapshot:\n%v\n/proc:\n%v", seen, before)
		}
		return
	}
}

// atRest: nothing runs but the agent.
func atRest(view map[int]process, agent int) bool {
	for pid, p := range view {
		if p.state == "R" && pid != agent {
			return false
		}
	}
	return true
}

// hostView reads the host's /proc: every process below a node's init, by the node's pid.
func hostView(t *testing.T, init int) map[int]process {
	t.Helper()
	status := map[int]map[string][]string{}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		host, _ := strconv.Atoi(filepath.Base(dir))
		b, err := os.ReadFile(filepath.Join(dir, "status"))
		if err != nil {
			continue // it has ended
		}
		status[host] = map[string][]string{}
		for line := range strings.Lines(string(b)) {
			key, value, _ := strings.Cut(line, ":")
			status[host][key] = strings.Fields(value)
		}
	}
	depth := len(status[init]["NSpid"])
	below := func(host int) bool {
		for ; host > 1; host, _ = strconv.Atoi(status[host]["PPid"][0]) {
			if host == init {
				return true
			}
			if status[host] == nil {
				return false
			}
		}
		return false
	}
	view := map[int]process{}
	for host, s := range status {
		if !below(host) || len(s["NSpid"]) < depth {
			continue
		}
		pid, _ := strconv.Atoi(s["NSpid"][depth-1])
		inside, _ := strconv.Atoi(s["NSpid"][len(s["NSpid"])-1])
		p := process{inside: inside, name: strings.Join(s["Name"], " "), state: s["State"][0]}
		if parent, _ := strconv.Atoi(s["PPid"][0]); status[parent] != nil && len(status[parent]["NSpid"]) >= depth {
			p.parent, _ = strconv.Atoi(status[parent]["NSpid"][depth-1])
		}
		view[pid] = p
	}
	return view
}
