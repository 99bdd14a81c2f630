package moments

import (
	"testing"

	"podlab/sandbox"
)

// TestMomentsGoToTheirNode: each node's are its own, and numbered on in its next life and by the next daemon.
func TestMomentsGoToTheirNode(t *testing.T) {
	var logs Logs
	sink := logs.Sink()
	dir := t.TempDir()
	one, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	two, err := Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	logs.Add(1, one)
	logs.Add(2, two)
	sink.Moment(1, sandbox.Moment{PID: 11})
	sink.Moment(2, sandbox.Moment{PID: 22})
	sink.Lost(1, 3)
	sink.Moment(1, sandbox.Moment{PID: 12})
	sink.Moment(9, sandbox.Moment{PID: 99})
	logs.Remove(1)
	sink.Moment(1, sandbox.Moment{PID: 13})
	if got := one.Items(); len(got) != 2 || got[1].Seq != 5 || got[1].PID != 12 || got[1].Source != sandbox.SourceKernel {
		t.Errorf("one: %+v", got)
	}
	if got := two.Items(); len(got) != 1 || got[0].Seq != 1 || got[0].PID != 22 {
		t.Errorf("two: %+v", got)
	}
	again, err := Open(t.TempDir(), one)
	if err != nil || again != one || again.Last() != 5 {
		t.Errorf("in its next life: %v, last %d", err, again.Last())
	}
	one.Close()
	next, err := Open(dir, nil)
	if err != nil || next.Last() < 5 {
		t.Errorf("with the next daemon: %v, last %d", err, next.Last())
	}
	next.Close()
	two.Close()
}
