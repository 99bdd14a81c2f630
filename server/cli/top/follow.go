package top

import (
	"context"
	"time"

	"podlab/sandbox"
)

// again is the pause before a watch that broke off is begun anew.
const again = 300 * time.Millisecond

// news is one thing that came from the node.
type news struct {
	sandbox.Update
	err error // the watch broke off; nil when it goes on
}

// follow sends what the agent sees until ctx ends or the node is gone.
func follow(ctx context.Context, agent sandbox.Agent, poke <-chan struct{}, out chan<- news) error {
	for {
		err := agent.Watch(ctx, poke, func(u sandbox.Update) error { return send(ctx, out, news{Update: u}) })
		if ctx.Err() != nil || sandbox.CodeOf(err) == sandbox.CodeNodeGone || sandbox.CodeOf(err) == sandbox.CodeNotFound {
			return err
		}
		if err := send(ctx, out, news{err: err}); err != nil {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// kernel sends the kernel's moments from now on, and lets the agent look again after each.
func kernel(ctx context.Context, nodes sandbox.Nodes, id string, poke chan<- struct{}, out chan<- news) error {
	var after uint64
	for {
		err := nodes.Moments(ctx, id, after, func(ms sandbox.Moments) error {
			if n := len(ms.Items); n > 0 {
				after = ms.Items[n-1].Seq
			}
			select {
			case poke <- struct{}{}:
			default:
			}
			return send(ctx, out, news{Update: sandbox.Update{Moments: &ms}})
		})
		if ctx.Err() != nil || sandbox.CodeOf(err) == sandbox.CodeNodeGone {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func send(ctx context.Context, out chan<- news, n news) error {
	select {
	case out <- n:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func pause(ctx context.Context) error {
	select {
	case <-time.After(again):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
