package main

import (
	"path/filepath"
	"testing"

	"podlab/sandbox"
)

// TestNumbersGoOn: a daemon that takes over numbers on, with a gap, and nobody takes its moments for old ones.
func TestNumbersGoOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "moments")
	open := func() *moments {
		m, err := openMoments(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.close)
		return m
	}
	first := open()
	first.add(sandbox.Moment{})
	first.lose(5)
	second := open()
	second.add(sandbox.Moment{})
	run, _ := second.After(1, 10)
	if len(run.Items) != 1 || run.First != 8 || run.Lost != 6 || run.Items[0].Seq != 8 || run.Items[0].Source != sandbox.SourceKernel {
		t.Errorf("behind number 1: %+v", run)
	}
	third := open()
	third.close()
	third.add(sandbox.Moment{}) // too late: nobody will see it
	if run, more := third.After(0, 10); len(run.Items) != 0 || more != nil {
		t.Errorf("after the end: %+v", run)
	}
}
