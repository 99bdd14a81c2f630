package kubectl

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"

	"podlab/sandbox"
)

// DebuggerName is a name for an ephemeral container that has none, as kubectl debug makes it.
func DebuggerName() string {
	const letters = "bcdfghjklmnpqrstvwxz2456789" // k8s.io/apimachinery/pkg/util/rand: no words
	name := []byte("debugger-")
	for range 5 {
		name = append(name, letters[rand.IntN(len(letters))])
	}
	return string(name)
}

// Debug adds an ephemeral container to a pod and returns when it has started, or ended already (KEP-277, KEP-1441). Errors: not_found, and
// those of Agent.Apply.
func Debug(ctx context.Context, agent sandbox.Agent, pod string, c sandbox.EphemeralContainer) error {
	objects, err := agent.Get(ctx, sandbox.Ref{Kind: sandbox.ManifestPod, Name: pod})
	if err != nil {
		return err
	}
	if len(objects) != 1 {
		return sandbox.Errorf(sandbox.CodeNotFound, "kind", sandbox.ManifestPod, "name", pod)
	}
	var p sandbox.Pod
	if err := json.Unmarshal(objects[0], &p); err != nil {
		return err
	}
	p.Status, p.Metadata.UID, p.Metadata.CreationTimestamp = sandbox.PodStatus{}, "", "" // the agent's to say
	p.Spec.EphemeralContainers = append(p.Spec.EphemeralContainers, c)
	object, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if _, err := agent.Apply(ctx, [][]byte{object}); err != nil {
		return err
	}
	return awaitStart(ctx, agent, pod+"/"+c.Name)
}

// awaitStart returns when a container runs or has run.
func awaitStart(ctx context.Context, agent sandbox.Agent, id string) error {
	err := agent.Watch(ctx, nil, func(u sandbox.Update) error {
		if u.Snapshot == nil {
			return nil
		}
		for _, c := range u.Snapshot.Containers {
			if c.ID == id && (c.State == sandbox.StateRunning || c.State == sandbox.StateExited) {
				return errSeen
			}
		}
		return nil
	})
	if errors.Is(err, errSeen) {
		return nil
	}
	return err
}
