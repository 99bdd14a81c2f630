package spare

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"podlab/sandbox"
)

// shelf is a maker of nodes in memory.
type shelf struct {
	mu   sync.Mutex
	have []sandbox.NodeSpec
	room int
	fail error // of the next
}

func (s *shelf) Spares() ([]sandbox.NodeSpec, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.have), s.room
}

func (s *shelf) MakeSpare(spec sandbox.NodeSpec) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if failed := s.fail; failed != nil {
		s.fail = nil
		return failed
	}
	s.have = append(s.have, spec)
	return nil
}

func (s *shelf) DropSpares(ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.have = slices.DeleteFunc(s.have, func(spec sandbox.NodeSpec) bool { return slices.Contains(ids, spec.ID) })
}

// shapes are the memory sizes of what is on the shelf.
func (s *shelf) shapes(t *testing.T) (all []int64) {
	t.Helper()
	have, _ := s.Spares()
	for _, spec := range have {
		if !strings.HasPrefix(spec.ID, Prefix) {
			t.Errorf("a spare is called %q", spec.ID)
		}
		all = append(all, spec.Memory)
	}
	slices.Sort(all)
	return all
}

func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := NewPlan(2, sandbox.NodeSpec{Memory: 1}, func(sandbox.NodeSpec) int { return 1 }, func() bool { return false })
		nodes := &shelf{room: 9}
		ctx, cancel := context.WithCancel(t.Context())
		var kept sync.WaitGroup
		kept.Go(func() { Keep(ctx, plan, nodes, slog.New(slog.DiscardHandler)) })
		expect := func(when string, after time.Duration, want ...int64) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if got := nodes.shapes(t); !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", when, got, want)
			}
		}
		expect("at first", 0, 1, 1)
		plan.Asked(sandbox.NodeSpec{ID: "one", Memory: 2}, time.Now())
		expect("one of the old shape goes", calm/2, 1)
		expect("one of the new shape comes when it is calm", calm, 1, 2)

		nodes.mu.Lock()
		nodes.room = 1
		nodes.mu.Unlock()
		expect("somebody has the room", calm, 1)
		nodes.mu.Lock()
		nodes.room, nodes.fail = 2, errors.New("no disk")
		nodes.mu.Unlock()
		expect("one could not be made", again-calm, 1)
		expect("and is tried again", 2*calm, 1, 2)

		cancel()
		kept.Wait()
		if left := nodes.shapes(t); len(left) != 0 {
			t.Errorf("%v outlive their keeper", left)
		}
	})
}
