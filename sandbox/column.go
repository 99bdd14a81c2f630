package sandbox

import "fmt"

// PodColumns is what kubectl get pods prints of a pod besides its name and age.
type PodColumns struct {
	Ready    int    // containers, and sidecars, that are ready
	Of       int    // that there are
	Status   string // the most telling word: a phase, a reason, Init:1/2, Terminating
	Restarts int
}

// Columns follows printPod of Kubernetes' pkg/printers/internalversion/printers.go.
func (p *Pod) Columns() PodColumns {
	c := PodColumns{Of: len(p.Spec.Containers), Status: p.Status.Phase}
	if p.Status.Reason != "" {
		c.Status = p.Status.Reason
	}
	sidecars := map[string]bool{}
	for _, init := range p.Spec.InitContainers {
		if init.RestartPolicy == "Always" {
			sidecars[init.Name] = true
			c.Of++
		}
	}
	initializing := c.addInits(p, sidecars)
	if !initializing || p.hasCondition("Initialized") {
		c.addApps(p, sidecars)
	}
	if p.Metadata.DeletionTimestamp != "" && p.Status.Phase != "Succeeded" && p.Status.Phase != "Failed" {
		c.Status = "Terminating"
	}
	return c
}

// addInits counts init containers, and words the first that is not done: then the pod is initializing.
func (c *PodColumns) addInits(p *Pod, sidecars map[string]bool) (initializing bool) {
	for i, s := range p.Status.InitContainerStatuses {
		c.Restarts += s.RestartCount
		switch {
		case s.State.Terminated != nil && s.State.Terminated.ExitCode == 0:
			continue
		case sidecars[s.Name] && s.Started != nil && *s.Started:
			if s.Ready {
				c.Ready++
			}
			continue
		case s.State.Terminated != nil:
			c.Status = "Init:" + s.State.Terminated.word()
		case s.State.Waiting != nil && s.State.Waiting.Reason != "" && s.State.Waiting.Reason != "PodInitializing":
			c.Status = "Init:" + s.State.Waiting.Reason
		default:
			c.Status = fmt.Sprintf("Init:%d/%d", i, len(p.Spec.InitContainers))
		}
		return true
	}
	return false
}

// addApps counts the pod's own containers. Once it is initialized, restarts of init containers do not count, but those of sidecars.
func (c *PodColumns) addApps(p *Pod, sidecars map[string]bool) {
	c.Restarts = 0
	for _, s := range p.Status.InitContainerStatuses {
		if sidecars[s.Name] {
			c.Restarts += s.RestartCount
		}
	}
	runs := false
	for i := len(p.Status.ContainerStatuses) - 1; i >= 0; i-- {
		s := p.Status.ContainerStatuses[i]
		c.Restarts += s.RestartCount
		switch {
		case s.State.Waiting != nil && s.State.Waiting.Reason != "":
			c.Status = s.State.Waiting.Reason
		case s.State.Terminated != nil:
			c.Status = s.State.Terminated.word()
		case s.Ready && s.State.Running != nil:
			runs = true
			c.Ready++
		}
	}
	if c.Status == "Completed" && runs {
		c.Status = "NotReady"
		if p.hasCondition("Ready") {
			c.Status = "Running"
		}
	}
}

func (p *Pod) hasCondition(kind string) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == kind {
			return c.Status == "True"
		}
	}
	return false
}

func (t *ContainerTerminated) word() string {
	switch {
	case t.Reason != "":
		return t.Reason
	case t.Signal != 0:
		return fmt.Sprintf("Signal:%d", t.Signal)
	}
	return fmt.Sprintf("ExitCode:%d", t.ExitCode)
}
