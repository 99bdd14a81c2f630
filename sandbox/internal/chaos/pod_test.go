package chaos

import (
	"context"
	"errors"
	"fmt"
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

const demo = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"demo"},"spec":{
"volumes":[{"name":"disk","emptyDir":{}},{"name":"ram","emptyDir":{"medium":"Memory"}}],"containers":[
{"name":"web","image":"busybox","command":["sh","-c","while true; do date; sleep 0.2; done"],"volumeMounts":[{"name":"disk","mountPath":"/disk"}]},
{"name":"side","image":"busybox","command":["sleep","1000"],"volumeMounts":[{"name":"ram","mountPath":"/ram"}]}]}}`

// inNode lists what there is in a node, seen from the host: processes, mounts, groups, interfaces, directories of pods.
func inNode(t testing.TB, d *sandboxtest.Daemon, node sandbox.Node) (found []string) {
	t.Helper()
	for _, p := range descendants(node.PID) {
		if !strings.Contains(p.name, "podlab-node agent") {
			found = append(found, "process "+strconv.Itoa(p.pid)+" "+p.name)
		}
	}
	proc := fmt.Sprintf("/proc/%d", node.PID)
	for _, at := range mounts(node.PID) {
		found = append(found, "mount "+at)
	}
	tree := groups(t, d)
	for _, hierarchy := range tree.Hierarchies {
		base := filepath.Join(hierarchy, tree.Path(node.Spec.ID))
		for _, pattern := range []string{"pods/*", "containers/*"} {
			dirs, _ := filepath.Glob(filepath.Join(base, pattern))
			for _, dir := range dirs {
				if info, err := os.Stat(dir); err == nil && info.IsDir() {
					found = append(found, "group "+dir)
				}
			}
		}
	}
	links, err := os.ReadFile(filepath.Join(proc, "net", "dev"))
	must(t, err)
	for line := range strings.Lines(string(links)) {
		if name, _, ok := strings.Cut(line, ":"); ok {
			found = append(found, "interface "+strings.TrimSpace(name))
		}
	}
	for _, pattern := range []string{"var/lib/podlab/disk/pods/*", "var/lib/podlab/disk/containers/*", "run/podlab/agent/engine/*/*"} {
		names, _ := filepath.Glob(filepath.Join(proc, "root", pattern))
		found = append(found, names...)
	}
	return found
}

// asBefore waits until there is nothing in the node that was not there before.
func asBefore(t testing.TB, d *sandboxtest.Daemon, node sandbox.Node, before []string, when string) {
	t.Helper()
	for end := time.Now().Add(settle); ; time.Sleep(10 * time.Millisecond) {
		more := slices.DeleteFunc(inNode(t, d, node), func(what string) bool { return slices.Contains(before, what) })
		if len(more) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: left in the node:\n%s", when, strings.Join(more, "\n"))
		}
	}
}

// until looks at a node, over deaths of its agent, until fn is content.
func until(ctx context.Context, agent sandbox.Agent, fn func(*sandbox.Snapshot) bool) error {
	for {
		s, err := agent.Snapshot(ctx)
		if err == nil && fn(&s) {
			return nil
		}
		if err != nil && sandbox.CodeOf(err) != sandbox.CodeUnavailable {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func running(s *sandbox.Snapshot) bool {
	n := 0
	for _, c := range s.Containers {
		if c.State == sandbox.StateRunning {
			n++
		}
	}
	return n == 3
}

func noPods(s *sandbox.Snapshot) bool { return len(s.Pods) == 0 && len(s.Containers) == 0 }

// untilAway calls again while the agent is being started again.
func untilAway(ctx context.Context, call func() error) error {
	for {
		err := call()
		if sandbox.CodeOf(err) != sandbox.CodeUnavailable || ctx.Err() != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// life is a pod's on one node: made and removed over deaths of the agent.
type life struct {
	*testing.T
	d     *sandboxtest.Daemon
	node  sandbox.Node
	agent sandbox.Agent
}

func (l life) apply(ctx context.Context) error {
	_, err := l.agent.Apply(ctx, [][]byte{[]byte(demo)})
	return err
}

func (l life) remove(ctx context.Context) error {
	err := l.agent.Delete(ctx, sandbox.Ref{Kind: "Pod", Name: "demo"}, 0)
	if sandbox.CodeOf(err) == sandbox.CodeNotFound {
		return nil
	}
	return err
}

// run makes the pod, unless it is there, and waits until it runs.
func (l life) run(when string) {
	l.Helper()
	err := bounded(l, when, func(ctx context.Context) error {
		return errors.Join(untilAway(ctx, func() error { return l.apply(ctx) }), until(ctx, l.agent, running))
	})
	if err != nil {
		l.Fatalf("%s: running: %v", when, err)
	}
}

// end removes the pod and waits until it is gone.
func (l life) end(when string) {
	l.Helper()
	err := bounded(l, when, func(ctx context.Context) error {
		return errors.Join(untilAway(ctx, func() error { return l.remove(ctx) }), until(ctx, l.agent, noPods))
	})
	if err != nil {
		l.Fatalf("%s: removing: %v", when, err)
	}
}

// interrupted calls do and kills the agent some time after. The next agent must answer.
func (l life) interrupted(when string, at time.Duration, do func(context.Context) error) {
	l.Helper()
	done := make(chan error, 1)
	go func() { done <- bounded(l, when, do) }()
	time.Sleep(at)
	if kill(l.d.PID(), agentNames...) == 0 { // a child that it just forked is called as it is
		l.Errorf("%s: no agent to kill", when)
	}
	<-done // an answer, or the word that the agent is away
	must(l, bounded(l, when, func(ctx context.Context) error { return answers(ctx, l.d, l.node) }))
}

// TestKillAgentAroundAPod kills the agent at many moments of a pod's creation and of its deletion. The next one goes on with what the last
// one was told, and nothing of the pod is left in the node once it is deleted.
func TestKillAgentAroundAPod(t *testing.T) {
	d := sandboxtest.Start(t)
	on := func(what string, end time.Duration, fn func(l life, when string, at time.Duration)) {
		sweep(end, func(at time.Duration) {
			node := d.Node(t, sandbox.NodeSpec{ID: "n"}) // a new one: node init starts an agent that dies young only after a pause
			l := life{t, d, node, d.Agent(node)}
			l.run("first")
			l.end("first")
			before := inNode(t, d, node)
			when := fmt.Sprintf("agent killed %v after %s", at, what)
			fn(l, when, at)
			asBefore(t, d, node, before, when)
			must(t, d.Destroy(t.Context(), "n"))
		})
	}
	on("a pod was applied", createEnd, func(l life, when string, at time.Duration) {
		l.interrupted(when, at, l.apply)
		l.run(when)
		l.end(when)
	})
	on("a pod's deletion began", deleteEnd, func(l life, when string, at time.Duration) {
		l.run(when)
		l.interrupted(when, at, l.remove)
		l.end(when)
	})
}
