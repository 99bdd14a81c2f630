package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"podlab/sandbox"
)

func benchNode(ctx context.Context, b *bench) error {
	var create, destroy times
	for i := range b.rounds {
		id := fmt.Sprintf("bench-node-%d", i)
		start := time.Now()
		n, _, err := b.host.node(ctx, id)
		if err != nil {
			return err
		}
		if _, err := b.host.daemon.Agent(n).Snapshot(ctx); err != nil {
			return err
		}
		create = append(create, time.Since(start))
		start = time.Now()
		if err := b.host.daemon.Destroy(ctx, id); err != nil {
			return err
		}
		destroy = append(destroy, time.Since(start))
	}
	create.print("node.created")
	destroy.print("node.destroyed")
	return nil
}

// podManifest is a pod of two containers that do nothing.
func podManifest(name string) []byte {
	return fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q},"spec":{"terminationGracePeriodSeconds":0,"containers":[
		{"name":"web","image":"busybox","command":["sleep","3600"]},{"name":"logger","image":"busybox","command":["sleep","3600"]}]}}`, name)
}

func benchPod(ctx context.Context, b *bench) error {
	n, destroy, err := b.host.node(ctx, "bench-pod")
	if err != nil {
		return err
	}
	defer destroy()
	agent := b.host.daemon.Agent(n)
	cpu, err := meterOf(n.PID)
	if err != nil {
		return err
	}
	before, err := cpu.read()
	if err != nil {
		return err
	}
	var ready, gone times
	for i := range b.rounds {
		name := fmt.Sprintf("demo-%d", i)
		start := time.Now()
		if err := applyReady(ctx, agent, name); err != nil {
			return err
		}
		ready = append(ready, time.Since(start))
		start = time.Now()
		if err := agent.Delete(ctx, sandbox.Ref{Kind: sandbox.ManifestPod, Name: name}, 0); err != nil {
			return err
		}
		gone = append(gone, time.Since(start))
	}
	after, err := cpu.read()
	if err != nil {
		return err
	}
	ready.print("pod.ready")
	gone.print("pod.deleted")
	figure("pod.cpu", (after-before).Seconds()*1e3/float64(b.rounds), "ms") // of a start and a deletion, in the node
	return nil
}

var errReady = errors.New("ready")

// applyReady applies the pod and returns when the agent has told that all its containers have started. It watches from before, as a
// page does. Snapshots come at a pace of their own and would time that instead.
func applyReady(ctx context.Context, agent sandbox.Agent, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	watching := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		first, started := true, 0
		done <- agent.Watch(ctx, nil, func(u sandbox.Update) error {
			if first {
				first = false
				close(watching)
			}
			if started += startedIn(u.Moments, name); started == 3 {
				return errReady
			}
			return nil
		})
	}()
	select {
	case <-watching:
	case err := <-done:
		return fmt.Errorf("watch: %w", err)
	}
	if _, err := agent.Apply(ctx, [][]byte{podManifest(name)}); err != nil {
		return err
	}
	if err := <-done; !errors.Is(err, errReady) {
		return fmt.Errorf("pod %s: %w", name, err)
	}
	return nil
}

// startedIn counts the containers of the pod, infra among them, that the moments say have started.
func startedIn(m *sandbox.Moments, pod string) (n int) {
	if m == nil {
		return 0
	}
	for _, moment := range m.Items {
		if moment.Kind == sandbox.MomentContainer && moment.Reason == "Started" && moment.Pod == pod {
			n++
		}
	}
	return n
}

func benchExec(ctx context.Context, b *bench) error {
	n, destroy, err := b.host.node(ctx, "bench-exec")
	if err != nil {
		return err
	}
	defer destroy()
	agent := b.host.daemon.Agent(n)
	if err := applyReady(ctx, agent, "demo"); err != nil {
		return err
	}
	var t times
	for range b.rounds {
		start := time.Now()
		exit, err := agent.Exec(ctx, sandbox.ExecSpec{Container: "demo/web", Argv: []string{"true"}}, sandbox.Streams{})
		if err != nil || exit.Code != 0 {
			return fmt.Errorf("exit %+v: %w", exit, err)
		}
		t = append(t, time.Since(start))
	}
	t.print("exec")
	return nil
}
