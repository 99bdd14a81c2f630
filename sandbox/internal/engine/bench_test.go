package engine

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"podlab/sandbox"
)

// TestTimes prints the medians that the design promises: they are looked at, not asserted, since machines differ.
func TestTimes(t *testing.T) {
	if os.Getenv("PODLAB_TIMES") == "" {
		t.Skip("set PODLAB_TIMES to measure")
	}
	b := open(t)
	var up, execs, down []time.Duration
	for range 15 {
		began := time.Now()
		b.apply(pod("demo", "", sh("web", idle), sh("logger", idle)))
		b.running("demo/web")
		b.running("demo/logger")
		up = append(up, time.Since(began))
		began = time.Now()
		r, err := b.Exec(context.Background(), "demo/web", Process{Argv: []string{"true"}})
		if err != nil {
			t.Fatal(err)
		}
		r.Wait()
		execs = append(execs, time.Since(began))
		began = time.Now()
		if err := b.Delete(context.Background(), sandbox.Ref{Kind: "Pod", Name: "demo"}, 0); err != nil {
			t.Fatal(err)
		}
		down = append(down, time.Since(began))
	}
	for _, d := range [][]time.Duration{up, execs, down} {
		slices.Sort(d)
	}
	t.Logf("pod of infra and two: %v   exec: %v   delete: %v", up[7], execs[7], down[7])
}
