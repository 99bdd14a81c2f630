package warm

import (
	"testing"

	"podlab/sandbox"
)

func TestWhatMoves(t *testing.T) {
	web := sandbox.Container{ID: "demo/web", State: sandbox.StateRunning, PID: 7}
	with := func(change func(*sandbox.Container)) []sandbox.Container {
		c := web
		change(&c)
		return []sandbox.Container{c}
	}
	for name, c := range map[string]struct {
		since, now []sandbox.Container
		want       bool
	}{
		"nothing":         {nil, nil, false},
		"stands":          {[]sandbox.Container{web}, []sandbox.Container{web}, false},
		"came":            {nil, []sandbox.Container{web}, false},
		"waited for":      {with(func(c *sandbox.Container) { c.State, c.PID = sandbox.StateWaiting, 0 }), []sandbox.Container{web}, false},
		"ended":           {[]sandbox.Container{web}, with(func(c *sandbox.Container) { c.State, c.PID = sandbox.StateExited, 0 }), true},
		"came and ended":  {nil, with(func(c *sandbox.Container) { c.State, c.PID = sandbox.StateExited, 0 }), true},
		"restarted":       {[]sandbox.Container{web}, with(func(c *sandbox.Container) { c.Restarts, c.PID = 1, 9 }), true},
		"came, restarted": {nil, with(func(c *sandbox.Container) { c.Restarts = 1 }), true},
		"another process": {[]sandbox.Container{web}, with(func(c *sandbox.Container) { c.PID = 9 }), true},
		"went":            {[]sandbox.Container{web}, nil, true},
		"had ended": {
			with(func(c *sandbox.Container) { c.State, c.PID = sandbox.StateExited, 0 }),
			with(func(c *sandbox.Container) { c.State, c.PID = sandbox.StateExited, 0 }), false,
		},
	} {
		if got := moved(&sandbox.Snapshot{Containers: c.since}, &sandbox.Snapshot{Containers: c.now}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestWhatIsUp(t *testing.T) {
	pod := func(phase, ready string) *sandbox.Snapshot {
		return &sandbox.Snapshot{Pods: []sandbox.Pod{{Status: sandbox.PodStatus{
			Phase: phase, Conditions: []sandbox.PodCondition{{Type: "Ready", Status: ready}},
		}}}}
	}
	for name, c := range map[string]struct {
		s    *sandbox.Snapshot
		want bool
	}{
		"nothing":   {&sandbox.Snapshot{}, true},
		"ready":     {pod("Running", "True"), true},
		"not ready": {pod("Running", "False"), false},
		"pending":   {pod("Pending", "False"), false},
		"done":      {pod("Succeeded", "False"), true},
		"waiting":   {&sandbox.Snapshot{Containers: []sandbox.Container{{State: sandbox.StateWaiting}}}, false},
	} {
		if got := isUp(c.s); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
