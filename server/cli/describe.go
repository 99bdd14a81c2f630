package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/kubectl"
)

type describeCmd struct {
	Node string   `arg:"" help:"Node."`
	Pods []string `arg:"" optional:"" help:"Pods; default: all."`
}

func (c *describeCmd) Run(e *env) error {
	agent, err := e.agent(c.Node)
	if err != nil {
		return err
	}
	snapshot, moments, err := kubectl.Look(e.ctx, agent)
	if err != nil {
		return err
	}
	pods := snapshot.Pods
	if len(c.Pods) > 0 {
		pods = nil
	}
	for _, name := range c.Pods {
		pod, err := podOf(snapshot, name)
		if err != nil {
			return err
		}
		pods = append(pods, pod)
	}
	for i, pod := range pods {
		if i > 0 {
			fmt.Fprint(e.Out, "\n\n")
		}
		if err := kubectl.Describe(e.Out, pod, snapshot, kubectl.Events(moments, pod.Metadata.Name)); err != nil {
			return err
		}
	}
	return nil
}

type eventsCmd struct {
	Node  string `arg:"" help:"Node."`
	Pod   string `arg:"" optional:"" help:"Only this pod's."`
	Watch bool   `short:"w" help:"Go on as things happen."`
}

func (c *eventsCmd) Run(e *env) error {
	agent, err := e.agent(c.Node)
	if err != nil {
		return err
	}
	c.Pod = strings.TrimPrefix(c.Pod, "pod/")
	if c.Watch {
		return kubectl.FollowEvents(e.ctx, agent, c.Pod, e.Out)
	}
	snapshot, moments, err := kubectl.Look(e.ctx, agent)
	if err != nil {
		return err
	}
	events := kubectl.Events(moments, c.Pod)
	if len(events) == 0 {
		fmt.Fprintln(e.Err, "There are no events.")
		return nil
	}
	return kubectl.WriteEvents(e.Out, events, snapshot.Time)
}

type waitCmd struct {
	Node    string        `arg:"" help:"Node."`
	Pods    []string      `arg:"" optional:"" help:"Pods."`
	All     bool          `help:"All pods of the node."`
	For     string        `required:"" help:"condition=NAME, condition=NAME=STATUS or delete." placeholder:"GOAL"`
	Timeout time.Duration `help:"How long to wait; 0 looks once." default:"30s" placeholder:"SPAN"`
}

func (c *waitCmd) Run(e *env) error {
	goal, err := kubectl.ParseGoal(c.For)
	if err != nil {
		return err
	}
	if (len(c.Pods) == 0) != c.All {
		return errors.New("name the pods, or give --all")
	}
	agent, err := e.agent(c.Node)
	if err != nil {
		return err
	}
	for i, name := range c.Pods {
		c.Pods[i] = strings.TrimPrefix(name, "pod/")
	}
	return kubectl.Wait(e.ctx, agent, c.Pods, goal, c.Timeout, e.Out)
}

type forwardCmd struct {
	Node  string   `arg:"" help:"Node."`
	Pod   string   `arg:"" help:"Pod, or plain container."`
	Ports []string `arg:"" help:"[LOCAL:]REMOTE; :REMOTE takes any local port that is free."`
}

func (c *forwardCmd) Run(e *env) error {
	ports, err := kubectl.ParsePorts(c.Ports)
	if err != nil {
		return err
	}
	agent, err := e.agent(c.Node)
	if err != nil {
		return err
	}
	snapshot, err := agent.Snapshot(e.ctx)
	if err != nil {
		return err
	}
	c.Pod = strings.TrimPrefix(c.Pod, "pod/")
	if err := forwardable(snapshot, c.Pod); err != nil {
		return err
	}
	return kubectl.Forward(e.ctx, agent, c.Pod, ports, e.Out, e.Err)
}

// forwardable finds a running pod or plain container.
func forwardable(snapshot sandbox.Snapshot, name string) error {
	for _, c := range snapshot.Containers {
		if c.Kind == sandbox.KindPlain && c.ID == name && c.State == sandbox.StateRunning {
			return nil
		}
	}
	pod, err := podOf(snapshot, name)
	if err == nil && pod.Status.Phase != "Running" {
		err = fmt.Errorf("unable to forward port because pod is not running. Current status=%s", clean(pod.Status.Phase))
	}
	return err
}
