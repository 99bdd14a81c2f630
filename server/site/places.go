package site

import (
	"context"
	"sync"
)

// places are those for costly work. One address has all but one of them at most: cookies are free, so learners are no bound.
type places struct {
	all int

	mu      sync.Mutex
	taken   int
	each    map[string]int // by address
	changed chan struct{}  // closes when one is given back
}

func newPlaces(all int) *places {
	return &places{all: all, each: map[string]int{}, changed: make(chan struct{})}
}

// enter waits for a place; leave gives it back. Errors: errTooMany, when ctx ends first.
func (p *places) enter(ctx context.Context, address string) (leave func(), err error) {
	for {
		changed := p.take(address)
		if changed == nil {
			return func() { p.leave(address) }, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, errTooMany
		}
	}
}

// take takes a place, or returns what closes when there may be one.
func (p *places) take(address string) (changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken == p.all || p.each[address] == max(1, p.all-1) {
		return p.changed
	}
	p.taken++
	p.each[address]++
	return nil
}

func (p *places) leave(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	if p.each[address]--; p.each[address] == 0 {
		delete(p.each, address)
	}
	close(p.changed)
	p.changed = make(chan struct{})
}
