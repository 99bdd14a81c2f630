package warm

import (
	"context"
	"errors"
	"time"

	"podlab/sandbox"
)

const makeTime = 2 * time.Minute // for a node with its step set up, until it stands still

// add makes a node and keeps it, or removes it again.
func (p *Pool) add(ctx context.Context, m *making) {
	defer close(m.done)
	defer m.cancel()
	began := time.Now()
	node, err := p.make(m)
	if err = p.keep(m, node, err); err == nil {
		p.cfg.Log.Info("node made ahead", "node", m.id, "lab", m.lab, "took", time.Since(began).Round(time.Millisecond))
		return
	}
	<-p.cfg.Discard(m.id)
	p.fail(m, node, err)
	if ctx.Err() != nil {
		p.remove(m.id)
	}
}

// make makes a node, sets the step up, and stops the node where it stands still.
func (p *Pool) make(m *making) (n Node, err error) {
	kind := p.cfg.Kinds[m.lab]
	spec := kind.Spec
	spec.ID = m.id
	n = Node{lab: m.lab, images: p.cfg.Images()}
	if n.Node, err = p.cfg.Nodes.Create(m.ctx, spec); err != nil {
		return n, err
	}
	agent := p.cfg.Nodes.Agent(n.Node)
	start, err := kind.SetUp(m.ctx, agent)
	if err != nil {
		return n, err
	}
	n.Since = start.Since
	if err := settle(m.ctx, agent, &start.Now); err != nil {
		return n, err
	}
	return n, p.cfg.Nodes.Freeze(m.ctx, m.id)
}

// keep takes up a node that was made, unless its room was needed meanwhile.
func (p *Pool) keep(m *making, n Node, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		err = m.ctx.Err()
	}
	if err == nil {
		p.nodes, p.making = append(p.nodes, n), nil
	}
	return err
}

// fail says why there is no node.
func (p *Pool) fail(m *making, n Node, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.making = nil
	p.pause(again)
	switch {
	case errors.Is(err, errMoves), sandbox.CodeOf(err) == sandbox.CodeUnknownImage:
		p.unfit[m.lab] = n.images
		p.cfg.Log.Info("a lab is not made ahead", "lab", m.lab, "reason", err)
	case errors.Is(m.ctx.Err(), context.Canceled), sandbox.CodeOf(err) == sandbox.CodeMachineFull: // its room is wanted
		p.cfg.Log.Debug("no node ahead", "lab", m.lab, "error", err)
	default:
		p.pause(look)
		p.cfg.Log.Warn("no node ahead", "lab", m.lab, "error", err)
	}
}
