package warm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"podlab/labs/expr"
	"podlab/sandbox"
)

const (
	readyTime = 30 * time.Second // from the end of the set-up until all is up
	stillTime = 2 * time.Second  // for which it then has to stand still
)

var (
	// errMoves says that a step's start goes on by itself: while nobody looks, the learner would miss it.
	errMoves = errors.New("what its first step starts does not stand still")
	errUp    = errors.New("up")
)

// settle waits until all that a step started is up, and sees that it stands still. from is the node when the step began.
func settle(ctx context.Context, agent sandbox.Agent, from *sandbox.Snapshot) error {
	var up sandbox.Snapshot
	err := watch(ctx, agent, readyTime, func(now *sandbox.Snapshot) error {
		switch {
		case moved(from, now):
			return errMoves
		case isUp(now):
			up = *now
			return errUp
		}
		return nil
	})
	if !errors.Is(err, errUp) {
		return fmt.Errorf("its first step's start is not up: %w", err)
	}
	err = watch(ctx, agent, stillTime, func(now *sandbox.Snapshot) error {
		if moved(&up, now) || !isUp(now) {
			return errMoves
		}
		return nil
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil
	}
	return err
}

// watch shows fn the node for a while, or until fn fails.
func watch(ctx context.Context, agent sandbox.Agent, limit time.Duration, fn func(*sandbox.Snapshot) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := agent.Watch(ctx, nil, func(u sandbox.Update) error {
		if u.Snapshot == nil {
			return nil
		}
		return fn(u.Snapshot)
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// isUp reports whether nothing on the node is still on its way: containers run or have ended, and pods that have not are ready.
func isUp(s *sandbox.Snapshot) bool {
	waits := func(c sandbox.Container) bool { return c.State == sandbox.StateWaiting }
	comes := func(p sandbox.Pod) bool {
		return p.Status.Phase != "Succeeded" && p.Status.Phase != "Failed" && !expr.IsReady(&p)
	}
	return !slices.ContainsFunc(s.Containers, waits) && !slices.ContainsFunc(s.Pods, comes)
}

// moved reports whether a container has ended or was started again since.
func moved(since, now *sandbox.Snapshot) bool {
	before := make(map[string]sandbox.Container, len(since.Containers))
	for _, c := range since.Containers {
		before[c.ID] = c
	}
	for _, c := range now.Containers {
		was := before[c.ID]
		ended := c.State == sandbox.StateExited && was.State != sandbox.StateExited
		if ended || c.Restarts > was.Restarts || was.PID != 0 && c.PID != was.PID {
			return true
		}
		delete(before, c.ID)
	}
	return len(before) > 0 // they were deleted
}
