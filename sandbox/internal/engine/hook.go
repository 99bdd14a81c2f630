package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"podlab/sandbox"
)

// Names of a container's hooks.
const (
	postStart = "postStart"
	preStop   = "preStop"
)

// hook is the container's hook of that name, nil for none.
func (c *container) hook(name string) *sandbox.Hook {
	switch {
	case c.spec == nil || c.spec.Lifecycle == nil:
		return nil
	case name == postStart:
		return c.spec.Lifecycle.PostStart
	}
	return c.spec.Lifecycle.PreStop
}

// begun runs postStart in a container that was just started. Until it is over the container does not count as running: its status waits
// and nothing probes it (API reference, Lifecycle.postStart).
func (c *container) begun() {
	h := c.hook(postStart)
	if h == nil {
		c.comeUp()
		return
	}
	c.run.Hooking = true
	attempt := c.run.Attempt
	c.background(c.alive.life, func(ctx context.Context) {
		err := c.runHook(ctx, h)
		c.unit.post(func() { c.postStarted(attempt, err) })
	})
}

// postStarted: a container whose postStart failed is killed, and its policy decides what comes then.
func (c *container) postStarted(attempt int, err error) {
	r := c.run
	if r.Attempt != attempt || !c.isRunning() {
		return
	}
	r.Hooking = false
	if err == nil {
		c.comeUp()
	} else {
		c.unit.emit(sandbox.MomentContainer, "FailedPostStartHook", c, "detail", clip(err.Error()))
		now := time.Now()
		c.stop(now, now.Add(time.Duration(c.unit.object.grace())*time.Second), postStart)
	}
	c.unit.publish()
}

// preStop runs the hook of a container that is to be stopped, then sends the stop signal. A hook that fails, or lasts longer than the
// grace, changes nothing about that.
func (c *container) preStop() {
	h := c.hook(preStop)
	if h == nil {
		c.terminate()
		return
	}
	attempt := c.run.Attempt
	ctx, cancel := context.WithDeadline(c.alive.life, c.run.StopBy)
	c.background(ctx, func(ctx context.Context) {
		defer cancel()
		err := c.runHook(ctx, h)
		c.unit.post(func() { c.preStopped(attempt, err) })
	})
}

func (c *container) preStopped(attempt int, err error) {
	if c.run.Attempt != attempt || !c.isRunning() || c.run.Signaled {
		return
	}
	if err != nil {
		c.unit.emit(sandbox.MomentContainer, "FailedPreStopHook", c, "detail", clip(err.Error()))
	}
	c.terminate()
	c.unit.publish()
}

// background runs work that ends with the container, or with the engine.
func (c *container) background(ctx context.Context, work func(context.Context)) {
	c.unit.engine.owners.Go(func() { work(ctx) })
}

// runHook does what a hook says. Of an HTTP request only its way counts, not the answer's status, as in the kubelet.
func (c *container) runHook(ctx context.Context, h *sandbox.Hook) error {
	switch {
	case h.Exec != nil:
		output, code, err := c.execute(ctx, h.Exec.Command, false)
		if err == nil && code != 0 {
			err = fmt.Errorf("command '%s' exited with %d: %s", strings.Join(h.Exec.Command, " "), code, output)
		}
		return err
	case h.HTTPGet != nil:
		_, _, err := c.httpGet(ctx, h.HTTPGet)
		return err
	case h.Sleep != nil:
		select {
		case <-time.After(c.unit.seconds(int(h.Sleep.Seconds), 0)):
		case <-ctx.Done():
		}
	}
	return nil
}
