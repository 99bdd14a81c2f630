package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/kubectl"
)

// logOptions are those of kubectl logs and docker logs.
type logOptions struct {
	follow, previous, stamps, all, prefix     bool
	container, tail, since, sinceTime, atMost []string
}

func (o *logOptions) forPods() flags {
	return flags{
		bools: map[string]*bool{
			"f": &o.follow, "follow": &o.follow, "p": &o.previous, "previous": &o.previous, "timestamps": &o.stamps,
			"all-containers": &o.all, "prefix": &o.prefix,
		},
		values: map[string]*[]string{
			"c": &o.container, "container": &o.container, "tail": &o.tail, "since": &o.since, "since-time": &o.sinceTime, "limit-bytes": &o.atMost,
		},
	}
}

func (o *logOptions) forContainers() flags {
	return flags{
		bools:  map[string]*bool{"f": &o.follow, "follow": &o.follow, "t": &o.stamps, "timestamps": &o.stamps},
		values: map[string]*[]string{"tail": &o.tail, "n": &o.tail, "since": &o.since},
	}
}

// options are those of the contract; the container is left open.
func (o *logOptions) options() (sandbox.LogOptions, error) {
	opt := sandbox.LogOptions{Previous: o.previous, Follow: o.follow, Timestamps: o.stamps}
	var err error
	if opt.Tail, err = linesOf(o.tail); err != nil {
		return opt, err
	}
	if text := last(o.atMost, ""); text != "" {
		if opt.Limit, err = strconv.ParseInt(text, 10, 64); err != nil || opt.Limit < 1 {
			return opt, wrongUsage("bad_number", "value", text)
		}
	}
	if opt.Since, err = kubectl.Since(last(o.since, ""), last(o.sinceTime, ""), time.Now()); err != nil {
		return opt, wrongUsage("bad_since")
	}
	return opt, nil
}

// linesOf reads --tail: -1 is all, and 0 none.
func linesOf(tail []string) (int, error) {
	text := last(tail, "-1")
	n, err := strconv.Atoi(text)
	switch {
	case text == "all", n == -1 && err == nil:
		return 0, nil
	case err != nil || n < -1:
		return 0, wrongUsage("bad_number", "value", text)
	case n == 0:
		return -1, nil
	}
	return n, nil
}

func (p *program) logsPod(ctx context.Context, args []string) (int, error) {
	var o logOptions
	words, _, err := o.forPods().parse(args)
	if err != nil {
		return 0, err
	}
	if len(words) == 0 || len(words) > 2 {
		return 0, wrongUsage("which_pod")
	}
	if len(words) == 2 {
		o.container = append(o.container, words[1])
	}
	opt, err := o.options()
	if err != nil {
		return 0, err
	}
	if o.all {
		return 0, p.allLogs(ctx, words[0], opt, o.prefix)
	}
	pod, name, err := p.pickContainer(ctx, words[0], last(o.container, ""))
	if err != nil {
		return 0, err
	}
	return 0, ended(kubectl.AllLogs(ctx, p.agent, pod.Metadata.Name, []string{name}, opt, o.prefix, p.out))
}

func (p *program) allLogs(ctx context.Context, name string, opt sandbox.LogOptions, prefix bool) error {
	snapshot, err := p.agent.Snapshot(ctx)
	if err != nil {
		return err
	}
	pod, err := findPod(snapshot.Pods, name)
	if err != nil {
		return err
	}
	return ended(kubectl.AllLogs(ctx, p.agent, pod.Metadata.Name, kubectl.ContainerNames(pod), opt, prefix, p.out))
}

func (p *program) logsContainer(ctx context.Context, args []string) (int, error) {
	var o logOptions
	names, _, err := o.forContainers().parse(args)
	if err != nil {
		return 0, err
	}
	if len(names) != 1 {
		return 0, wrongUsage("which_container")
	}
	opt, err := o.options()
	if err != nil {
		return 0, err
	}
	opt.Container = names[0]
	return 0, ended(p.agent.Logs(ctx, opt, p.out))
}

// ended takes ^C for how following ends.
func ended(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
