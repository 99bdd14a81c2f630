package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
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

// TestAgentRests: an agent that nobody uses ends, and is back with the first call; nothing on the node notices.
func TestAgentRests(t *testing.T) {
	ctx, agent := newNode(t)
	apply(ctx, t, agent, demo)
	before := until(ctx, t, agent, "the pod", func(s sandbox.Snapshot) bool {
		return find(s, "demo/web").State == sandbox.StateRunning && find(s, "demo/side").State == sandbox.StateRunning
	})
	term := attach(ctx, t, agent, "node", "node")
	typed(t, term, "V=kept; echo $((40+2))\r")
	read(t, term, "42\r\n")
	if rests, err := agent.Rest(ctx); rests || err != nil {
		t.Fatalf("rests while a terminal is attached: %v, %v", rests, err)
	}
	_ = term.Close()
	rest(ctx, t, agent)
	called := time.Now()
	after, err := agent.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("back after %v", time.Since(called).Round(time.Millisecond))
	if after.Agent == before.Agent {
		t.Error("the same life goes on")
	}
	for _, id := range []string{"demo/_infra", "demo/web", "demo/side"} {
		if a, b := find(before, id), find(after, id); a.PID != b.PID || a.Started != b.Started || b.Restarts != 0 {
			t.Errorf("%s: was %+v, is %+v", id, a, b)
		}
	}
	term = attach(ctx, t, agent, "node", "node")
	typed(t, term, "echo $V\r")
	read(t, term, "kept\r\n")
	_ = term.Close()

	// While a pod goes, which takes its grace period here, somebody has to see to that. The call itself is over.
	going, cancel := context.WithCancel(ctx)
	ended := make(chan error)
	go func() { ended <- agent.Delete(going, sandbox.Ref{Kind: "Pod", Name: "demo"}, 30) }()
	until(ctx, t, agent, "deletion", func(s sandbox.Snapshot) bool { return len(s.Pods) == 1 && s.Pods[0].Metadata.DeletionTimestamp != "" })
	cancel()
	<-ended
	if rests, err := agent.Rest(ctx); rests || err != nil {
		t.Errorf("rests while a pod goes: %v, %v", rests, err)
	}
}

// rest lets the agent rest as soon as it has learned that earlier calls are over.
func rest(ctx context.Context, t *testing.T, agent sandbox.Agent) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, sandboxtest.Within(10*time.Second))
	defer cancel()
	for {
		rests, err := agent.Rest(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if rests {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestAgentRestsForATime: without a call, too, an agent comes back: somebody has to look after the node.
func TestAgentRestsForATime(t *testing.T) {
	d := sandboxtest.Start(t)
	node := d.Node(t, sandbox.NodeSpec{})
	agent := func() (pids string) {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", node.PID))
		if err != nil || len(threads) == 0 {
			t.Fatal(err, threads)
		}
		for _, thread := range threads {
			children, _ := os.ReadFile(thread) // which may have ended
			pids += string(children)
		}
		return pids
	}
	before := agent()
	rest(t.Context(), t, d.Agent(node))
	began := time.Now()
	wait := func(what string, over func() bool) {
		for !over() {
			if time.Since(began) > sandboxtest.Within(2*sandbox.RestTime) {
				t.Fatalf("the agent is not %s", what)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	wait("gone", func() bool { return agent() == "" }) // node init reaps it when its memory is free already
	wait("back", func() bool { return agent() != "" })
	if slept := time.Since(began); slept < sandbox.RestTime/2 || agent() == before {
		t.Errorf("back after %v as %s, was %s", slept, agent(), before)
	}
}
