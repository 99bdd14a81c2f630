package engine

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"podlab/sandbox"
)

// TestNothingLeaks makes and removes pods side by side, execs in them, kills them, and counts descriptors and goroutines.
func TestNothingLeaks(t *testing.T) {
	b := open(t)
	round := func() {
		var pods sync.WaitGroup
		for i := range 6 {
			pods.Go(func() {
				name := fmt.Sprintf("p%d", i)
				if _, err := b.Apply(context.Background(), []byte(pod(name, inits(sh("i", "exit 0"), sidecar("s", idle)),
					sh("a", idle, probe("readinessProbe", fileThere("/no")), probe("livenessProbe", `"tcpSocket":{"port":9}`, `"failureThreshold":1000`)), sh("b", "exit 1")))); err != nil {
					t.Error(err)
					return
				}
				if i == 0 { // deletion overtakes the start
					b.remove(name)
					return
				}
				b.until(name+"/a", "running", isRunning)
				if r, err := b.Exec(context.Background(), name+"/a", Process{Argv: []string{"true"}, Hidden: i%2 == 0}); err != nil {
					t.Error(err)
				} else if exit, err := r.Wait(); err != nil || exit.Code != 0 {
					t.Errorf("%+v %v", exit, err)
				}
				if err := b.Delete(context.Background(), sandbox.Ref{Kind: "Pod", Name: name}, 0); err != nil {
					t.Error(err)
				}
			})
		}
		pods.Wait()
	}
	round()
	files, routines := count(t)
	for range 3 {
		round()
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if f, r := count(t); f <= files && r <= routines {
			return
		}
	}
	f, r := count(t)
	stacks := make([]byte, 1<<16)
	t.Errorf("descriptors %d, were %d; goroutines %d, were %d\n%s", f, files, r, routines, stacks[:runtime.Stack(stacks, true)])
}

// count is of open descriptors and goroutines. Collecting comes first: libcontainer leaves the pipes of a command that could not be
// started, since its container was ending, to the collector.
func count(t *testing.T) (files, routines int) {
	runtime.GC()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries), runtime.NumGoroutine()
}
