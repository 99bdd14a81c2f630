package engine

import (
	"strings"
	"time"

	"podlab/sandbox"
)

// Reasons of conditions, as the kubelet words them.
const (
	reasonNotReady       = "ContainersNotReady"
	reasonNotInitialized = "ContainersNotInitialized"
	reasonPodCompleted   = "PodCompleted"
	reasonPodFailed      = "PodFailed"
)

// noteConditions looks at the pod's conditions and keeps the time at which each took its present status.
func (r *record) noteConditions(now time.Time) {
	next := r.conditions(r.phase())
	for i := range next {
		next[i].LastTransitionTime = stamp(now)
		for _, before := range r.Conditions {
			if before.Type == next[i].Type && before.Status == next[i].Status {
				next[i].LastTransitionTime = before.LastTransitionTime
			}
		}
	}
	r.Conditions = next
}

// conditions follows pkg/kubelet/status/generate.go.
func (r *record) conditions(phase string) []sandbox.PodCondition {
	sandboxed := r.Infra.State == running || (r.Object.plain() && phase == phaseRunning)
	ready := r.readyCondition(phase)
	ready.Type = "Ready"
	containers := ready
	containers.Type = "ContainersReady"
	return []sandbox.PodCondition{
		{Type: "PodReadyToStartContainers", Status: truth(sandboxed)}, r.initializedCondition(phase), ready, containers,
		{Type: "PodScheduled", Status: truth(true)},
	}
}

func (r *record) initializedCondition(phase string) sandbox.PodCondition {
	c := sandbox.PodCondition{Type: "Initialized", Status: truth(true)}
	if phase == phaseSucceeded {
		c.Reason = reasonPodCompleted
		return c
	}
	var incomplete []string
	for i := range r.Init {
		run, sidecar := &r.Init[i], r.sidecar(i)
		if sidecar && !run.isUp() || !sidecar && !run.succeeded() {
			incomplete = append(incomplete, run.Name)
		}
	}
	if len(incomplete) > 0 && !r.appStarted() {
		c.Status, c.Reason = truth(false), reasonNotInitialized
		c.Message = "containers with incomplete status: [" + strings.Join(incomplete, " ") + "]"
	}
	return c
}

// readyCondition: every container, and every sidecar, is ready. There are no readiness gates.
func (r *record) readyCondition(phase string) sandbox.PodCondition {
	var unready []string
	for i := range r.Init {
		if r.sidecar(i) && !r.Init[i].isReady() {
			unready = append(unready, r.Init[i].Name)
		}
	}
	for i := range r.Containers {
		if !r.Containers[i].isReady() {
			unready = append(unready, r.Containers[i].Name)
		}
	}
	switch {
	case phase == phaseSucceeded:
		return sandbox.PodCondition{Status: truth(false), Reason: reasonPodCompleted}
	case phase == phaseFailed:
		return sandbox.PodCondition{Status: truth(false), Reason: reasonPodFailed}
	case len(unready) > 0:
		return sandbox.PodCondition{Status: truth(false), Reason: reasonNotReady,
			Message: "containers with unready status: [" + strings.Join(unready, " ") + "]"}
	}
	return sandbox.PodCondition{Status: truth(true)}
}

// sidecar reports whether init container i is one.
func (r *record) sidecar(i int) bool { return r.Object.Spec.InitContainers[i].RestartPolicy == always }

// appStarted reports whether any container of spec.containers runs or has run: then the pod was initialized, whatever its sidecars do.
func (r *record) appStarted() bool {
	for i := range r.Containers {
		if c := &r.Containers[i]; c.State != waiting || c.Last.Terminated != nil {
			return r.Initialized
		}
	}
	return false
}

func (c *run) isUp() bool      { return c.State == running && c.Up }
func (c *run) isReady() bool   { return c.isUp() && c.Ready }
func (c *run) succeeded() bool { return c.State == exited && c.Code == 0 }

func truth(b bool) string {
	if b {
		return "True"
	}
	return "False"
}
