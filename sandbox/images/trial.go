package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/image"
)

// trialTime is how long an image may take to start.
const trialTime = 60 * time.Second

// tell prints the size of the images that were asked for, and how long each takes to start in a node of this host's daemon.
func (c *buildCmd) tell(e *env) error {
	opened, err := image.Open(c.Out)
	if err != nil {
		return err
	}
	for _, name := range c.Names {
		img, err := opened.Lookup(name)
		if err != nil {
			return err
		}
		own := img.Layers[len(img.Layers)-1].Bytes
		took, err := e.trial(img)
		started := fmt.Sprintf("starts in %.1f s", took.Seconds())
		if err != nil {
			started = fmt.Sprintf("start-up time not measured: %v", err)
		}
		fmt.Printf("  %-10s %s, %s of them its own; %s\n", img.Name, megabytes(img.Size), megabytes(own), started)
	}
	return nil
}

// trial starts the image as a container on a node of its own, and returns when it listens on its port; an image without one when it runs.
func (e *env) trial(img image.Image) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(e.ctx, trialTime)
	defer cancel()
	node, err := e.nodes.Create(ctx, sandbox.NodeSpec{ID: fmt.Sprintf("trial-%d", os.Getpid())})
	if err != nil {
		return 0, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, e.nodes.Destroy(ctx, node.Spec.ID))
	}()
	spec := sandbox.PlainSpec{RestartPolicy: "Never"}
	spec.Name, spec.Image = "trial", img.Name
	object, err := json.Marshal(sandbox.PlainContainer{
		APIVersion: sandbox.APIVersionContainer, Kind: sandbox.ManifestContainer, Metadata: sandbox.ObjectMeta{Name: spec.Name}, Spec: spec,
	})
	if err != nil {
		return 0, err
	}
	agent := e.nodes.Agent(node)
	begin := time.Now()
	if _, err := agent.Apply(ctx, [][]byte{object}); err != nil {
		return 0, err
	}
	for {
		shot, err := agent.Snapshot(ctx)
		if err != nil {
			return 0, err
		}
		up, err := isUp(shot, spec.Name, img.Config.ExposedPorts)
		if up || err != nil {
			return time.Since(begin), err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// isUp reports whether the container listens on all ports.
func isUp(shot sandbox.Snapshot, name string, ports []int) (bool, error) {
	listening := map[int]bool{}
	for _, n := range shot.Networks {
		for _, s := range n.Sockets {
			if n.Owner != name || s.State != "LISTEN" {
				continue
			}
			var port int
			if _, err := fmt.Sscanf(s.Local[strings.LastIndexByte(s.Local, ':')+1:], "%d", &port); err == nil {
				listening[port] = true
			}
		}
	}
	for _, c := range shot.Containers {
		if c.ID != name {
			continue
		}
		if c.State == sandbox.StateExited {
			return false, fmt.Errorf("it ended with exit code %d", c.ExitCode)
		}
		for _, port := range ports {
			if !listening[port] {
				return false, nil
			}
		}
		return c.State == sandbox.StateRunning, nil
	}
	return false, nil
}
