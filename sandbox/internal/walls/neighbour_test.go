package walls

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// abuses are what one learner may do to the machine, and how that shows on the learner's own page: tells is true of a snapshot that says so.
var abuses = []struct {
	name, script string
	tells        func(sandbox.Snapshot) bool
}{
	{"fork bomb", "b() { b | b & }; b; sleep 1000", func(s sandbox.Snapshot) bool { return full(s.Node.Usage.PIDs, s.Node.Usage.PIDsLimit) }},
	{"memory", "while :; do " + attacker + " hold memory 100000 once; done", func(s sandbox.Snapshot) bool { return s.Node.Usage.OOMKills > 0 }},
	{"tmpfs", "while :; do cat /dev/zero >/dev/shm/a; cat /dev/zero >/run/b; done", busy},
	{"disk bytes", "while :; do cat /dev/zero >/root/full; done", func(s sandbox.Snapshot) bool { return full(s.Node.Disk.Used, s.Node.Disk.Total) }},
	{"inodes", "i=0; while :; do i=$((i+1)); mkdir -p /root/$i && (cd /root/$i && touch $(seq 2000)); done",
		func(s sandbox.Snapshot) bool { return full(s.Node.Disk.InodesUsed, s.Node.Disk.Inodes) }},
	{"CPU", "for i in 1 2 3 4 5 6 7 8; do while :; do :; done & done; wait", busy},
	{"output", "exec cat /dev/zero", busy},
	{"shared memory", "while :; do " + attacker + " hold shm 100000 once; " + attacker + " hold msg 100000 once; done", busy},
	{"tables", "for t in inotify timers locks netns mounts files; do while :; do " + attacker + " hold $t 5000 once; done & done; wait", busy},
}

func full(used, limit int64) bool { return limit > 0 && used > limit*3/4 }

func busy(s sandbox.Snapshot) bool { return s.Node.Usage.CPU > 400_000 } // µs: it has begun in earnest

const (
	promise = 100 * time.Millisecond // at p99, shared/security.md
	worst   = time.Second            // on a machine that others use
	keys    = 500                    // during an abuse: five may be later than p99
	control = 150                    // before it, and again after it
)

// TestNeighboursKeys measures how long a key of one learner takes to appear while another does the worst, and fails where p99 of 500 keys is
// 100 ms or more.
//
// That is to be shown of a machine that is the nodes' own, as CI's is: scripts/test runs one package at a time, and this one runs one test at a
// time. So each abuse has a control: the same keys just before it begins, and just after its node is gone. Where p99 of those, at rest, is above
// 50 ms already, an abuse may add 100 ms to it. Where other programs of the host took more than a quarter of the processors while the keys were
// typed, nothing can be said of 100 ms, and it fails at a second. The nodes, the daemon, this test and the kernel's own threads, which may work for
// the abuse, are no such others.
func TestNeighboursKeys(t *testing.T) {
	d := sandboxtest.Start(t)
	term := typist(t, d.Agent(d.Node(t, sandbox.NodeSpec{ID: "quiet"})))
	for i, abuse := range abuses {
		t.Run(abuse.name, func(t *testing.T) {
			id := fmt.Sprint("hog", i)
			hog := d.Agent(d.Node(t, sandbox.NodeSpec{ID: id}))
			smuggle(t, hog, "")
			rest := echoes(t, term, control)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				spec := sandbox.ExecSpec{Argv: []string{"bash", "-c", abuse.script + " 2>/dev/null"}}
				_, _ = hog.Exec(t.Context(), spec, sandbox.Streams{Out: io.Discard}) // ends with the node
			}()
			defer func() {
				_ = d.Destroy(t.Context(), id) // again, if it was done
				<-ended
			}()
			until(t, hog, "the page to show it", abuse.tells)
			others := othersTime(t, d)
			abused := echoes(t, term, keys)
			took := others()
			reset(t, d, id)
			if err := d.Destroy(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			rest = append(rest, echoes(t, term, control)...)
			judge(t, abused, rest, took)
		})
	}
}

// judge holds the keys against the promise. others is the share of the processors that was not the nodes'.
func judge(t *testing.T, abused, rest []time.Duration, others float64) {
	t.Helper()
	p99, quiet := percentile(abused, 99), percentile(rest, 99)
	limit := sandboxtest.Within(limit(quiet, others))
	t.Logf("p50 %v p99 %v; at rest p50 %v p99 %v; others have %.0f %% of the machine; limit %v",
		percentile(abused, 50), p99, percentile(rest, 50), quiet, 100*others, limit)
	if p99 >= limit {
		t.Errorf("the neighbour's keys take %v at p99, not less than %v", p99, limit)
	}
}

func limit(quiet time.Duration, others float64) time.Duration {
	switch {
	case others > 0.25:
		return worst
	case quiet > promise/2:
		return promise + quiet
	}
	return promise
}

func TestLimit(t *testing.T) {
	for _, one := range []struct {
		quiet  time.Duration
		others float64
		want   time.Duration
	}{{5 * time.Millisecond, 0.1, promise}, {80 * time.Millisecond, 0.1, promise + 80*time.Millisecond}, {5 * time.Millisecond, 0.9, worst}} {
		if got := limit(one.quiet, one.others); got != one.want {
			t.Errorf("%+v: %v", one, got)
		}
	}
}

// othersTime begins to measure; what it returns ends that, and tells the share of the processors' time that other programs of the host took.
func othersTime(t *testing.T, d *sandboxtest.Daemon) func() float64 {
	began, machine, nodes, servants := time.Now(), machineTime(t), nodesTime(t, d), servantsTimes(t)
	return func() float64 {
		others := machineTime(t) - machine - (nodesTime(t, d) - nodes)
		for servant, worked := range servantsTimes(t) {
			others -= worked - servants[servant]
		}
		return others.Seconds() / time.Since(began).Seconds() / float64(runtime.NumCPU())
	}
}

// servantsTimes is what each of the kernel's threads and of this test's children, the daemon, has worked (proc_pid_stat(5)), by pid and start.
// What one that has ended worked is nobody's.
func servantsTimes(t *testing.T) map[string]time.Duration {
	t.Helper()
	const kernelThread = 0x00200000 // PF_KTHREAD of linux/sched.h
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]time.Duration{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:])) // from the third on
		if parent, flags := atoi(t, fields[1]), atoi(t, fields[6]); parent == os.Getpid() || flags&kernelThread != 0 {
			all[file+" "+fields[19]] = time.Duration(atoi(t, fields[11])+atoi(t, fields[12])) * 10 * time.Millisecond
		}
	}
	return all
}

// machineTime is what all processors have worked (proc_stat(5): user, nice, system, in hundredths of a second).
func machineTime(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	var user, nice, system int64
	if _, err := fmt.Sscanf(string(text), "cpu %d %d %d", &user, &nice, &system); err != nil {
		t.Fatal(err)
	}
	return time.Duration(user+nice+system) * 10 * time.Millisecond
}

// nodesTime is what the test's nodes have, and the test itself, which reads what they print.
func nodesTime(t *testing.T, d *sandboxtest.Daemon) (all time.Duration) {
	t.Helper()
	nodes, err := d.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var own unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &own); err != nil {
		t.Fatal(err)
	}
	all = time.Duration(own.Utime.Nano() + own.Stime.Nano())
	for _, n := range nodes {
		s, err := d.Agent(n).Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all += time.Duration(s.Node.Usage.CPU) * time.Microsecond
	}
	return all
}

func percentile(took []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(took))
	return sorted[len(sorted)*percent/100-1]
}

// typist opens a terminal that only echoes.
func typist(t *testing.T, agent sandbox.Agent) sandbox.Terminal {
	t.Helper()
	term, err := agent.Terminal(t.Context(), sandbox.TerminalSpec{ID: "keys", Target: "node", Size: sandbox.Size{Cols: 100, Rows: 30}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { term.Close() })
	if _, err := io.WriteString(term, "stty raw; echo rea''dy; exec cat\r"); err != nil {
		t.Fatal(err)
	}
	shown(t, term, "ready\n")
	return term
}

// echoes types keys and measures how long each takes to appear.
func echoes(t *testing.T, term sandbox.Terminal, n int) (took []time.Duration) {
	t.Helper()
	for i := range n {
		key := fmt.Sprintf("%c", 'a'+i%26)
		began := time.Now()
		if _, err := io.WriteString(term, key); err != nil {
			t.Fatal(err)
		}
		shown(t, term, key)
		took = append(took, time.Since(began))
		time.Sleep(5 * time.Millisecond) // somebody types fast
	}
	return took
}

func shown(t *testing.T, term io.Reader, want string) {
	t.Helper()
	var seen strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(seen.String(), want) {
		n, err := term.Read(buf)
		seen.Write(buf[:n])
		if err != nil {
			t.Fatalf("waiting for %q: %v after %q", want, err, seen.String())
		}
	}
}
