package labs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"podlab/labs/expr"
	"podlab/sandbox"
	"podlab/sandbox/manifest"
)

// Actor does a lab's actions on a node.
type Actor struct {
	Agent sandbox.Agent
	Lab   *Lab
	// seen is what waiting sees besides the snapshot; nil: nothing.
	seen func() (moments expr.Moments, kept map[string]string)
}

// waitPace is between two looks of a wait action; actionLimit bounds one that runs a command.
const (
	waitPace    = 50 * time.Millisecond
	actionLimit = 60 * time.Second
	maxOutput   = 4 << 10 // of an action's command, for the log
)

// Do does the actions one after another. The error names the line in lab.yaml of the first that failed.
func (a Actor) Do(ctx context.Context, actions []Action) error {
	for i := range actions {
		if err := a.do(ctx, &actions[i]); err != nil {
			return fmt.Errorf("lab %s, line %d: %w", a.Lab.ID, actions[i].line, err)
		}
	}
	return nil
}

func (a Actor) do(ctx context.Context, action *Action) error {
	switch {
	case action.Apply != "":
		return a.apply(ctx, a.Lab.Files[action.Apply])
	case action.Container != nil:
		_, err := a.Agent.Apply(ctx, [][]byte{action.Container})
		return err
	case action.Delete != "":
		return a.Agent.Delete(ctx, refOf(action.Delete), -1)
	case action.Run != "":
		return a.run(ctx, "", "sh", "-c", action.Run)
	case action.Exec != nil:
		return a.run(ctx, action.Exec.Container, action.Exec.Argv...)
	case action.Write != nil:
		return a.Agent.WriteFile(ctx, action.Write.File, action.Write.Data)
	case action.Wait != nil:
		return a.wait(ctx, action.Wait)
	}
	return nil
}

func (a Actor) apply(ctx context.Context, text []byte) error {
	objects, err := manifest.Decode(text)
	if err != nil {
		return err
	}
	_, err = a.Agent.Apply(ctx, manifest.Bytes(objects))
	return err
}

// refOf reads pod/NAME and container/NAME.
func refOf(s string) sandbox.Ref {
	kind, name, _ := strings.Cut(s, "/")
	if kind == "pod" {
		return sandbox.Ref{Kind: sandbox.ManifestPod, Name: name}
	}
	return sandbox.Ref{Kind: sandbox.ManifestContainer, Name: name}
}

func (a Actor) run(ctx context.Context, container string, argv ...string) error {
	ctx, cancel := context.WithTimeout(ctx, actionLimit)
	defer cancel()
	out := &bounded{limit: maxOutput}
	exit, err := a.Agent.Exec(ctx, sandbox.ExecSpec{Container: container, Argv: argv}, sandbox.Streams{Out: out, Err: out})
	if err != nil {
		return err
	}
	if exit.Code != 0 {
		return fmt.Errorf("%q ended with %d: %s", strings.Join(argv, " "), exit.Code, bytes.TrimSpace(out.data))
	}
	return nil
}

// wait looks at the node until the condition is true.
func (a Actor) wait(ctx context.Context, c *expr.Condition) error {
	ctx, cancel := context.WithTimeout(ctx, WaitLimit)
	defer cancel()
	for {
		holds, last := a.holds(ctx, c)
		if holds {
			return nil
		}
		if last != nil && !isAway(last) && !expr.IsAbsent(last) {
			return fmt.Errorf("waiting for %s: %w", c.Source, last)
		}
		if sleep(ctx, waitPace) != nil {
			return errors.Join(fmt.Errorf("waited %v for %s", WaitLimit, c.Source), last)
		}
	}
}

// holds looks at the node once.
func (a Actor) holds(ctx context.Context, c *expr.Condition) (bool, error) {
	snapshot, err := a.Agent.Snapshot(ctx)
	if err != nil {
		return false, err
	}
	var moments expr.Moments
	var kept map[string]string
	if a.seen != nil {
		moments, kept = a.seen()
	}
	return c.Holds(expr.NewScope(&snapshot, moments, kept))
}

// manifests puts the files that the learner edits into the node. What is there already, on a node that goes on, stays.
func (a Actor) manifests(ctx context.Context, step *Step, fresh bool) error {
	for _, m := range step.Manifests {
		if !fresh {
			if _, err := a.Agent.ReadFile(ctx, m.File); err == nil {
				continue
			}
		}
		if err := a.Agent.WriteFile(ctx, m.File, a.Lab.Files[m.From]); err != nil {
			return fmt.Errorf("manifest %s: %w", m.File, err)
		}
	}
	return nil
}

// bounded keeps the first bytes of what is written to it and drops the rest.
type bounded struct {
	data  []byte
	limit int
}

func (b *bounded) Write(p []byte) (int, error) {
	b.data = append(b.data, p[:min(len(p), b.limit-len(b.data))]...)
	return len(p), nil
}
