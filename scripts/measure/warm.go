package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/gorilla/websocket"

	"podlab/labs/expr"
	"podlab/sandbox"
)

// benchWarm takes the time from the press of a lab's button to the frame that shows its pod ready, on a node made ahead and, by a second
// learner who comes before there is another, on one that is not.
func benchWarm(ctx context.Context, b *bench) error {
	return b.ahead(ctx, "warm", 1, benchClicks)
}

// benchClass takes the same of a class: all press at once, and a node is made ahead for each.
func benchClass(ctx context.Context, b *bench) error {
	return b.ahead(ctx, "class", class, benchClassClicks)
}

// ahead runs a benchmark on a host of its own that makes so many nodes ahead of a lab that begins with a pod.
func (b *bench) ahead(ctx context.Context, name string, nodes int, run func(context.Context, *bench) error) (err error) {
	own := *b
	own.lab, own.run = "1.1-demo", filepath.Join(b.run, name)
	if err := os.Mkdir(own.run, 0o755); err != nil {
		return err
	}
	if own.host, err = startHost(ctx, b.data, own.run, "--warm", strconv.Itoa(nodes), "--content", b.course); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, own.host.stop()) }()
	return run(ctx, &own)
}

func benchClicks(ctx context.Context, b *bench) error {
	var warm, cold times
	for range b.rounds {
		if err := b.awaitAhead(ctx, 1); err != nil {
			return err
		}
		for _, way := range []*times{&warm, &cold} {
			took, err := b.click(ctx)
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

func benchClassClicks(ctx context.Context, b *bench) error {
	if err := b.awaitAhead(ctx, class); err != nil {
		return err
	}
	learners, pages := make([]*learner, class), make([]*websocket.Conn, class)
	for i := range class {
		l, err := b.enter(ctx)
		if err != nil {
			return err
		}
		live, err := l.watch(ctx)
		if err != nil {
			return err
		}
		defer live.Close()
		learners[i], pages[i] = l, live
	}
	time.Sleep(time.Second) // what the pages' own loading took is over
	start := time.Now()
	took, err := atOnce(func(i int) error {
		_, err := learners[i].start(ctx, pages[i], podIsReady)
		return err
	})
	if err != nil {
		return err
	}
	figure("class.ready", time.Since(start).Seconds()*1e3, "ms")
	took.print("class.learner.ready")
	return nil
}

// click begins the lab as somebody new, and ends it again.
func (b *bench) click(ctx context.Context) (time.Duration, error) {
	l, err := b.enter(ctx)
	if err != nil {
		return 0, err
	}
	time.Sleep(100 * time.Millisecond) // what the page's own loading took is over
	live, err := l.watch(ctx)
	if err != nil {
		return 0, err
	}
	defer live.Close()
	took, err := l.start(ctx, live, podIsReady)
	return took, errors.Join(err, l.press(ctx, "end"))
}

func podIsReady(s *sandbox.Snapshot) bool {
	return len(s.Pods) > 0 && !slices.ContainsFunc(s.Pods, func(p sandbox.Pod) bool { return !expr.IsReady(&p) })
}

// awaitAhead waits until so many nodes are made ahead, and no other is there: they are frozen.
func (b *bench) awaitAhead(ctx context.Context, want int) error {
	patience := time.Minute + time.Duration(want)*20*time.Second
	for end := time.Now().Add(patience); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		nodes, err := b.host.daemon.List(ctx)
		if err != nil {
			return err
		}
		if len(nodes) == want && !slices.ContainsFunc(nodes, func(n sandbox.Node) bool { return !n.Frozen }) {
			time.Sleep(500 * time.Millisecond) // what making them took is given back
			return nil
		}
	}
	return fmt.Errorf("%d nodes are not made ahead: is the machine too busy?", want)
}
