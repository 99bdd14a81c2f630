package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/kubectl"
)

// podNames takes kubectl's ways of naming pods apart: "pods", "pod web", "pod/web", "web".
func podNames(words []string) (names []string) {
	if len(words) > 0 && isKind(words[0]) {
		words = words[1:]
	}
	for _, word := range words {
		names = append(names, strings.TrimPrefix(word, "pod/"))
	}
	return names
}

func (p *program) describePods(ctx context.Context, args []string) (int, error) {
	words, _, err := flags{}.parse(args)
	if err != nil {
		return 0, err
	}
	snapshot, moments, err := kubectl.Look(ctx, p.agent)
	if err != nil {
		return 0, err
	}
	pods, err := choose(snapshot.Pods, podNames(words))
	if err != nil {
		return 0, err
	}
	if len(pods) == 0 {
		p.complain(p.words.say("no_pods"))
	}
	for i, pod := range pods {
		if i > 0 {
			fmt.Fprint(p.out, "\n\n")
		}
		if err := kubectl.Describe(p.out, pod, snapshot, kubectl.Events(moments, pod.Metadata.Name)); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

func (p *program) events(ctx context.Context, args []string) (int, error) {
	var watch bool
	var about []string
	words, _, err := flags{
		bools:  map[string]*bool{"w": &watch, "watch": &watch},
		values: map[string]*[]string{"for": &about},
	}.parse(args)
	if err != nil {
		return 0, err
	}
	names := podNames(append(words, about...))
	if len(names) > 1 {
		return 0, wrongUsage("which_pod")
	}
	pod := last(names, "")
	if watch {
		return 0, kubectl.FollowEvents(ctx, p.agent, pod, p.out)
	}
	snapshot, moments, err := kubectl.Look(ctx, p.agent)
	if err != nil {
		return 0, err
	}
	events := kubectl.Events(moments, pod)
	if len(events) == 0 {
		p.complain(p.words.say("no_events"))
		return 0, nil
	}
	return 0, kubectl.WriteEvents(p.out, events, snapshot.Time)
}

// waitFor is how long kubectl wait waits when it is not told.
const waitFor = "30s"

func (p *program) waitPods(ctx context.Context, args []string) (int, error) {
	var all bool
	var goals, timeout []string
	words, _, err := flags{
		bools:  map[string]*bool{"all": &all},
		values: map[string]*[]string{"for": &goals, "timeout": &timeout},
	}.parse(args)
	if err != nil {
		return 0, err
	}
	names := podNames(words)
	if (len(names) == 0) != all {
		return 0, wrongUsage("which_pod")
	}
	goal, err := kubectl.ParseGoal(last(goals, ""))
	if err != nil {
		return 0, wrongUsage("bad_goal")
	}
	limit, err := time.ParseDuration(last(timeout, waitFor))
	if err != nil {
		return 0, wrongUsage("bad_span", "value", last(timeout, ""))
	}
	err = kubectl.Wait(ctx, p.agent, names, goal, limit, p.out)
	if errors.Is(err, kubectl.ErrTimeout) {
		p.complain("error: " + err.Error())
		return exitFailed, nil
	}
	return 0, err
}

func (p *program) portForward(ctx context.Context, args []string) (int, error) {
	words, _, err := flags{}.parse(args)
	if err != nil {
		return 0, err
	}
	if len(words) == 0 {
		return 0, wrongUsage("which_pod")
	}
	ports, err := kubectl.ParsePorts(words[1:])
	if err != nil || len(ports) == 0 {
		return 0, wrongUsage("bad_ports")
	}
	name := strings.TrimPrefix(words[0], "pod/")
	snapshot, err := p.agent.Snapshot(ctx)
	if err != nil {
		return 0, err
	}
	pod, err := findPod(snapshot.Pods, name)
	if err != nil {
		return 0, err
	}
	if pod.Status.Phase != "Running" {
		return 0, sandbox.Errorf(sandbox.CodeNotRunning, "kind", sandbox.ManifestPod, "name", name)
	}
	if err = kubectl.Forward(ctx, p.agent, name, ports, p.out, p.err); err != nil {
		p.complain("error: " + err.Error())
		return exitFailed, nil //nolint:nilerr // it has been told
	}
	return 0, nil
}
