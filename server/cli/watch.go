package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"podlab/sandbox"
)

type snapshotCmd struct {
	Node string `arg:"" help:"Node."`
}

func (c *snapshotCmd) Run(e *env) error {
	snapshot, err := e.snapshot(c.Node)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(e.Out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(snapshot)
}

type momentsCmd struct {
	Node   string `arg:"" help:"Node."`
	Follow bool   `short:"f" help:"Go on as things happen."`
}

// How long to wait for moments of the other source before those at hand are sorted and printed.
const (
	settle    = 150 * time.Millisecond
	mergeOver = 50 * time.Millisecond
)

// Run prints the moments of kernel and agent merged by time. Losses are lines too: {"lost":N,"source":…}.
func (c *momentsCmd) Run(e *env) error {
	node, err := e.find(c.Node)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	m := &merge{arrived: make(chan struct{}, 1)}
	var readers sync.WaitGroup
	readers.Go(func() {
		m.end(e.nodes.Moments(ctx, c.Node, 0, func(ms sandbox.Moments) error { m.add(sandbox.SourceKernel, ms); return nil }))
	})
	readers.Go(func() {
		m.end(e.nodes.Agent(node).Watch(ctx, nil, func(u sandbox.Update) error {
			if u.Moments != nil {
				m.add(sandbox.SourceAgent, *u.Moments)
			}
			return nil
		}))
	})
	err = m.print(e, c.Follow)
	cancel()
	readers.Wait()
	return err
}

// merge holds what has arrived and is not yet printed.
type merge struct {
	mu      sync.Mutex
	items   []sandbox.Moment
	lost    []loss
	err     error
	arrived chan struct{}
}

type loss struct {
	Lost   uint64 `json:"lost"`
	Source string `json:"source"`
}

func (m *merge) add(source string, ms sandbox.Moments) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.items = append(m.items, ms.Items...)
	if ms.Lost > 0 {
		m.lost = append(m.lost, loss{ms.Lost, source})
	}
	m.wake()
}

func (m *merge) end(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.err = err
	}
	m.wake()
}

func (m *merge) wake() {
	select {
	case m.arrived <- struct{}{}:
	default:
	}
}

func (m *merge) take() (items []sandbox.Moment, lost []loss, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	items, m.items = m.items, nil
	lost, m.lost = m.lost, nil
	slices.SortStableFunc(items, func(a, b sandbox.Moment) int { return cmp.Compare(a.Time, b.Time) })
	return items, lost, m.err
}

// print waits until it has been quiet for a moment, prints what there is, and goes on if asked to.
func (m *merge) print(e *env, follow bool) error {
	encoder := json.NewEncoder(e.Out)
	for quiet := settle; ; quiet = mergeOver {
		if !m.wait(e.ctx, quiet, quiet == settle) {
			return nil
		}
		items, lost, err := m.take()
		for _, l := range lost {
			if err := encoder.Encode(l); err != nil {
				return err
			}
		}
		for _, item := range items {
			if err := encoder.Encode(item); err != nil {
				return err
			}
		}
		if err != nil || !follow {
			return err
		}
	}
}

// wait returns when nothing more has arrived for the time quiet; unless at once, something must have arrived first.
func (m *merge) wait(ctx context.Context, quiet time.Duration, atOnce bool) bool {
	if !atOnce {
		select {
		case <-ctx.Done():
			return false
		case <-m.arrived:
		}
	}
	for deadline := time.After(10 * quiet); ; {
		select {
		case <-ctx.Done():
			return false
		case <-deadline: // a busy node is never quiet
			return true
		case <-time.After(quiet):
			return true
		case <-m.arrived:
		}
	}
}
