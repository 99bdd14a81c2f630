package fake_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/fake"
)

const twoContainers = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"two-containers"},"spec":{"restartPolicy":"Never",
"volumes":[{"name":"shared-data","hostPath":{"path":"/data"}}],
"containers":[{"name":"nginx-container","image":"nginx","volumeMounts":[{"name":"shared-data","mountPath":"/usr/share/nginx/html"}]},
{"name":"debian-container","image":"debian","volumeMounts":[{"name":"shared-data","mountPath":"/pod-data"}],"command":["/bin/sh"],
"args":["-c","echo hello from the debian container > /pod-data/index.html"]}]}}`

func newNode(t *testing.T) (context.Context, *fake.Nodes, sandbox.Agent) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	nodes := fake.New()
	node, err := nodes.Create(ctx, sandbox.NodeSpec{ID: "one"})
	if err != nil {
		t.Fatal(err)
	}
	return ctx, nodes, nodes.Agent(node)
}

func TestPodAppears(t *testing.T) {
	ctx, _, agent := newNode(t)
	if _, err := agent.Apply(ctx, [][]byte{[]byte(twoContainers)}); err != nil {
		t.Fatal(err)
	}
	s, err := agent.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Containers) != 3 || s.Containers[0].Kind != sandbox.KindInfra {
		t.Fatalf("containers: %+v", s.Containers)
	}
	infra, nginx, debian := s.Containers[0], s.Containers[1], s.Containers[2]
	if nginx.NS.Net != infra.NS.Net || nginx.NS.Mnt == infra.NS.Mnt || nginx.NS.PID == infra.NS.PID {
		t.Errorf("nginx shares net only: %+v, infra %+v", nginx.NS, infra.NS)
	}
	if debian.State != sandbox.StateExited || debian.Reason != "Completed" {
		t.Errorf("debian: %s %s", debian.State, debian.Reason)
	}
	if len(s.Volumes) != 1 || len(s.Volumes[0].Files) != 1 || s.Volumes[0].Files[0].Path != "index.html" {
		t.Errorf("volumes: %+v", s.Volumes)
	}
	if s.Pods[0].Status.Phase != "Running" {
		t.Errorf("phase %s", s.Pods[0].Status.Phase)
	}
	if _, err := json.Marshal(s); err != nil {
		t.Error(err)
	}
}

func TestWatchShowsExitAndRestart(t *testing.T) {
	ctx, nodes, agent := newNode(t)
	if _, err := agent.Apply(ctx, [][]byte{[]byte(strings.Replace(twoContainers, "Never", "Always", 1))}); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("seen")
	first := true
	err := agent.Watch(ctx, nil, func(u sandbox.Update) error {
		if first {
			first = false
			nodes.Node("one").Exit("two-containers/nginx-container", sandbox.Exit{Code: 137, Signal: 9})
		}
		if u.Snapshot.Containers[1].Restarts == 1 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	err = nodes.Moments(ctx, "one", 0, func(ms sandbox.Moments) error {
		for _, m := range ms.Items {
			if m.Kind == sandbox.MomentExit && m.Signal == 9 {
				return stop
			}
		}
		return nil
	})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
}

func TestTerminalEchoesAndReplays(t *testing.T) {
	ctx, nodes, agent := newNode(t)
	open := func() sandbox.Terminal {
		term, err := agent.Terminal(ctx, sandbox.TerminalSpec{ID: "node", Target: "node", Size: sandbox.Size{Cols: 80, Rows: 24}})
		if err != nil {
			t.Fatal(err)
		}
		return term
	}
	one := open()
	if _, err := io.WriteString(one, "echo hi\r"); err != nil {
		t.Fatal(err)
	}
	nodes.Node("one").Restart()
	if _, err := io.ReadAll(one); sandbox.CodeOf(err) != sandbox.CodeUnavailable {
		t.Fatalf("after a restart of the agent: %v", err)
	}
	two := open()
	screen := make([]byte, two.Replay())
	if _, err := io.ReadFull(two, screen); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(screen, []byte("echo hi\r\nhi\r\n")) {
		t.Errorf("screen: %q", screen)
	}
	if _, err := io.WriteString(two, "exit\r"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(two); err != nil {
		t.Fatal(err)
	}
	if exit, ok := two.Exit(); !ok || exit.Code != 0 {
		t.Errorf("exit %+v %v", exit, ok)
	}
}

func TestVanishedNode(t *testing.T) {
	ctx, nodes, agent := newNode(t)
	go nodes.Vanish("one")
	err := nodes.Moments(ctx, "one", 0, func(sandbox.Moments) error { return nil })
	if sandbox.CodeOf(err) != sandbox.CodeNodeGone {
		t.Errorf("moments: %v", err)
	}
	if _, err := agent.Snapshot(ctx); err == nil {
		t.Error("snapshot of a node that is gone")
	}
}
