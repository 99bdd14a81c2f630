package top

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gdamore/tcell/v2"
	"go.uber.org/goleak"

	"podlab/sandbox"
	"podlab/sandbox/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func process(pid, ppid int, name string, net uint64) sandbox.Process {
	return sandbox.Process{PID: pid, PPID: ppid, Inside: pid, Start: int64(pid), Name: name, State: "S", NS: sandbox.Namespaces{
		Net: net, IPC: 1, UTS: 1, PID: 1, Mnt: 1,
	}}
}

func TestTree(t *testing.T) {
	for name, c := range map[string]struct {
		parents [][2]int // pid, ppid
		want    string
	}{
		"order":  {[][2]int{{1, 0}, {9, 1}, {5, 1}, {7, 5}, {6, 5}}, "1|├─ 5|│  ├─ 6|│  └─ 7|└─ 9"},
		"orphan": {[][2]int{{3, 99}, {4, 3}}, "3|└─ 4"},
		"ring":   {[][2]int{{1, 0}, {2, 3}, {3, 2}}, "1|2|└─ 3"},
		"itself": {[][2]int{{2, 2}}, "2"},
	} {
		t.Run(name, func(t *testing.T) {
			var rows []row
			for _, p := range c.parents {
				rows = append(rows, row{Process: process(p[0], p[1], "x", 1)})
			}
			var got []string
			for _, r := range tree(rows) {
				got = append(got, fmt.Sprintf("%s%d", r.branch, r.PID))
			}
			if s := strings.Join(got, "|"); s != c.want {
				t.Errorf("%s, want %s", s, c.want)
			}
		})
	}
}

// TestLongChain: a node that lies may tell of tens of thousands of processes, each a child of the one before.
func TestLongChain(t *testing.T) {
	var rows []row
	for pid := 1; pid <= 20_000; pid++ {
		rows = append(rows, row{Process: process(pid, pid-1, "x", 1)})
	}
	drawn := tree(rows)
	for _, r := range drawn {
		if len(r.branch) > 2*maxBranch || !utf8.ValidString(r.branch) {
			t.Fatalf("%d bytes before %d", len(r.branch), r.PID)
		}
	}
	if len(drawn) != len(rows) {
		t.Errorf("%d of %d", len(drawn), len(rows))
	}
}

// TestMarks: a letter stays with its namespace while that lives, and is free then.
func TestMarks(t *testing.T) {
	var m marks
	see := func(nets ...uint64) (letters string) {
		s := sandbox.Snapshot{Node: sandbox.NodeView{NS: sandbox.Namespaces{Net: 100, IPC: 1, UTS: 1, PID: 1, Mnt: 1}}}
		for i, net := range nets {
			s.Processes = append(s.Processes, process(i+1, 0, "x", net))
		}
		m.assign(&s)
		for _, p := range s.Processes {
			letters += string(m.of(p.NS)[0])
		}
		return letters
	}
	for _, c := range []struct {
		nets []uint64
		want string
	}{
		{[]uint64{100, 200, 300, 200, 0}, "·aba?"},
		{[]uint64{100, 300, 400}, "·ba"},
		{[]uint64{500, 300, 400}, "cba"},
		{[]uint64{100}, "·"},
		{[]uint64{300}, "a"},
	} {
		if got := see(c.nets...); got != c.want {
			t.Errorf("%v: %s, want %s", c.nets, got, c.want)
		}
	}
	many := make([]uint64, len(letters)+2)
	for i := range many {
		many[i] = uint64(1000 + i)
	}
	if got := see(many...); !strings.HasSuffix(got, "Z++") {
		t.Errorf("more namespaces than letters: %s", got)
	}
}

// TestGoneLingers: who has ended stays for a moment, with how it ended.
func TestGoneLingers(t *testing.T) {
	now := time.Now()
	p := picture{ends: map[int]string{}}
	p.look(sandbox.Snapshot{Processes: []sandbox.Process{process(1, 0, "init", 1), process(7, 1, "web", 1)}}, now)
	p.told(sandbox.Moments{Items: []sandbox.Moment{{Kind: sandbox.MomentExit, PID: 7, Name: "web", Code: 137, Signal: 9}}})
	p.look(sandbox.Snapshot{Processes: []sandbox.Process{process(1, 0, "init", 1), process(8, 1, "new", 1)}}, now)
	rows := p.rows(now)
	if len(rows) != 3 || rows[1].ended != "ended by signal 9" || p.fresh(rows[0], now) || !p.fresh(rows[2], now) {
		t.Errorf("rows: %+v", rows)
	}
	if line := p.line(rows[1]); !strings.Contains(line, "├─ [web] — ended by signal 9") {
		t.Errorf("line: %q", line)
	}
	later := now.Add(lingers)
	if rows := p.rows(later); len(rows) != 2 || p.fresh(rows[1], later) {
		t.Errorf("later: %+v", rows)
	}
}

// TestNewestIsLast: the agent and the kernel tell each what they saw, and what was before they were asked.
func TestNewestIsLast(t *testing.T) {
	p := picture{ends: map[int]string{}}
	p.told(sandbox.Moments{Items: []sandbox.Moment{{PID: 2, Time: 20}, {PID: 4, Time: 40}}})
	p.told(sandbox.Moments{Items: []sandbox.Moment{{PID: 1, Time: 10}, {PID: 3, Time: 30}}})
	for i, m := range p.moments {
		if m.PID != i+1 {
			t.Errorf("at %d: %+v", i, m)
		}
	}
}

func node(t *testing.T) (*fake.Nodes, Node, *fake.Agent) {
	t.Helper()
	nodes := fake.New()
	made, err := nodes.Create(t.Context(), sandbox.NodeSpec{ID: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	agent := nodes.Node("n1")
	if _, err := agent.Apply(t.Context(), [][]byte{[]byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"demo"},"spec":{"containers":[
		{"name":"web","image":"nginx"},{"name":"side","image":"busybox","command":["sleep","9"]}]}}`)}); err != nil {
		t.Fatal(err)
	}
	return nodes, Node{ID: "n1", Nodes: nodes, Agent: nodes.Agent(made)}, agent
}

// glass is a screen that remembers as text what it last showed.
type glass struct {
	tcell.SimulationScreen
	text atomic.Pointer[string]
}

func newGlass() *glass {
	g := &glass{SimulationScreen: tcell.NewSimulationScreen("UTF-8")}
	g.text.Store(new(string))
	return g
}

func (g *glass) Show() {
	g.SimulationScreen.Show()
	cells, width, _ := g.GetContents()
	var out strings.Builder
	for i, cell := range cells {
		if i > 0 && i%width == 0 {
			out.WriteByte('\n')
		}
		out.WriteString(string(cell.Runes))
	}
	text := out.String()
	g.text.Store(&text)
}

func TestScreen(t *testing.T) {
	nodes, n, agent := node(t)
	screen := newGlass()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ended := make(chan error)
	go func() { ended <- Run(ctx, n, screen) }()
	see := func(what string, want func(string) bool) string {
		t.Helper()
		for {
			if text := *screen.text.Load(); want(text) {
				return text
			}
			select {
			case <-ctx.Done():
				t.Fatalf("no %s on the screen:\n%s", what, *screen.text.Load())
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	has := func(text string) func(string) bool { return func(s string) bool { return strings.Contains(s, text) } }
	see("sidecar", has("demo/side"))
	screen.SetSize(120, 30)
	see("wider screen", has("the same letter is the same namespace"))
	nodes.Kernel("n1", sandbox.Moment{Kind: sandbox.MomentExec, PID: 77, Name: "true", Path: "/bin/true", Time: sinceBoot().Microseconds()})
	see("exec", has("exec      true (77) /bin/true"))
	agent.Exit("demo/side", sandbox.Exit{Code: 7})
	see("the container's end", has("ended"))
	screen.InjectKey(tcell.KeyRune, 'p', 0)
	see("pause", has("PAUSED"))
	nodes.Kernel("n1", sandbox.Moment{Kind: sandbox.MomentExec, PID: 78, Name: "later", Time: sinceBoot().Microseconds()})
	screen.InjectKey(tcell.KeyUp, 0, 0) // draws again
	if text := see("pause", has("PAUSED")); strings.Contains(text, "later (78)") {
		t.Error("the picture changed while it was paused")
	}
	screen.InjectKey(tcell.KeyRune, 'p', 0)
	if text := see("what came meanwhile", has("later (78)")); strings.Contains(text, "PAUSED") {
		t.Error("still paused")
	}
	nodes.Lose("n1", 3)
	nodes.Kernel("n1", sandbox.Moment{Kind: sandbox.MomentExec, PID: 79, Name: "after", Time: sinceBoot().Microseconds()})
	see("loss", has("(lost 3)"))
	screen.InjectKey(tcell.KeyRune, 'q', 0)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestEndsWithItsNode(t *testing.T) {
	nodes, n, _ := node(t)
	ended := make(chan error)
	go func() { ended <- Run(t.Context(), n, newGlass()) }()
	nodes.Vanish("n1")
	if err := <-ended; sandbox.CodeOf(err) != sandbox.CodeNodeGone {
		t.Errorf("ended with %v", err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestOnce(t *testing.T) {
	_, n, _ := node(t)
	var out strings.Builder
	if err := Once(t.Context(), n, &out); err != nil {
		t.Fatal(err)
	}
	// The two containers share net, ipc and uts with their pod; each has processes and mounts of its own.
	for _, want := range []string{"n1 · ", "INSIDE", " a   a   a   ", "demo/web", "demo/_infra"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, out.String())
		}
	}
	if err := Once(t.Context(), n, full{}); err == nil {
		t.Error("a full disk is no error")
	}
}
