package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/engine"
	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/observe"
)

// rehearsalTime is how long the pod may take to run; it takes some 50 ms. Its end has the time that it takes: the node is no spare before it.
const rehearsalTime = 5 * time.Second

// rehearsed is the pod of a rehearsal: its container does what infra does, and needs no other image.
const rehearsed = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"rehearsal"},
	"spec":{"terminationGracePeriodSeconds":0,"containers":[{"name":"one","image":"podlab/pause"}]}}`

// rehearse has a pod start and end, in a node that nobody has asked for yet: the pages and types that an agent touches for the first time then
// make the first start a third longer than the next. It has an engine of its own, and nothing is told of it. What it leaves is what the end of
// any pod leaves (TestSpareIsAsNew).
func rehearse(ctx context.Context, keeper engine.Keeper, images *image.Store) (err error) {
	state, disk := filepath.Join(StateDir, "rehearsal"), filepath.Join(DiskDir, "rehearsal")
	defer func() { err = errors.Join(err, os.RemoveAll(state), os.RemoveAll(disk)) }()
	stage, err := engine.Open(engine.Config{
		Images: images, State: state, Disk: disk, Subnet: os.Getenv("PODLAB_SUBNET"), Log: slog.New(slog.DiscardHandler),
	}, keeper, func(sandbox.Moment) {})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.Close()) }()
	pod, err := stage.Apply(ctx, []byte(rehearsed))
	if err != nil {
		return err
	}
	failed := play(ctx, stage)
	return errors.Join(failed, stage.Delete(ctx, pod.Ref, 0))
}

// play looks at the pod as a watch does, until it runs.
func play(ctx context.Context, stage *engine.Engine) error {
	ctx, cancel := context.WithTimeout(ctx, rehearsalTime)
	defer cancel()
	observer := &observe.Observer{Life: life(), Proc: "/proc", Cgroup: "/sys/fs/cgroup", Disk: DiskDir}
	for {
		state := stage.State()
		running := 0
		for _, c := range state.Containers {
			if c.State == sandbox.StateRunning {
				running++
			}
		}
		if running == 2 { // infra, too
			observer.Snapshot(input(state))
			return nil
		}
		select {
		case <-stage.Changed():
		case <-ctx.Done():
			return fmt.Errorf("%d of 2 containers run: %w", running, ctx.Err())
		}
	}
}
