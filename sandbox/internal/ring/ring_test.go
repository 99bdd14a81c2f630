package ring

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func add(r *Ring[uint64], count int) {
	for range count {
		r.Add(func(number uint64) uint64 { return number })
	}
}

// expect reads behind a number: with first 0 nothing may be there.
func expect(t *testing.T, r *Ring[uint64], number, lost, first, last uint64) {
	t.Helper()
	run, _ := r.After(number, 256)
	if first == 0 {
		if len(run.Items) != 0 {
			t.Errorf("after %d: %+v, want nothing", number, run)
		}
		return
	}
	if len(run.Items) == 0 || run.Lost != lost || run.First != first || run.Last() != last || run.Items[len(run.Items)-1] != last {
		t.Errorf("after %d: %+v; want lost %d, numbers %d–%d", number, run, lost, first, last)
	}
}

func TestNumbersAndGaps(t *testing.T) {
	r := New[uint64](100)
	expect(t, r, 0, 0, 0, 0)
	add(r, 3)
	r.Lose(5)
	add(r, 1)
	expect(t, r, 0, 0, 1, 3) // up to the gap
	expect(t, r, 3, 5, 9, 9)
	expect(t, r, 5, 3, 9, 9) // a reader from within the gap
	expect(t, r, 9, 0, 0, 0)
	expect(t, r, 99, 0, 0, 0) // a reader from another life
	if r.Last() != 9 || !slices.Equal(r.Items(), []uint64{1, 2, 3, 9}) {
		t.Errorf("last %d, kept %v", r.Last(), r.Items())
	}
}

func TestOldestGiveWay(t *testing.T) {
	r := New[uint64](1000)
	add(r, 1010)
	expect(t, r, 0, 10, 11, 266) // 256 at a time
	expect(t, r, 1000, 0, 1001, 1010)
	if kept := r.Items(); len(kept) != 1000 || kept[0] != 11 || kept[999] != 1010 {
		t.Errorf("%d kept, %d–%d", len(kept), kept[0], kept[len(kept)-1])
	}
}

// TestMoreIsNotMissed: where After stops early, its channel does not wait for news.
func TestMoreIsNotMissed(t *testing.T) {
	r := New[uint64](10)
	add(r, 2)
	r.Lose(1)
	add(r, 1)
	for _, at := range []struct {
		number uint64
		most   int
		more   bool
	}{{0, 1, true}, {0, 10, true}, {2, 10, false}, {4, 10, false}} {
		_, more := r.After(at.number, at.most)
		select {
		case <-more:
			if !at.more {
				t.Errorf("after %d: more", at.number)
			}
		default:
			if at.more {
				t.Errorf("after %d: no more", at.number)
			}
		}
	}
}

func TestFollowEndsWithTheRing(t *testing.T) {
	r := New[uint64](10)
	add(r, 2)
	r.Lose(1)
	add(r, 1)
	r.Close()
	r.Close()
	add(r, 1) // too late: nobody will see it
	var got []uint64
	var lost uint64
	err := r.Follow(t.Context(), 0, 256, func(run Run[uint64]) error { got, lost = append(got, run.Items...), lost+run.Lost; return nil })
	if !errors.Is(err, ErrClosed) || !slices.Equal(got, []uint64{1, 2, 4}) || lost != 1 {
		t.Errorf("%v, %d lost, then %v", got, lost, err)
	}
}

func TestFollowEndsWithItsReader(t *testing.T) {
	r := New[uint64](10)
	add(r, 1)
	full := errors.New("full")
	if err := r.Follow(t.Context(), 0, 1, func(Run[uint64]) error { return full }); !errors.Is(err, full) {
		t.Errorf("a reader that fails: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := New[uint64](1).Follow(ctx, 0, 1, func(Run[uint64]) error { return full }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a reader that goes away: %v", err)
		}
	})
}

// TestFastWriterSlowReader: what a reader got and what it was told that it lost is all there was, in order.
func TestFastWriterSlowReader(t *testing.T) {
	const total = 20000
	r := New[uint64](64)
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() { add(r, total/4) })
	}
	go func() { writers.Wait(); r.Close() }()
	var last, seen uint64
	err := r.Follow(t.Context(), 0, 16, func(run Run[uint64]) error {
		for i, value := range run.Items {
			if value != run.First+uint64(i) {
				t.Errorf("number %d holds %d", run.First+uint64(i), value)
			}
		}
		if run.First != last+run.Lost+1 {
			t.Errorf("behind %d, %d lost, then %d", last, run.Lost, run.First)
		}
		last, seen = run.Last(), seen+run.Lost+uint64(len(run.Items))
		return nil
	})
	if !errors.Is(err, ErrClosed) || last != total || seen != total {
		t.Errorf("ended at %d with %d seen or lost: %v", last, seen, err)
	}
}

// TestRestart: who comes after it sees nothing of what was, neither does the next process.
func TestRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "number")
	r, err := Open[uint64](path, 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	add(r, 5)
	r.Lose(2)
	r.Restart()
	if len(r.Items()) != 0 || r.Last() != 0 {
		t.Errorf("kept: %v, last %d", r.Items(), r.Last())
	}
	add(r, 2)
	expect(t, r, 0, 0, 1, 2)
	next, err := Open[uint64](path, 3)
	if err != nil || next.Last() != 3 {
		t.Errorf("the next process begins behind %d: %v", next.Last(), err)
	}
	next.Close()
}

// TestNumbersGoOn: another process numbers on, with a gap, so that nobody takes its items for old ones.
func TestNumbersGoOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "number")
	again := func() *Ring[uint64] {
		r, err := Open[uint64](path, 10)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		return r
	}
	first := again()
	add(first, 1)
	expect(t, first, 0, 0, 1, 1)
	first.Lose(5)
	second := again() // the first was killed
	add(second, 1)
	expect(t, second, 1, 6, 8, 8)
	second.Close()
	second.Lose(100) // too late
	third := again()
	add(third, 1)
	expect(t, third, 8, 1, 10, 10)
}
