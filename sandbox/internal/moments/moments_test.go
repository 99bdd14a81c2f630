package moments

import (
	"testing"

	"podlab/sandbox"
)

// traced are the inits of the pid namespaces that a tracer looks at.
type traced map[uint64]int

func (t traced) Add(pidns uint64, init int) error {
	t[pidns] = init
	return nil
}

func (t traced) Remove(pidns uint64) { delete(t, pidns) }

// TestMomentsGoToTheirNode: each node's are its own, and numbered on in its next life and by the next daemon.
func TestMomentsGoToTheirNode(t *testing.T) {
	tracer := traced{}
	logs := New(tracer)
	sink := logs.Sink()
	dir := t.TempDir()
	one, err := logs.Begin(1, 101, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	two, err := logs.Begin(2, 102, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if tracer[1] != 101 || tracer[2] != 102 {
		t.Errorf("traced: %v", tracer)
	}
	sink.Moment(1, sandbox.Moment{PID: 11})
	sink.Moment(2, sandbox.Moment{PID: 22})
	sink.Lost(1, 3)
	sink.Moment(1, sandbox.Moment{PID: 12})
	sink.Moment(9, sandbox.Moment{PID: 99})
	logs.End(1)
	sink.Moment(1, sandbox.Moment{PID: 13})
	if got := one.Items(); len(got) != 2 || got[1].Seq != 5 || got[1].PID != 12 || got[1].Source != sandbox.SourceKernel {
		t.Errorf("one: %+v", got)
	}
	if got := two.Items(); len(got) != 1 || got[0].Seq != 1 || got[0].PID != 22 {
		t.Errorf("two: %+v", got)
	}
	if len(tracer) != 1 {
		t.Errorf("traced still: %v", tracer)
	}
	again, err := logs.Begin(3, 103, t.TempDir(), one)
	if err != nil || again != one || again.Last() != 5 {
		t.Errorf("in its next life: %v, last %d", err, again.Last())
	}
	one.Close()
	next, err := logs.Begin(1, 104, dir, nil)
	if err != nil || next.Last() < 5 {
		t.Errorf("with the next daemon: %v, last %d", err, next.Last())
	}
	next.Close()
	two.Close()
}
