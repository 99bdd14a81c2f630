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

var errSeen = errors.New("seen")

// until watches a node, over deaths of its agent, until fn is content.
func until(ctx context.Context, agent sandbox.Agent, fn func(*sandbox.Snapshot) bool) error {
	for {
		err := agent.Watch(ctx, nil, func(u sandbox.Update) error {
			if u.Snapshot != nil && fn(u.Snapshot) {
				return errSeen
			}
			return nil
		})
		if errors.Is(err, errSeen) {
			return nil
		}
		if sandbox.CodeOf(err) != sandbox.CodeUnavailable {
			return err
		}
		time.Sleep(10 * time.Millisecond)
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

// TestKillAgentWhilePodStarts kills the agent at many moments of a pod's creation and of its deletion. The next one goes on with what the
// last one was told, and nothing of the pod is left once it is deleted.
func TestKillAgentAroundAPod(t *testing.T) {
	d := sandboxtest.Start(t)
	node := d.Node(t, sandbox.NodeSpec{ID: "n"})
	agent := d.Agent(node)
	ref := sandbox.Ref{Kind: "Pod", Name: "demo"}
	once := func(when string, at time.Duration, do func(context.Context) error, before []string) {
		t.Helper()
		done := make(chan error, 1)
		go func() { done <- bounded(t, when, do) }()
		time.Sleep(at)
		// Node init starts one that died young only after a pause: 5 s at most.
		if kill(d.PID(), agentNames...) != 1 {
			t.Errorf("%s: no agent to kill", when)
		}
		<-done // an answer, or the word that the agent is away
		must(t, bounded(t, when, func(ctx context.Context) error { return answers(ctx, d, node) }))
		if before != nil {
			asBefore(t, d, node, before, when)
		}
	}
	apply := func(ctx context.Context) error {
		_, err := agent.Apply(ctx, [][]byte{[]byte(demo)})
		return err
	}
	remove := func(ctx context.Context) error { return agent.Delete(ctx, ref, 0) }
	run := func(when string) {
		t.Helper()
		err := bounded(t, when, func(ctx context.Context) error {
			return errors.Join(untilAway(ctx, func() error { return apply(ctx) }), until(ctx, agent, running))
		})
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
	}
	gone := func(when string) {
		t.Helper()
		err := bounded(t, when, func(ctx context.Context) error {
			err := untilAway(ctx, func() error { return remove(ctx) })
			if sandbox.CodeOf(err) == sandbox.CodeNotFound {
				err = nil
			}
			return errors.Join(err, until(ctx, agent, noPods))
		})
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
	}
	run("first")
	gone("first")
	before := inNode(t, d, node)
	sweep(createEnd, func(at time.Duration) {
		when := fmt.Sprintf("agent killed %v after a pod was applied", at)
		once(when, at, apply, nil)
		run(when)
		gone(when)
		asBefore(t, d, node, before, when)
	})
	sweep(deleteEnd, func(at time.Duration) {
		when := fmt.Sprintf("agent killed %v after a pod's deletion began", at)
		run(when)
		once(when, at, remove, nil)
		gone(when)
		asBefore(t, d, node, before, when)
	})
}
