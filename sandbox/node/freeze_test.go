package main

import (
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// TestProbesWhileFrozen: a check that is under way when its node is frozen does not count against its container.
func TestProbesWhileFrozen(t *testing.T) {
	d := sandboxtest.Start(t)
	node := d.Node(t, sandbox.NodeSpec{})
	agent := d.Agent(node)
	apply(t.Context(), t, agent, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"terminationGracePeriodSeconds":1,"containers":[
		{"name":"a","image":"busybox","command":["sleep","3600"],"livenessProbe":{"exec":{"command":["sh","-c","touch /begun; sleep 2; rm /begun"]},"timeoutSeconds":4,"periodSeconds":3,"failureThreshold":1}}]}}`)
	until(t.Context(), t, agent, "the pod", func(s sandbox.Snapshot) bool { return find(s, "p/a").State == sandbox.StateRunning })
	for _, exit := in(t.Context(), t, agent, "p/a", "ls", "/begun"); exit.Code != 0; _, exit = in(t.Context(), t, agent, "p/a", "ls", "/begun") {
		time.Sleep(10 * time.Millisecond)
	}
	if err := d.Freeze(t.Context(), node.Spec.ID); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Second) // longer than the check may take, and than a busy machine could make it
	if err := d.Thaw(t.Context(), node.Spec.ID); err != nil {
		t.Fatal(err)
	}
	// What comes next is a whole check: it has to succeed on the same run.
	for seen := 0; seen < 2; time.Sleep(100 * time.Millisecond) {
		if _, exit := in(t.Context(), t, agent, "p/a", "ls", "/begun"); exit.Code == 0 != (seen%2 == 0) {
			continue
		}
		seen++
	}
	if c := find(until(t.Context(), t, agent, "the container", func(sandbox.Snapshot) bool { return true }), "p/a"); c.Restarts != 0 {
		t.Errorf("restarted %d times", c.Restarts)
	}
}
