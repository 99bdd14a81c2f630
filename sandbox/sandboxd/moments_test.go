package main

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"podlab/sandbox"
)

func newRing(t *testing.T, path string) *ring {
	t.Helper()
	r, err := openRing(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return r
}

func expect(t *testing.T, r *ring, seq uint64, lost uint64, first, last uint64) {
	t.Helper()
	m, _ := r.after(seq)
	if first == 0 {
		if len(m.Items) != 0 {
			t.Errorf("after %d: %+v, want nothing", seq, m)
		}
		return
	}
	if len(m.Items) == 0 || m.Lost != lost || m.Items[0].Seq != first || m.Items[len(m.Items)-1].Seq != last {
		t.Errorf("after %d: lost %d, %d moments %+v…; want lost %d, numbers %d–%d", seq, m.Lost, len(m.Items), m.Items[:min(2, len(m.Items))], lost, first, last)
	}
}

func TestRingNumbersAndGaps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "moments")
	r := newRing(t, path)
	expect(t, r, 0, 0, 0, 0)
	for range 3 {
		r.add(sandbox.Moment{})
	}
	r.lose(5)
	r.add(sandbox.Moment{})
	expect(t, r, 0, 0, 1, 3) // up to the gap
	expect(t, r, 3, 5, 9, 9)
	expect(t, r, 5, 3, 9, 9) // a reader from within the gap
	expect(t, r, 9, 0, 0, 0)

	again := newRing(t, path) // as a daemon that takes over does
	again.add(sandbox.Moment{})
	expect(t, again, 9, 1, 11, 11)
}

func TestRingForgetsTheOldest(t *testing.T) {
	r := newRing(t, filepath.Join(t.TempDir(), "moments"))
	for range ringSize + 10 {
		r.add(sandbox.Moment{})
	}
	expect(t, r, 0, 10, 11, 10+batchSize)
	expect(t, r, ringSize, 0, ringSize+1, ringSize+10)
}

func TestStreamEndsWithTheNode(t *testing.T) {
	r := newRing(t, filepath.Join(t.TempDir(), "moments"))
	r.add(sandbox.Moment{})
	r.close()
	r.add(sandbox.Moment{}) // too late: nobody will see it
	var got int
	err := r.stream(context.Background(), 0, func(m sandbox.Moments) error { got += len(m.Items); return nil })
	if !errors.Is(err, errNodeGone) || got != 1 {
		t.Errorf("%d moments, then %v", got, err)
	}
}
