package expr

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/cel-go/cel"

	"podlab/sandbox"
)

// demo is a node with pod "demo" (infra, web, cache) and a plain container "solo".
func demo() *sandbox.Snapshot {
	shared := sandbox.Namespaces{Net: 4026532412, IPC: 4026532410, UTS: 4026532409, PID: 1, Mnt: 2, User: 9, Cgroup: 9}
	own := func(pid uint64) sandbox.Namespaces {
		ns := shared
		ns.PID, ns.Mnt = pid, pid+1
		return ns
	}
	return &sandbox.Snapshot{
		Pods: []sandbox.Pod{{
			Metadata: sandbox.ObjectMeta{Name: "demo", UID: "u-1", Labels: map[string]string{"app": "demo"}},
			Spec:     sandbox.PodSpec{RestartPolicy: "Always"},
			Status:   sandbox.PodStatus{Phase: "Running", PodIP: "10.0.0.2", Conditions: []sandbox.PodCondition{{Type: "Ready", Status: "True"}}},
		}},
		Containers: []sandbox.Container{
			{ID: "demo/_infra", Name: "pause", Pod: "demo", Kind: sandbox.KindInfra, State: sandbox.StateRunning, PID: 10, NS: shared},
			{ID: "demo/web", Name: "web", Pod: "demo", Kind: sandbox.KindApp, State: sandbox.StateRunning, PID: 11, NS: own(20)},
			{ID: "demo/cache", Name: "cache", Pod: "demo", Kind: sandbox.KindApp, State: sandbox.StateRunning, PID: 12, NS: own(30)},
			{ID: "solo", Name: "solo", Kind: sandbox.KindPlain, State: sandbox.StateRunning, PID: 13, NS: sandbox.Namespaces{Net: 7}},
		},
		Processes: []sandbox.Process{{PID: 10, Inside: 1, Name: "pause", Container: "demo/_infra"}, {PID: 11, Inside: 1, Name: "sleep", Container: "demo/web", Threads: []sandbox.Thread{{Name: "log"}}}},
		Networks:  []sandbox.Network{{Owner: ""}, {Owner: "demo", Inode: shared.Net, Sockets: []sandbox.Socket{{Proto: "tcp", Local: "0.0.0.0:80", State: "LISTEN", Container: "demo/web"}}}},
		Node:      sandbox.NodeView{Hostname: "node"},
	}
}

func scopeOf(t testing.TB, s *sandbox.Snapshot, moments ...sandbox.Moment) *Scope {
	t.Helper()
	var seen Moments
	seen.Add(moments)
	return NewScope(s, seen, map[string]string{"ip": "10.0.0.2"})
}

func TestConditions(t *testing.T) {
	at := scopeOf(t, demo(), sandbox.Moment{Kind: "exit", PIDInside: 1, Container: "demo/web", Params: map[string]string{"a": "b"}})
	for source, want := range map[string]string{
		`pod("demo").containers.all(c, c.ns.net == pod("demo").infra.ns.net)`: "true",
		`moments.exists(m, m.kind == "exit" && m.pidInside == 1)`:             "true",
		`moments.exists(m, m.params["a"] == "b")`:                             "true",
		`container("web").ns.pid == container("demo/cache").ns.pid`:           "false",
		`container("solo").ns.net == 7`:                                       "true",
		`pod("demo").ready && pod("demo").labels.app == "demo"`:               "true",
		`pod("demo").ip == kept.ip`:                                           "true",
		`kept.never == "x"`:                                                   "error",
		`has(kept.never)`:                                                     "false",
		`pod("gone").ready`:                                                   "absent",
		`!pod("gone").ready`:                                                  "absent",
		`hasPod("gone") || !hasContainer("nobody")`:                           "true",
		`pod("gone").ready || hasPod("demo")`:                                 "true",
		`pod("demo").net.sockets.exists(s, s.local.endsWith(":80"))`:          "true",
		`sockets.exists(s, s.container == "demo/web")`:                        "true",
		`processes.exists(p, p.threads.exists(t, t.name == "log"))`:           "true",
		`node.hostname == "node" && containers.size() == 4`:                   "true",
	} {
		c, err := NewCondition(source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		holds, err := c.Holds(at)
		got := fmt.Sprint(holds)
		if errors.Is(err, errAbsent) {
			got = "absent"
		} else if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s: %s (%v), want %s", source, got, err, want)
		}
	}
}

func TestConditionsThatDoNotCompile(t *testing.T) {
	for _, source := range []string{
		`pod("demo").nonsense`, `pod("demo").ready == 1`, `pod("demo").ip`, `containers.all(c, c.ns.nett == 1)`, `pod(1).ready`, `unknown`, `1 +`,
	} {
		if _, err := NewCondition(source); err == nil {
			t.Errorf("%s compiles", source)
		}
	}
}

func TestValues(t *testing.T) {
	at := scopeOf(t, demo())
	for source, want := range map[string]string{
		`pod("demo").ip`:                    "10.0.0.2",
		`container("web").ns.net`:           "4026532412",
		`string(container("web").pid)`:      "11",
		`containers.map(c, c.id).join(" ")`: "demo/_infra demo/web demo/cache solo",
	} {
		v, err := NewValue(source)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := v.Text(at); got != want || err != nil {
			t.Errorf("%s: %q (%v), want %q", source, got, err, want)
		}
	}
}

func TestCostIsBounded(t *testing.T) {
	s := demo()
	for i := range 400 {
		s.Processes = append(s.Processes, sandbox.Process{PID: 100 + i})
	}
	c, err := NewCondition(`processes.all(a, processes.all(b, processes.all(c, a.pid + b.pid + c.pid > 0)))`)
	if err != nil {
		t.Fatal(err)
	}
	if holds, err := c.Holds(scopeOf(t, s)); holds || err == nil {
		t.Fatalf("an evaluation of 64 million steps ended with %v, %v", holds, err)
	}
}

func TestKeptNames(t *testing.T) {
	names, err := KeptNames(`kept.ip == pod("demo").ip && processes.exists(p, string(p.pid) == kept["pid"]) && has(kept.x)`)
	if err != nil || fmt.Sprint(names) != "[ip pid x]" {
		t.Fatal(names, err)
	}
}

// BenchmarkMoments is one expression over the most moments that there can be.
func BenchmarkMoments(b *testing.B) {
	c, err := NewCondition(`moments.exists(m, m.kind == "exit" && m.pidInside == 1 && m.container == "demo/web")`)
	if err != nil {
		b.Fatal(err)
	}
	var moments []sandbox.Moment
	for i := range maxMoments {
		moments = append(moments, sandbox.Moment{Kind: sandbox.MomentFork, Name: fmt.Sprint(i)})
	}
	at := scopeOf(b, demo(), moments...)
	b.ReportAllocs()
	for b.Loop() {
		if holds, err := c.Holds(at); holds || err != nil {
			b.Fatal(holds, err)
		}
	}
}

// BenchmarkBounds compares two ways to bound an evaluation: by rounds of loops, as we do, and by cel.CostLimit.
func BenchmarkBounds(b *testing.B) {
	words := vocabulary()
	ast, issues := words.env.Compile(`moments.exists(m, m.kind == "exit" && m.pidInside == 1 && m.container == "demo/web")`)
	if issues.Err() != nil {
		b.Fatal(issues.Err())
	}
	at := scopeOf(b, demo(), make([]sandbox.Moment, maxMoments)...)
	for name, bound := range map[string]cel.ProgramOption{
		"rounds": cel.InterruptCheckFrequency(1),
		"cost":   cel.CostLimit(1e9),
	} {
		b.Run(name, func(b *testing.B) {
			program, err := words.env.Program(ast, cel.EvalOptions(cel.OptOptimize), bound)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := at.eval(program); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
