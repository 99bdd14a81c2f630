package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/cgroup"
	"podlab/sandbox/internal/sandboxtest"
	"podlab/sandbox/internal/settings"
)

// What a node's control groups promise, on real nodes. Files have other names on cgroup v1 and v2: each test has both, and runs the ones of
// the machine that it is on. scripts/vm runs them where there is v2 alone.

// nodesGroup is a node's group on the host, in the hierarchy of a controller (v1) or in the only one (v2).
func nodesGroup(t *testing.T, d *sandboxtest.Daemon, id, controller string) (dir string, v2 bool) {
	t.Helper()
	tree, err := cgroup.Open((&settings.Settings{Run: d.Run}).Groups())
	if err != nil {
		t.Fatal(err)
	}
	if tree.Unified {
		controller = ""
	}
	return filepath.Join("/sys/fs/cgroup", controller, tree.Path(id)), tree.Unified
}

// limitFiles are all files of a node's own group by which more could be had, or the daemon's grip lost.
var limitFiles = map[bool][]string{
	false: {"memory/memory.limit_in_bytes", "memory/memory.soft_limit_in_bytes", "memory/memory.oom_control", "memory/memory.swappiness",
		"pids/pids.max", "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us", "cpu/cpu.shares", "freezer/freezer.state", "memory/notify_on_release"},
	true: {"memory.max", "memory.high", "memory.low", "memory.min", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.max", "cpu.weight",
		"cgroup.max.descendants", "cgroup.max.depth", "cgroup.freeze", "cgroup.kill", "cgroup.type"},
}

// TestNodesLimitsAreTheHosts writes, as the node's root, into every file of the node's own group that limits it.
func TestNodesLimitsAreTheHosts(t *testing.T) {
	d := sandboxtest.Start(t)
	node := d.Node(t, sandbox.NodeSpec{ID: "n"})
	agent := d.Agent(node)
	_, v2 := nodesGroup(t, d, "n", "memory")
	there := 0
	for _, name := range limitFiles[v2] {
		out, _ := in(t.Context(), t, agent, "", "sh", "-c", fmt.Sprintf(
			"cd /sys/fs/cgroup; [ -e %[1]s ] || { echo absent; exit; }; before=$(cat %[1]s 2>&1); "+
				"for v in max 1 0 99999999999 FROZEN '99999 100000'; do (echo \"$v\" >%[1]s) 2>/dev/null && echo \"took $v\"; done; "+
				"[ \"$before\" = \"$(cat %[1]s 2>&1)\" ] && echo kept", name))
		switch out {
		case "absent\n": // swap and the like: as the kernel was built
		case "kept\n":
			there++
		default:
			t.Errorf("%s: %q", name, out)
		}
	}
	if there < 8 {
		t.Errorf("only %d of the files are there", there)
	}
}

// TestNodeDividesItsGroup has the node's root do what delegation is for (cgroups(7)): make a group, give it a controller and a limit, move
// a process into it, and be held to the limit there.
func TestNodeDividesItsGroup(t *testing.T) {
	d := sandboxtest.Start(t)
	node := d.Node(t, sandbox.NodeSpec{ID: "n"})
	script := "mkdir /sys/fs/cgroup/pids/mine && cd /sys/fs/cgroup/pids/mine"
	if _, v2 := nodesGroup(t, d, "n", "pids"); v2 {
		script = "cd /sys/fs/cgroup && echo +pids +memory >cgroup.subtree_control && mkdir mine && cd mine && echo 64M >memory.max && cat memory.max"
	}
	// Three may be in it: the shell, and two of what it starts. The shell needs no more to tell.
	script += " && echo 3 >pids.max && echo $$ >cgroup.procs && { sleep 9 & sleep 9 & sleep 9 & } 2>&1; read -r n <pids.current; echo now $n"
	out, _ := in(t.Context(), t, d.Agent(node), "", "dash", "-c", script)
	if !strings.Contains(out, "Cannot fork") && !strings.Contains(out, "Resource temporarily unavailable") {
		t.Errorf("a third child beside the shell, of three processes in all: %q", out)
	}
}

const limited = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"restartPolicy":"Never","containers":[
{"name":"hungry","image":"debian","command":["sh","-c","tail /dev/zero"],"resources":{"limits":{"memory":"24Mi"}}},
{"name":"busy","image":"busybox","command":["sh","-c","while :; do :; done"],"resources":{"limits":{"cpu":"50m","memory":"16Mi"}}},
{"name":"few","image":"busybox","command":["sh","-c","sleep 1000"],"resources":{"limits":{"podlab.dev/pids":"24"}}}]}}`

// throttled waits for the agent's word that a container is throttled.
func throttled(ctx context.Context, t *testing.T, agent sandbox.Agent, container string) (out sandbox.Moment) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, sandboxtest.Within(20*time.Second))
	defer cancel()
	told := errors.New("told")
	err := agent.Watch(ctx, nil, func(u sandbox.Update) error {
		if u.Moments == nil {
			return nil
		}
		for _, m := range u.Moments.Items {
			if m.Kind == sandbox.MomentThrottle && m.Container == container {
				out = m
				return told
			}
		}
		return nil
	})
	if !errors.Is(err, told) {
		t.Error(err)
	}
	return out
}

// TestContainersLimits sees each limit of a container bite, and the snapshot tell of it.
func TestContainersLimits(t *testing.T) {
	ctx, agent := newNode(t)
	apply(ctx, t, agent, limited)
	t.Run("memory", func(t *testing.T) {
		s := until(ctx, t, agent, "the kill", func(s sandbox.Snapshot) bool { return find(s, "p/hungry").State == sandbox.StateExited })
		if c := find(s, "p/hungry"); c.Reason != "OOMKilled" || c.ExitCode != 137 {
			t.Errorf("ended by %s with %d", c.Reason, c.ExitCode)
		}
		if other := find(s, "p/busy"); other.State == sandbox.StateExited {
			t.Errorf("another container ended too: %+v", other)
		}
	})
	t.Run("cpu", func(t *testing.T) {
		s := until(ctx, t, agent, "throttling, and the limits", func(s sandbox.Snapshot) bool {
			c := find(s, "p/busy").Usage
			return c.Throttled > 3 && c.CPULimit != 0
		})
		if c := find(s, "p/busy").Usage; c.CPULimit != 50 || c.MemoryLimit != 16<<20 || c.CPU <= 0 || c.Memory <= 0 || c.ThrottledTime <= 0 {
			t.Errorf("%+v", c)
		}
		if m := throttled(ctx, t, agent, "p/busy"); m.Reason != "Began" || m.Pod != "p" || m.Params["periods"] == "" || m.Time == 0 {
			t.Errorf("%+v", m)
		}
	})
	t.Run("read-only", func(t *testing.T) {
		until(ctx, t, agent, "the container", func(s sandbox.Snapshot) bool { return find(s, "p/few").State == sandbox.StateRunning })
		const script = `cd /sys/fs/cgroup; [ ! -d pids ] || cd pids; exec 2>&1; mkdir y; echo 99 >pids.max; echo 1 >cgroup.procs; cat pids.max`
		out, _ := in(ctx, t, agent, "p/few", "sh", "-c", script)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if n := strings.Count(out, "Read-only file system"); n < 3 || lines[len(lines)-1] != "24" {
			t.Errorf("in a container: %q", out)
		}
	})
	t.Run("pids", func(t *testing.T) { // an exec alone takes several: the first stage is a Go program
		out, _ := in(ctx, t, agent, "p/few", "sh", "-c", "trap 'kill $all' EXIT; i=0; while [ $i -lt 60 ]; do sleep 1000 & all=\"$all $!\"; i=$((i+1)); done")
		if !strings.Contains(out, "can't fork") {
			t.Errorf("60 processes where 24 may be: %q", out)
		}
		until(ctx, t, agent, "its limit", func(s sandbox.Snapshot) bool { return find(s, "p/few").Usage.PIDsLimit == 24 })
	})
}

// TestFrozenByTheKernel looks whether the group itself says that a node is frozen: the freezer's state on v1; on v2 cgroup.freeze, which is
// what was asked, and cgroup.events, which is what is.
func TestFrozenByTheKernel(t *testing.T) {
	d := sandboxtest.Start(t)
	node := d.Node(t, sandbox.NodeSpec{ID: "n"})
	ctx, agent := t.Context(), d.Agent(node)
	until(ctx, t, agent, "an answer", func(sandbox.Snapshot) bool { return true })
	dir, v2 := nodesGroup(t, d, "n", "freezer")
	says := func(file, want string) {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || !slices.Contains(strings.Split(strings.TrimSpace(string(data)), "\n"), want) {
			t.Errorf("%s: %q %v, want %q", file, data, err, want)
		}
	}
	if err := d.Freeze(ctx, "n"); err != nil {
		t.Fatal(err)
	}
	if v2 {
		says("cgroup.freeze", "1")
		says("cgroup.events", "frozen 1")
	} else {
		says("freezer.state", "FROZEN")
	}
	if err := d.Thaw(ctx, "n"); err != nil {
		t.Fatal(err)
	}
	if v2 {
		says("cgroup.freeze", "0")
	} else {
		says("freezer.state", "THAWED")
	}
	if _, err := agent.Snapshot(ctx); err != nil {
		t.Errorf("thawed: %v", err)
	}
}
