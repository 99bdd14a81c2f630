package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"podlab/sandbox"
)

// runContainer runs a command in a container with a root of its own over the image, shows what it says, and returns where the
// container's upper directory is. forget removes the container; it is never nil.
func (b *building) runContainer(ctx context.Context, name, ref string, argv []string) (upper string, forget func(), err error) {
	spec := sandbox.PlainSpec{RestartPolicy: "Never"}
	spec.Name, spec.Image, spec.Command = name, ref, argv
	object, err := json.Marshal(sandbox.PlainContainer{
		APIVersion: sandbox.APIVersionContainer, Kind: sandbox.ManifestContainer, Metadata: sandbox.ObjectMeta{Name: name}, Spec: spec,
	})
	if err != nil {
		return "", func() {}, err
	}
	if _, err := b.agent.Apply(ctx, [][]byte{object}); err != nil {
		return "", func() {}, err
	}
	forget = func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = b.agent.Delete(ctx, sandbox.Ref{Kind: sandbox.ManifestContainer, Name: name}, 0) // it may be gone
	}
	logs := make(chan error, 1)
	go func() { logs <- b.agent.Logs(ctx, sandbox.LogOptions{Container: name, Follow: true}, b.out) }()
	ended, err := b.await(ctx, name)
	if err != nil {
		forget() // ends the log, too
		<-logs   //nolint:errcheck // err says more
		return "", func() {}, err
	}
	select {
	case <-logs: //nolint:errcheck // what it says of a container that is gone by now is of no use
	case <-time.After(2 * time.Second):
	}
	if ended.ExitCode != 0 {
		return "", forget, fmt.Errorf("%w %d", errExit, ended.ExitCode)
	}
	if len(ended.Layers) == 0 {
		return "", forget, errors.New("the container has no layers")
	}
	return ended.Layers[len(ended.Layers)-1].Path, forget, nil
}

// errExit is in the chain when a command of RUN failed.
var errExit = errors.New("exit status")

var errFound = errors.New("found")

// await returns the container when it has ended.
func (b *building) await(ctx context.Context, name string) (ended sandbox.Container, err error) {
	err = b.agent.Watch(ctx, nil, func(u sandbox.Update) error {
		if u.Snapshot == nil {
			return nil
		}
		for _, c := range u.Snapshot.Containers {
			if c.ID == name && c.State == sandbox.StateExited {
				ended = c
				return errFound
			}
		}
		return nil
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return ended, err
}
