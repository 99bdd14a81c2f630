package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/client"
)

const watching = 20 * time.Second // how long processor time is counted

// benchIdle makes learners' nodes with a pod each, lets their agents rest and freezes them, as labs do after five minutes: what they cost of
// the whole host's memory, and how much of a core they and the daemon take, before and then.
func benchIdle(ctx context.Context, b *bench) error {
	daemon, stop, err := b.ownDaemon(ctx, "idle", "--spares", "0", "--max-nodes", strconv.Itoa(b.idlers+1))
	if err != nil {
		return err
	}
	defer stop()
	var nodes []sandbox.Node
	before := 0
	for i := range b.idlers + 1 {
		if i == 1 { // what all share, the first has paid for
			before = available()
		}
		node, err := daemon.Create(ctx, sandbox.NodeSpec{ID: fmt.Sprintf("idle%d", i)})
		if err != nil {
			return err
		}
		if err := applyReady(ctx, daemon.Agent(node), "demo"); err != nil {
			return err
		}
		nodes = append(nodes, node)
	}
	time.Sleep(5 * time.Second) // what starting took is given back
	figure("idle.learners", float64(b.idlers), "nodes")
	figure("idle.awake.memory", float64(before-available())/float64(b.idlers)*1024/1e6, "MB")
	charged, err := charged(ctx, daemon, nodes)
	if err != nil {
		return err
	}
	figure("idle.awake.memory.charged", charged/1e6, "MB")
	if err := processes(ctx, daemon, "idle.awake.memory.processes"); err != nil {
		return err
	}
	figure("idle.awake.cpu", cores()*100, "%")
	if err := freeze(ctx, daemon, nodes[1:]...); err != nil { // the first was not counted awake either
		return err
	}
	figure("idle.memory", float64(before-available())/float64(b.idlers)*1024/1e6, "MB")
	if err := freeze(ctx, daemon, nodes[0]); err != nil {
		return err
	}
	if err := processes(ctx, daemon, "idle.memory.processes"); err != nil {
		return err
	}
	figure("idle.cpu", cores()*100, "%")
	return touch(ctx, daemon, nodes)
}

// freeze stops nodes as labs do.
func freeze(ctx context.Context, daemon client.Daemon, nodes ...sandbox.Node) error {
	for _, node := range nodes {
		rests, err := daemon.Agent(node).Rest(ctx)
		if err == nil && !rests {
			err = fmt.Errorf("the agent of node %s does not rest", node.Spec.ID)
		}
		if err != nil {
			return err
		}
		if err := daemon.Freeze(ctx, node.Spec.ID); err != nil {
			return err
		}
	}
	return nil
}

// processes prints the mean of what the nodes' processes take (PSS).
func processes(ctx context.Context, daemon client.Daemon, name string) error {
	nodes, err := daemon.List(ctx)
	if err != nil {
		return err
	}
	inside, err := pssOfNodes(ctx, daemon)
	figure(name, float64(inside)/float64(len(nodes))/1e6, "MB")
	return err
}

// charged is the mean of what the kernel charges to nodes' control groups: their processes, their share of its own memory, their cached files.
func charged(ctx context.Context, daemon client.Daemon, nodes []sandbox.Node) (mean float64, err error) {
	for _, node := range nodes {
		s, err := daemon.Agent(node).Snapshot(ctx)
		if err != nil {
			return 0, err
		}
		mean += float64(s.Node.Usage.Memory) / float64(len(nodes))
	}
	return mean, nil
}

// touch takes the time from a touch of a frozen node to its first answer.
func touch(ctx context.Context, daemon client.Daemon, nodes []sandbox.Node) error {
	var took times
	for _, node := range nodes {
		start := time.Now()
		if err := daemon.Thaw(ctx, node.Spec.ID); err != nil {
			return err
		}
		if _, err := daemon.Agent(node).Snapshot(ctx); err != nil {
			return err
		}
		took = append(took, time.Since(start))
	}
	took.print("idle.touched")
	return nil
}

// available is the host's memory that could be used without swapping, in KiB (proc_meminfo(5)).
func available() int {
	text, _ := os.ReadFile("/proc/meminfo")
	return field(string(text), "MemAvailable:")
}

// cores is how many of them everything that descends from this process took on average: daemons, nodes, pods.
func cores() float64 {
	before, start := computed(), time.Now()
	time.Sleep(watching)
	return (computed() - before).Seconds() / time.Since(start).Seconds()
}

// computed is the time that the descendants' threads, as far as they live, were on a processor (proc_pid_schedstat(5)).
func computed() (sum time.Duration) {
	threads, _ := filepath.Glob("/proc/[0-9]*/task/[0-9]*/schedstat")
	parents := map[int]int{}
	for _, path := range threads {
		pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
		if _, known := parents[pid]; !known {
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			parents[pid] = field(string(status), "PPid:")
		}
	}
	for _, path := range threads {
		pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
		if pid == os.Getpid() || !descends(parents, pid, os.Getpid()) {
			continue
		}
		text, _ := os.ReadFile(path)
		onCPU, _, _ := strings.Cut(string(text), " ")
		ns, _ := strconv.ParseInt(onCPU, 10, 64)
		sum += time.Duration(ns)
	}
	return sum
}
