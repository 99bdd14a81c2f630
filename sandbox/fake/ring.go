package fake

import (
	"context"
	"sync"
	"time"

	"podlab/sandbox"
)

// ringSize is how many moments of one source are kept.
const ringSize = 1024

// booted is when the fake's clock began.
var booted = time.Now()

// now is microseconds since the fake booted.
func now() int64 { return time.Since(booted).Microseconds() + 1_000_000 }

// ring keeps the newest moments of one source and numbers them.
type ring struct {
	source string

	mu    sync.Mutex
	seq   uint64
	items []sandbox.Moment
	news  chan struct{}
}

func newRing(source string) *ring { return &ring{source: source, news: make(chan struct{})} }

func (r *ring) add(m sandbox.Moment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq++
	m.Source, m.Seq = r.source, r.seq
	if m.Time == 0 {
		m.Time = now()
	}
	r.items = append(r.items, m)
	if len(r.items) > ringSize {
		r.items = r.items[len(r.items)-ringSize:]
	}
	close(r.news)
	r.news = make(chan struct{})
}

// lose makes a gap of n moments, as when a reader was too slow.
func (r *ring) lose(n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq += n
}

// after returns what came after seq, and a channel that closes with the next one.
func (r *ring) after(seq uint64) (sandbox.Moments, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out sandbox.Moments
	for _, m := range r.items {
		if m.Seq <= seq {
			continue
		}
		out.Lost += m.Seq - seq - 1
		out.Items = append(out.Items, m)
		seq = m.Seq
	}
	return out, r.news
}

// follow calls fn with what came after seq and what comes, until ctx or gone ends or fn fails.
func (r *ring) follow(ctx context.Context, gone <-chan struct{}, seq uint64, fn func(sandbox.Moments) error) error {
	for {
		moments, news := r.after(seq)
		if n := len(moments.Items); n > 0 {
			seq = moments.Items[n-1].Seq
			if err := fn(moments); err != nil {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-gone:
			return sandbox.Errorf(sandbox.CodeNodeGone)
		case <-news:
		}
	}
}
