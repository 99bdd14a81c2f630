package main

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// TestSpareIsAsNew: a node that was made ahead has rehearsed, and what shows it is what the end of any pod leaves: pids that are taken, an
// empty group of pods, a bridge that knows that nothing is plugged in.
func TestSpareIsAsNew(t *testing.T) {
	d := sandboxtest.Start(t, sandboxtest.Args("--spares", "1"))
	for end := time.Now().Add(sandboxtest.Within(20 * time.Second)); !strings.Contains(d.Said(), `msg="spare node"`); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("there is no spare")
		}
	}
	given := d.Node(t, sandbox.NodeSpec{ID: "given"})
	made := d.Node(t, sandbox.NodeSpec{ID: "made", Memory: 300 << 20})
	if !strings.Contains(given.Socket, "/_") || strings.Contains(made.Socket, "/_") {
		t.Fatalf("a spare at %s, a node at %s", given.Socket, made.Socket)
	}
	look := func(n sandbox.Node, script string) string {
		out, exit := in(t.Context(), t, d.Agent(n), "", "sh", "-c", script)
		if exit.Code != 0 {
			t.Fatalf("%s: %+v %s", script, exit, out)
		}
		lines := strings.Split(strings.TrimSpace(out), "\n")
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
	for what, script := range map[string]string{
		"files":          "find /run/podlab /var/lib/podlab/disk -path '*/execs/*' -prune -o -print",
		"mounts":         "cut -d ' ' -f 2 /proc/mounts",
		"control groups": "find /sys/fs/cgroup -type d ! -name pods",
		"interfaces":     "ls /sys/class/net",
		"routes":         "ip route | sed 's/ linkdown//'",
		"programs":       "for file in /proc/[0-9]*/comm; do read -r name <$file; echo $name; done",
	} {
		if a, b := look(given, script), look(made, script); a != b {
			t.Errorf("%s of a spare:\n%s\nof a node:\n%s", what, a, b)
		}
	}
	pid := func(n sandbox.Node) int {
		pid, err := strconv.Atoi(look(n, "echo $$"))
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
	if a, b := pid(given), pid(made); a < b+5 {
		t.Errorf("it has not rehearsed: pid %d, and %d on another node", a, b)
	}
	first := errors.New("first")
	err := d.Moments(t.Context(), "given", 0, func(m sandbox.Moments) error {
		if m.Lost != 0 || m.Items[0].Seq != 1 {
			t.Errorf("%d lost before the first moment of the kernel, %+v", m.Lost, m.Items[0])
		}
		return first
	})
	if !errors.Is(err, first) {
		t.Error(err)
	}
	err = d.Agent(given).Watch(t.Context(), nil, func(u sandbox.Update) error {
		if u.Moments == nil {
			return nil
		}
		if len(u.Moments.Items) != 1 || u.Moments.Items[0].Kind != sandbox.MomentAgent {
			t.Errorf("the agent tells %+v", u.Moments.Items)
		}
		return first
	})
	if !errors.Is(err, first) {
		t.Error(err)
	}
}
