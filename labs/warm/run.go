package warm

import (
	"context"
	"slices"
	"time"

	"podlab/sandbox"
)

const endTime = 2 * time.Second // for the removal of one

// Run makes and removes nodes until ctx ends, and then removes all.
func (p *Pool) Run(ctx context.Context) {
	if p.cfg.Most == 0 {
		return
	}
	defer p.end()
	for ctx.Err() == nil {
		p.drop(ctx)
		m, wait := p.next(ctx)
		if m != nil {
			p.add(ctx, m)
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-p.wake:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// drop removes nodes that stand on other images than a new one would, and forgets those that are gone.
func (p *Pool) drop(ctx context.Context) {
	if p.count() == 0 {
		return
	}
	listed, err := p.cfg.Nodes.List(ctx)
	images := p.cfg.Images()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nodes = slices.DeleteFunc(p.nodes, func(n Node) bool {
		there := err != nil || slices.ContainsFunc(listed, func(l sandbox.Node) bool { return l.Spec.ID == n.Spec.ID })
		if there && n.images == images {
			return false
		}
		p.cfg.Discard(n.Spec.ID)
		return true
	})
}

func (p *Pool) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.nodes)
}

// next begins with a node that is missing, in the place of one that is not wanted any more, or says how long until it is worth looking again.
func (p *Pool) next(ctx context.Context) (m *making, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	lab, unwanted := p.compare()
	switch left := time.Until(p.rest); {
	case lab == "":
		return nil, look
	case left > 0:
		return nil, left
	case p.cfg.Full(), time.Since(p.asked) < patience && p.cfg.Busy():
		return nil, Calm
	}
	if len(p.nodes) == p.cfg.Most {
		p.cfg.Discard(p.nodes[unwanted].Spec.ID)
		p.nodes = slices.Delete(p.nodes, unwanted, unwanted+1)
	}
	p.making = &making{id: p.cfg.NewID(), lab: lab, done: make(chan struct{})}
	p.making.ctx, p.making.cancel = context.WithTimeout(ctx, makeTime)
	return p.making, 0
}

// compare finds the lab asked for last that has too few nodes, and a node, by index, of one that has too many. The caller holds the lock.
func (p *Pool) compare() (lab string, unwanted int) {
	images := p.cfg.Images()
	want := slices.DeleteFunc(slices.Clone(p.recent), func(lab string) bool {
		_, known := p.cfg.Kinds[lab]
		state, unfit := p.unfit[lab]
		return !known || unfit && state == images
	})
	for i, n := range p.nodes {
		if at := slices.Index(want, n.lab); at >= 0 {
			want = slices.Delete(want, at, at+1)
		} else {
			unwanted = i
		}
	}
	if len(want) > 0 {
		lab = want[len(want)-1]
	}
	return lab, unwanted
}

// end destroys what nobody took.
func (p *Pool) end() {
	p.mu.Lock()
	nodes := p.nodes
	p.nodes = nil
	p.mu.Unlock()
	for _, n := range nodes {
		p.remove(n.Spec.ID)
	}
}

// remove destroys a node though the server ends. The daemon may be away: then the next start does it.
func (p *Pool) remove(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	if err := p.cfg.Nodes.Destroy(ctx, id); err != nil {
		p.cfg.Log.Warn("a node made ahead stays until the next start", "node", id, "error", err)
	}
}
