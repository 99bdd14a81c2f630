package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"podlab/labs/expr"
	"podlab/sandbox"
)

// benchWarm takes the time from the press of a lab's button to the frame that shows its pod ready, on a node made ahead and, by a second
// learner who comes before there is another, on one that is not.
func benchWarm(ctx context.Context, b *bench) (err error) {
	own := *b
	own.lab, own.run = "1.1-demo", filepath.Join(b.run, "warm")
	if err := os.Mkdir(own.run, 0o755); err != nil {
		return err
	}
	if own.host, err = startHost(ctx, b.data, own.run, "--warm", "1", "--content", b.course); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, own.host.stop()) }()
	var warm, cold times
	for range b.rounds {
		if err := own.awaitAhead(ctx); err != nil {
			return err
		}
		for _, way := range []*times{&warm, &cold} {
			took, err := own.click(ctx)
			if err != nil {
				return err
			}
			*way = append(*way, took)
		}
	}
	warm.print("warm.ready")
	cold.print("warm.none.ready")
	return nil
}

// click begins the lab as somebody new, and ends it again.
func (b *bench) click(ctx context.Context) (time.Duration, error) {
	l, err := b.enter(ctx)
	if err != nil {
		return 0, err
	}
	time.Sleep(100 * time.Millisecond) // what the page's own loading took is over
	live, shown, took, err := l.ready(ctx)
	if err != nil {
		return 0, err
	}
	defer live.Close()
	if len(shown.Pods) == 0 || slices.ContainsFunc(shown.Pods, func(p sandbox.Pod) bool { return !expr.IsReady(&p) }) {
		err = errors.New("the frame that says ready shows no pod that is")
	}
	return took, errors.Join(err, l.press(ctx, "end"))
}

// awaitAhead waits for the one node that is made ahead, and alone: it is frozen.
func (b *bench) awaitAhead(ctx context.Context) error {
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		nodes, err := b.host.daemon.List(ctx)
		if err != nil {
			return err
		}
		if len(nodes) == 1 && nodes[0].Frozen {
			time.Sleep(500 * time.Millisecond) // what making it took is given back
			return nil
		}
	}
	return fmt.Errorf("no node is made ahead: is the machine too busy?")
}
