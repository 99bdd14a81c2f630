package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/client"
)

// learners is how many idle learners there are at a time.
const learners = 8

// benchMemory prints what each of some idle learners costs, each with a page open on a node with a pod: the proportional set size
// (PSS, proc_pid_smaps(5)) of everything on the node, and how much daemon and server grew for it.
func benchMemory(ctx context.Context, b *bench) error {
	daemons := []int{b.host.root.Process.Pid, b.host.server.Process.Pid}
	before, err := pss(daemons...)
	if err != nil {
		return err
	}
	for range learners {
		leave, err := b.idle(ctx)
		if err != nil {
			return err
		}
		defer leave()
	}
	time.Sleep(8 * time.Second) // what starting took is given back
	after, err := pss(daemons...)
	if err != nil {
		return err
	}
	inside, err := pssOfNodes(ctx, b.host.daemon)
	if err != nil {
		return err
	}
	figure("memory.node", float64(inside)/learners/1e6, "MB")
	figure("memory.daemons", float64(after-before)/learners/1e6, "MB")
	figure("memory.learner", float64(inside+after-before)/learners/1e6, "MB")
	return nil
}

// idle opens a lab's page as a new learner and makes a pod on its node. leave ends the session.
func (b *bench) idle(ctx context.Context) (leave func(), err error) {
	known, err := b.host.daemon.List(ctx)
	if err != nil {
		return nil, err
	}
	l, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	live, _, err := l.ready(ctx)
	if err != nil {
		return nil, err
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for err := error(nil); err == nil; { // until leave closes it
			_, err = frame(live)
		}
	})
	leave = func() {
		_ = l.press(context.WithoutCancel(ctx), "end")
		live.Close()
		reading.Wait()
	}
	nodes, err := b.host.daemon.List(ctx)
	for _, n := range nodes {
		if err == nil && !slices.ContainsFunc(known, func(k sandbox.Node) bool { return k.Spec.ID == n.Spec.ID }) {
			return leave, applyReady(ctx, b.host.daemon.Agent(n), "idle")
		}
	}
	leave()
	return nil, errors.Join(err, errors.New("the session has no node"))
}

func pssOfNodes(ctx context.Context, daemon client.Daemon) (int64, error) {
	nodes, err := daemon.List(ctx)
	var sum int64
	for _, n := range nodes {
		used, err := pssOfNode(n.PIDNS)
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, err
}

// pssOfNode sums over the processes whose chain of parents ends in process 1 of the pid namespace: pods, which have pid namespaces
// of their own, are among them.
func pssOfNode(pidns uint64) (int64, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	root := 0
	parents := map[int]int{}
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		status, _ := os.ReadFile(filepath.Join(dir, "status"))
		parents[pid] = field(string(status), "PPid:")
		ns, _ := os.Readlink(filepath.Join(dir, "ns/pid"))
		inside := strings.Fields(line(string(status), "NSpid:"))
		if ns == fmt.Sprintf("pid:[%d]", pidns) && len(inside) > 0 && inside[len(inside)-1] == "1" {
			root = pid
		}
	}
	if root == 0 {
		return 0, fmt.Errorf("no process 1 in pid namespace %d", pidns)
	}
	var pids []int
	for pid := range parents {
		if descends(parents, pid, root) {
			pids = append(pids, pid)
		}
	}
	return pss(pids...)
}

func descends(parents map[int]int, pid, root int) bool {
	for ; pid > 1; pid = parents[pid] {
		if pid == root {
			return true
		}
	}
	return false
}

// pss is the sum over processes, in bytes. One that has ended counts nothing.
func pss(pids ...int) (int64, error) {
	var sum int64
	for _, pid := range pids {
		f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if os.IsNotExist(err) || errors.Is(err, unix.ESRCH) { // gone, or all but its exit status
			continue
		}
		if err != nil {
			return 0, err
		}
		for s := bufio.NewScanner(f); s.Scan(); {
			if strings.HasPrefix(s.Text(), "Pss:") {
				sum += int64(field(s.Text(), "Pss:")) << 10
			}
		}
		f.Close()
	}
	return sum, nil
}

// line is what stands behind a key of a /proc file.
func line(text, key string) string {
	for l := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(l, key); ok {
			return rest
		}
	}
	return ""
}

func field(text, key string) int {
	f := strings.Fields(line(text, key))
	if len(f) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(f[0])
	return n
}
