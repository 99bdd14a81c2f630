package cli

import (
	"context"
	"errors"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/kubectl"
)

type logsCmd struct {
	containerFlags
	All        bool   `name:"all-containers" help:"Of all containers of the pod."`
	Prefix     bool   `help:"Say before each line whose it is."`
	Follow     bool   `short:"f" help:"Go on as the container writes."`
	Previous   bool   `short:"p" help:"Of the life before the last restart."`
	Tail       int    `help:"Only the last lines; -1 all, 0 none." default:"-1" placeholder:"N"`
	Since      string `help:"Only what is newer than a span such as 5m." placeholder:"SPAN"`
	SinceTime  string `name:"since-time" help:"Only what is newer than a time (RFC 3339)." placeholder:"TIME"`
	Timestamps bool   `help:"Put its time before each line."`
	LimitBytes int64  `name:"limit-bytes" help:"Print no more than so many bytes." placeholder:"N"`
}

func (c *logsCmd) Run(e *env) error {
	opt := sandbox.LogOptions{Previous: c.Previous, Follow: c.Follow, Timestamps: c.Timestamps, Limit: max(0, c.LimitBytes), Tail: c.Tail}
	switch {
	case c.Tail == 0:
		opt.Tail = -1
	case c.Tail < 0:
		opt.Tail = 0
	}
	var err error
	if opt.Since, err = kubectl.Since(c.Since, c.SinceTime, time.Now()); err != nil {
		return err
	}
	if c.All {
		err = c.all(e, opt)
	} else {
		err = c.one(e, opt)
	}
	if errors.Is(err, context.Canceled) {
		err = nil // Ctrl-C is how following ends
	}
	return err
}

func (c *logsCmd) one(e *env, opt sandbox.LogOptions) error {
	agent, id, err := c.find(e)
	if err != nil {
		return err
	}
	opt.Container = id
	return agent.Logs(e.ctx, opt, e.Out)
}

func (c *logsCmd) all(e *env, opt sandbox.LogOptions) error {
	agent, err := e.agent(c.Node)
	if err != nil {
		return err
	}
	snapshot, err := agent.Snapshot(e.ctx)
	if err != nil {
		return err
	}
	pod, err := podOf(snapshot, c.Pod)
	if err != nil {
		return err
	}
	return kubectl.AllLogs(e.ctx, agent, pod.Metadata.Name, kubectl.ContainerNames(pod), opt, c.Prefix, e.Out)
}
