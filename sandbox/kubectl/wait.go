package kubectl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"podlab/sandbox"
)

// Goal is what kubectl wait --for waits for: a condition's status, or that the pod is gone.
type Goal struct {
	Condition, Status string
	Delete            bool
}

// ErrGoal says that --for cannot be understood.
var ErrGoal = errors.New("--for: write condition=NAME, condition=NAME=STATUS or delete")

// ErrTimeout says that the goal was not reached in time.
var ErrTimeout = errors.New("timed out waiting for the condition")

// longest is what kubectl takes a negative timeout for.
const longest = 7 * 24 * time.Hour

// ParseGoal reads the value of --for.
func ParseGoal(text string) (Goal, error) {
	if strings.EqualFold(text, "delete") {
		return Goal{Delete: true}, nil
	}
	rest, ok := strings.CutPrefix(text, "condition=")
	name, status, given := strings.Cut(rest, "=")
	if !ok || name == "" {
		return Goal{}, ErrGoal
	}
	if !given {
		status = "true"
	}
	return Goal{Condition: name, Status: status}, nil
}

// met says whether the pod has reached the goal; it is not_found when it is gone and that was not the goal.
func (g Goal) met(s sandbox.Snapshot, name string) (bool, error) {
	i := slices.IndexFunc(s.Pods, func(p sandbox.Pod) bool { return p.Metadata.Name == name })
	switch {
	case i < 0 && g.Delete:
		return true, nil
	case i < 0:
		return false, sandbox.Errorf(sandbox.CodeNotFound, "kind", sandbox.ManifestPod, "name", name)
	case g.Delete:
		return false, nil
	}
	return slices.ContainsFunc(s.Pods[i].Status.Conditions, func(c sandbox.PodCondition) bool {
		return strings.EqualFold(c.Type, g.Condition) && strings.EqualFold(c.Status, g.Status)
	}), nil
}

// Wait returns when each pod has reached the goal, and says so one by one; no names means all pods. A timeout of 0 looks once. Errors:
// ErrTimeout with the pods' names, not_found.
func Wait(ctx context.Context, agent sandbox.Agent, names []string, goal Goal, timeout time.Duration, out io.Writer) error {
	if timeout < 0 {
		timeout = longest
	}
	limited, cancel := context.WithTimeout(ctx, max(timeout, time.Millisecond))
	defer cancel()
	var open []string
	known := false
	look := func(s sandbox.Snapshot) error {
		if !known {
			known, open = true, names
			if len(names) == 0 {
				for _, p := range s.Pods {
					open = append(open, p.Metadata.Name)
				}
			}
		}
		var left []string
		for _, name := range open {
			met, err := goal.met(s, name)
			switch {
			case err != nil:
				return err
			case met:
				fmt.Fprintf(out, "pod/%s condition met\n", Clean(name))
			default:
				left = append(left, name)
			}
		}
		if open = left; len(open) == 0 {
			return errSeen
		}
		return nil
	}
	s, err := agent.Snapshot(ctx)
	if err == nil {
		err = look(s)
	}
	for err == nil {
		err = agent.Watch(limited, nil, func(u sandbox.Update) error {
			if u.Snapshot == nil {
				return nil
			}
			return look(*u.Snapshot)
		})
		if sandbox.CodeOf(err) == sandbox.CodeUnavailable && pause(limited) {
			err = nil // the agent starts again
		}
	}
	switch {
	case errors.Is(err, errSeen):
		return nil
	case ctx.Err() == nil && limited.Err() != nil:
		return fmt.Errorf("%w on pods/%s", ErrTimeout, strings.Join(open, ", pods/"))
	}
	return err
}

// again is how soon an agent that is away is asked again.
const again = 50 * time.Millisecond

// pause waits a moment; false when ctx has ended.
func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(again):
		return true
	}
}
