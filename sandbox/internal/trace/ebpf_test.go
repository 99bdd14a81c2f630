package trace

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// life is what was told of one process, in order.
type life struct{ fork, exec, exit *sandbox.Moment }

// lives sorts the moments of processes that are direct children of PID 1 by pid, and fails at any that is out of order.
func lives(t testing.TB, all []sandbox.Moment) map[int]life {
	t.Helper()
	out := map[int]life{}
	for i := range all {
		m := &all[i]
		if m.Thread || m.PPID != 1 {
			continue
		}
		l := out[m.PID]
		switch {
		case m.Kind == sandbox.MomentFork && l == life{}:
			l.fork = m
		case m.Kind == sandbox.MomentExec && l.fork != nil && l.exec == nil:
			l.exec = m
		case m.Kind == sandbox.MomentExit && l.fork != nil && l.exit == nil:
			l.exit = m
		default:
			t.Fatalf("out of order: %+v after %+v", *m, l)
		}
		out[m.PID] = l
	}
	return out
}

// ends is true when n processes that executed a file of that name have ended.
func ends(name string, n int) func([]sandbox.Moment) bool {
	return func(all []sandbox.Moment) bool {
		pids, ended := map[int]bool{}, 0
		for _, m := range all {
			if m.Kind == sandbox.MomentExec && filepath.Base(m.Path) == name {
				pids[m.PID] = true
			}
			if m.Kind == sandbox.MomentExit && !m.Thread && pids[m.PID] {
				ended++
			}
		}
		return ended >= n
	}
}

func TestEBPFTellsEveryProcess(t *testing.T) {
	needRoot(t)
	const n = 1000
	path, err := exec.LookPath("true")
	must(t, err)
	tr, got := listen(t, KindEBPF)
	began := bootMicros()
	node := newPIDNS(t)
	must(t, tr.Add(node.inode, node.pid))
	node.run(t, "1000*\t"+path+"\n")
	all := got.until(t, node.inode, ends("true", n))
	seen, last := 0, 0
	byPID := lives(t, all)
	for pid, l := range byPID {
		if l.exec == nil || l.exec.Path != path {
			continue
		}
		seen++
		last = max(last, pid)
		if l.exit == nil || l.exit.Code != 0 || l.exit.Signal != 0 || l.exit.PIDInside != pid || l.exit.PIDNS != node.inode || l.exit.Name != "true" {
			t.Errorf("pid %d: %+v", pid, l)
		}
		if l.fork.Time > l.exec.Time || l.exec.Time > l.exit.Time {
			t.Errorf("pid %d: times %d %d %d", pid, l.fork.Time, l.exec.Time, l.exit.Time)
		}
	}
	if seen != n {
		t.Errorf("%d of %d processes; lost %d", seen, n, got.missing(node.inode))
	}
	if now := bootMicros(); all[0].Time > now || all[0].Time < began {
		t.Errorf("time %d is not between %d and %d", all[0].Time, began, now)
	}
}

func TestEBPFTellsHowProcessesEnd(t *testing.T) {
	needRoot(t)
	tr, got := listen(t, KindEBPF)
	node := newPIDNS(t)
	must(t, tr.Add(node.inode, node.pid))
	node.run(t, "sh\t-c\texit 3\nsh\t-c\tkill -9 $$\nsh\t-c\tkill $$\n")
	all := got.until(t, node.inode, ends("sh", 3))
	var codes, signals []int
	for _, m := range all {
		if m.Kind == sandbox.MomentExit && m.Name == "sh" {
			codes, signals = append(codes, m.Code), append(signals, m.Signal)
		}
	}
	if !slices.Equal(codes, []int{3, 137, 143}) || !slices.Equal(signals, []int{0, 9, 15}) {
		t.Errorf("codes %v, signals %v", codes, signals)
	}
}

// A Go program has threads: each is told as one, and its end is told once.
func TestEBPFTellsThreadsFromProcesses(t *testing.T) {
	needRoot(t)
	tr, got := listen(t, KindEBPF)
	tellsThreadsFromProcesses(t, tr, got)
}

// The same where the tracepoint does not say which task was the last (before Linux 6.16).
func TestEBPFTellsThreadsOnOlderKernels(t *testing.T) {
	needRoot(t)
	at, err := kernelOffsets()
	must(t, err)
	at.exitHasGroupDead = false
	source, err := openKernel(at, limitsFor(2))
	must(t, err)
	tr, got := collect(t, &Tracer{kind: KindEBPF, source: source})
	tellsThreadsFromProcesses(t, tr, got)
}

func tellsThreadsFromProcesses(t *testing.T, tr *Tracer, got *told) {
	node := newPIDNS(t)
	must(t, tr.Add(node.inode, node.pid))
	node.run(t, "100*\t/proc/self/exe\tonce\n")
	all := got.until(t, node.inode, ends("exe", 100))
	exits, threads, forked, execed := map[int]int{}, 0, map[int]bool{}, map[int]bool{}
	for _, m := range all {
		switch {
		case m.Kind == sandbox.MomentExec:
			execed[m.PID] = true
		case m.Kind == sandbox.MomentFork && m.Thread:
			forked[m.PID] = true
		case m.Kind == sandbox.MomentExit && m.Thread && forked[m.PID]:
			threads++
		case m.Kind == sandbox.MomentExit && !m.Thread && execed[m.PID]:
			exits[m.PID]++
		}
		if m.Thread && (m.PPID == 0 || m.PPID == m.PID && m.Kind == sandbox.MomentFork) {
			t.Errorf("thread without its process: %+v", m)
		}
	}
	for pid, n := range exits {
		if n != 1 {
			t.Errorf("process %d ended %d times", pid, n)
		}
	}
	if len(exits) != 100 || threads < 100 {
		t.Errorf("%d processes and %d threads ended", len(exits), threads)
	}
}

// The first thread may end long before the process does: the process ends with the last, and that one's pid is not the process's.
func TestEBPFTellsEndByLastThread(t *testing.T) {
	needRoot(t)
	tr, got := listen(t, KindEBPF)
	node := newPIDNS(t)
	must(t, tr.Add(node.inode, node.pid))
	node.run(t, "/proc/self/exe\tleader\n")
	all := got.until(t, node.inode, ends("exe", 1))
	var how []string
	for _, m := range all {
		if m.Kind == sandbox.MomentExit && m.Name == "exe" && m.PID == all[len(all)-1].PID {
			how = append(how, fmt.Sprintf("thread=%v code=%d", m.Thread, m.Code))
		}
	}
	if !slices.Equal(how, []string{"thread=true code=0", "thread=false code=7"}) {
		t.Error(how)
	}
}

// A pod's pid namespace is inside the node's: both numbers are told.
func TestEBPFTellsInnerNamespace(t *testing.T) {
	needRoot(t)
	tr, got := listen(t, KindEBPF)
	node := newPIDNS(t)
	must(t, tr.Add(node.inode, node.pid))
	node.run(t, "unshare\t--pid\t--fork\ttrue\n")
	all := got.until(t, node.inode, func(all []sandbox.Moment) bool {
		return slices.ContainsFunc(all, func(m sandbox.Moment) bool { return m.Kind == sandbox.MomentExit && m.Name == "true" })
	})
	i := slices.IndexFunc(all, func(m sandbox.Moment) bool { return m.Kind == sandbox.MomentExit && m.Name == "true" })
	if m := all[i]; m.PIDInside != 1 || m.PID < 2 || m.PIDNS == node.inode || m.PIDNS == 0 || m.PPID < 2 {
		t.Errorf("%+v", m)
	}
}

func TestEBPFTellsNothingOfOthers(t *testing.T) {
	needRoot(t)
	tr, got := listen(t, KindEBPF)
	node, other := newPIDNS(t), newPIDNS(t)
	must(t, tr.Add(node.inode, node.pid))
	other.run(t, "10*\ttrue\n")
	node.run(t, "true\n")
	got.until(t, node.inode, ends("true", 1)) // what comes after Remove is told to nobody
	tr.Remove(node.inode)
	got.mu.Lock()
	defer got.mu.Unlock()
	if len(got.moments) != 1 {
		t.Errorf("told of %d namespaces", len(got.moments))
	}
}

// A node over its allowance loses events, and is told how many: together they are all that a tracer without that limit tells.
func TestEBPFCountsTheLost(t *testing.T) {
	needRoot(t)
	all, whole := listen(t, KindEBPF)
	at, err := kernelOffsets()
	must(t, err)
	source, err := openKernel(at, limits{ring: ringBytes, allowance: 3, sockets: 3, nodes: 1, processors: 1})
	must(t, err)
	few, part := collect(t, &Tracer{kind: KindEBPF, source: source})
	node := newPIDNS(t)
	must(t, all.Add(node.inode, node.pid))
	must(t, few.Add(node.inode, node.pid))
	node.run(t, "20*\ttrue\n")
	want := len(whole.until(t, node.inode, ends("true", 20)))
	got := part.until(t, node.inode, func(some []sandbox.Moment) bool { return len(some)+part.missing(node.inode) >= want })
	if part.missing(node.inode) == 0 || len(got)+part.missing(node.inode) != want {
		t.Errorf("%d told and %d lost of %d", len(got), part.missing(node.inode), want)
	}
}

func bootMicros() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic(err)
	}
	return ts.Nano() / 1000
}

// BenchmarkEBPFLatency measures from the kernel's time of an event to the call of the sink.
func BenchmarkEBPFLatency(b *testing.B) {
	needRoot(b)
	tr, err := OpenKind(context.Background(), KindEBPF, 1)
	must(b, err)
	defer tr.Close()
	var took []int64
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = tr.Run(ctx, Sink{
			Moment: func(_ uint64, m sandbox.Moment) { took = append(took, bootMicros()-m.Time) },
			Lost:   func(_, n uint64) { b.Errorf("lost %d", n) },
		})
	}()
	node := newPIDNS(b)
	must(b, tr.Add(node.inode, node.pid))
	b.ResetTimer()
	node.run(b, "300*\ttrue\n")
	b.StopTimer()
	time.Sleep(quiet)
	cancel()
	<-done
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2]), "p50-µs")
	b.ReportMetric(float64(took[len(took)*9/10]), "p90-µs")
	b.ReportMetric(float64(took[len(took)*99/100]), "p99-µs")
	b.ReportMetric(float64(len(took)), "events")
}
