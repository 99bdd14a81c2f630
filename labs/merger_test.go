package labs

import (
	"strings"
	"testing"

	"podlab/sandbox"
)

// kernel makes a run of kernel moments numbered from first on.
func kernel(first uint64, moments ...sandbox.Moment) sandbox.Moments {
	for i := range moments {
		moments[i].Source, moments[i].Seq, moments[i].Time = sandbox.SourceKernel, first+uint64(i), int64(first)*10+int64(i)
	}
	return sandbox.Moments{Items: moments}
}

func told(moments []sandbox.Moment) string {
	var all []string
	for _, m := range moments {
		all = append(all, m.Kind+" "+m.Name+"@"+m.Container)
	}
	return strings.Join(all, ", ")
}

func TestMomentsGetTheirContainer(t *testing.T) {
	m := newMerger()
	s := &sandbox.Snapshot{
		Time: 5, Node: sandbox.NodeView{AgentPID: 7, NS: sandbox.Namespaces{PID: 100}},
		Containers: []sandbox.Container{
			{ID: "web", NS: sandbox.Namespaces{PID: 200}},
			{ID: "demo/_infra", NS: sandbox.Namespaces{PID: 300}}, {ID: "demo/a", NS: sandbox.Namespaces{PID: 300}},
		},
		Processes: []sandbox.Process{
			{PID: 1}, {PID: 7, PPID: 1}, {PID: 9, PPID: 7, Role: "shell"}, {PID: 20, Container: "web"}, {PID: 31, Container: "demo/a"},
			{PID: 70, PPID: 7, Name: "stage0"}, {PID: 71, PPID: 7, Name: "stage2"},
		},
	}
	for i := range s.Processes {
		s.Processes[i].NS.PID = 100
	}
	s.Processes[6].NS.PID = 200
	m.look(s, false)
	for _, test := range []struct {
		what string
		run  sandbox.Moments
		want string
	}{
		{"one that came and went between two snapshots, in a namespace of one container", kernel(1,
			sandbox.Moment{Kind: "fork", PPID: 40, PID: 41, PIDNS: 200, Name: "sh"}, sandbox.Moment{Kind: "exit", PID: 41, PIDNS: 200, Name: "wget"}),
			"fork sh@web, exit wget@web"},
		{"a child in a shared namespace, by its parent", kernel(3,
			sandbox.Moment{Kind: "fork", PPID: 31, PID: 32, PIDNS: 300, Name: "sh"}, sandbox.Moment{Kind: "exit", PID: 32, PIDNS: 300, Name: "sh"}),
			"fork sh@demo/a, exit sh@demo/a"},
		{"the node's shell", kernel(5, sandbox.Moment{Kind: "fork", PPID: 9, PID: 50, PIDNS: 100, Name: "ps"}), "fork ps@"},
		{"the last stage of an exec, which a snapshot has shown before it was where it belongs", kernel(6,
			sandbox.Moment{Kind: "exec", PID: 71, PIDNS: 200, Name: "wget"}), "exec wget@web"},
		{"threads, by their process: of the agent, and of a container's", kernel(7,
			sandbox.Moment{Kind: "fork", PPID: 7, PID: 55, PIDNS: 100, Thread: true, Name: "agent"},
			sandbox.Moment{Kind: "exit", PPID: 31, PID: 56, PIDNS: 300, Thread: true, Name: "java"}), "fork agent@, exit java@demo/a"},
		{"what the agent forks is held, and what comes after it", kernel(9,
			sandbox.Moment{Kind: "fork", PPID: 7, PID: 60, PIDNS: 100, Name: "agent"}, sandbox.Moment{Kind: "exec", PID: 20, PIDNS: 200, Name: "late"}), ""},
	} {
		out, lost := m.take(test.run)
		if got := told(out); got != test.want || lost != 0 {
			t.Errorf("%s: %q, want %q (lost %d)", test.what, got, test.want, lost)
		}
	}
	s.Time = 95
	s.Processes = append(s.Processes, sandbox.Process{PID: 60, Container: "new"})
	if got := told(m.look(s, false)); got != "fork agent@new, exec late@web" {
		t.Error(got)
	}
}

func TestProbesLeaveNoMoments(t *testing.T) {
	m := newMerger()
	s := &sandbox.Snapshot{Node: sandbox.NodeView{AgentPID: 7}, Processes: []sandbox.Process{{PID: 7}, {PID: 20, Container: "web"}}, Containers: []sandbox.Container{{ID: "web", NS: sandbox.Namespaces{PID: 200}}}}
	m.look(s, false)
	out, _ := m.take(kernel(1,
		sandbox.Moment{Kind: "fork", PPID: 7, PID: 61, Name: "stage0"},
		sandbox.Moment{Kind: "fork", PPID: 61, PID: 62, Name: "stage1"},
		sandbox.Moment{Kind: "fork", PPID: 62, PID: 63, PIDNS: 200, Name: "stage2"},
		sandbox.Moment{Kind: "fork", PPID: 20, PID: 21, PIDNS: 200, Name: "learner"},
		sandbox.Moment{Kind: "exit", PID: 61, Name: "stage0"},
		sandbox.Moment{Kind: "exec", PID: 63, PIDNS: 200, Name: "probe"},
		sandbox.Moment{Kind: "fork", PPID: 63, PID: 64, PIDNS: 200, Name: "child"},
	))
	if len(out) != 0 {
		t.Fatal(told(out))
	}
	s.Time = 1000
	if out := m.look(s, true); len(out) != 0 {
		t.Fatal("not patient:", told(out))
	}
	out, _ = m.take(sandbox.Moments{Items: []sandbox.Moment{{Source: sandbox.SourceAgent, Seq: 1, Kind: sandbox.MomentHidden, PID: 63, Time: 17}}})
	if got := told(append(out, m.release()...)); got != "fork learner@web" {
		t.Fatal(got)
	}
}

// TestEndlessProbesAreForgotten: an agent may name probes that never were.
func TestEndlessProbesAreForgotten(t *testing.T) {
	m := newMerger()
	for i := range 4 * maxOwners {
		m.take(sandbox.Moments{Items: []sandbox.Moment{{Source: sandbox.SourceAgent, Seq: uint64(i + 1), Kind: sandbox.MomentHidden, PID: i + 1}}})
	}
	if len(m.hidden) > maxOwners+1 {
		t.Errorf("%d are remembered", len(m.hidden))
	}
}

// The agent is not asked to look for what its own looking does.
func TestOthersLeavesOutTheAgentsOwnDoing(t *testing.T) {
	m := newMerger()
	m.look(&sandbox.Snapshot{Node: sandbox.NodeView{AgentPID: 7}}, false)
	own := []sandbox.Moment{
		{Kind: sandbox.MomentFork, PID: 20, PPID: 7, Thread: true, Time: 30},
		{Kind: sandbox.MomentSetns, PID: 7, Time: 31},
		{Kind: sandbox.MomentExit, PID: 20, PPID: 7, Thread: true, Time: 32},
	}
	if at := m.others(sandbox.Moments{Items: own}); at != 0 {
		t.Errorf("its own: %d", at)
	}
	child := sandbox.Moment{Kind: sandbox.MomentFork, PID: 21, PPID: 7, Time: 29}
	thread := sandbox.Moment{Kind: sandbox.MomentFork, PID: 23, PPID: 22, Thread: true, Time: 28}
	if at := m.others(sandbox.Moments{Items: append(own, child, thread)}); at != 29 {
		t.Errorf("a child that it made, and another's thread: %d, want 29", at)
	}
}
