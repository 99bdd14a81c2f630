// Package golden makes frames by hand that show every state of the page: view tests and the development page read them from
// web/testdata/frames. The numbers are made up, the shapes are those of a real node.
package golden

import (
	"podlab/labs"
	"podlab/sandbox"
)

// Now is the server's clock in every frame, Unix milliseconds; Boot is when the machine started, two hours before.
const (
	Now  = 1_764_000_000_000
	Boot = Now - 2*3600*1000
	at   = 2 * 3600 * 1_000_000 // Now in microseconds since boot
)

// All returns the frames by name. Each is a list: what the live socket sends, one after the other.
func All() map[string][]labs.Frame {
	return map[string][]labs.Frame{
		"none":     {idle(labs.PhaseNone)},
		"starting": {starting()},
		"queued":   {queued()},
		"gone":     {gone()},
		"ended":    {idle(labs.PhaseEnded)},
		"other":    {other()},
		"sides":    {Sides()},
		"plain":    {plain()},
		"volumes":  {Volumes()},
		"many":     {Many(300)},
		"crowd":    {crowd()},
		"hostile":  {hostile()},
		"roles":    {Roles()},
		"sockets":  {Sockets()},
		"change":   Change(),
	}
}

func idle(phase string) labs.Frame {
	return labs.Frame{Now: Now, Boot: Boot, Tracer: "ebpf", Session: labs.SessionView{
		Lab: "sample", Step: "share", Phase: phase, StepsDone: []string{"start", "look", "join"},
		Checks:      []labs.CheckState{{ID: "inodes", State: labs.CheckPending}, {ID: "localhost", State: labs.CheckPending}, {ID: "hostname", State: labs.CheckPending}},
		Predictions: []labs.PredictionState{{ID: "after-join"}},
		Reached:     []string{},
	}}
}

func starting() labs.Frame {
	f := idle(labs.PhaseStarting)
	f.Session.Stage = labs.StageSetup
	return f
}

func queued() labs.Frame {
	f := idle(labs.PhaseQueued)
	f.Session.Place = 3
	return f
}

func gone() labs.Frame {
	f := idle(labs.PhaseGone)
	f.Session.Error = sandbox.Errorf(sandbox.CodeNodeGone, "node", "n-1")
	return f
}

func other() labs.Frame {
	f := idle(labs.PhaseNone)
	f.Session.OtherLab = "3.3-shared-volumes"
	return f
}

// ready is a session with a node that has been up for 38 minutes of 60.
func ready() labs.Frame {
	f := idle(labs.PhaseReady)
	f.Session.Generation = 1
	f.Session.Started = Now - 38*60_000
	f.Session.Deadline = Now + 22*60_000
	f.Session.Extendable = true
	return f
}

// Sides is the mock-up's moment: two containers on the left, a pod with the same two on the right.
func Sides() labs.Frame {
	f := ready()
	f.Session.Checks = []labs.CheckState{
		{ID: "inodes", State: labs.CheckPassed, At: Now - 60_000},
		{ID: "localhost", State: labs.CheckPassed, At: Now - 20_000},
		{ID: "hostname", State: labs.CheckPending, Found: map[string]string{"web": "demo", "cache": "demo"}},
	}
	f.Session.Predictions = []labs.PredictionState{{ID: "after-join", Answer: "other", Outcome: "same", Seen: map[string]string{"web": "4026532412", "pause": "4026532412"}}}
	f.Session.Reached = []string{"joined"}
	n := node()
	n.plainPair()
	n.pod("demo", 409, 2402)
	n.zombie()
	n.wire()
	f.Snapshot = &n.Snapshot
	f.Moments = moments()
	return f
}

// plain is a node before its first pod.
func plain() labs.Frame {
	f := ready()
	n := node()
	n.plainPair()
	n.wire()
	f.Snapshot = &n.Snapshot
	return f
}

// Many has a pod with so many processes.
func Many(processes int) labs.Frame {
	f := ready()
	n := node()
	n.pod("demo", 409, 2402)
	web := n.container("demo/web")
	for i := range processes {
		pid := 3000 + i
		parent := web.PID
		if i%7 == 3 {
			parent = pid - 1
		}
		n.process(web, pid, parent, 20+i, []string{"sleep", "sh", "worker"}[i%3], "S")
	}
	n.wire()
	f.Snapshot = &n.Snapshot
	return f
}

// crowd has eight containers with names as people give them, and two pods.
func crowd() labs.Frame {
	f := ready()
	n := node()
	n.pod("demo", 409, 2402)
	n.pod("payments-api", 509, 2602)
	for i, name := range []string{"frontend-proxy", "session-store", "thumbnail-worker", "search-indexer", "mail-gateway", "metrics-exporter"} {
		n.plain(name, uint64(600+i*7), 2800+i*10)
	}
	n.wire()
	f.Snapshot = &n.Snapshot
	return f
}
