package engine

import (
	"time"

	"podlab/sandbox"
)

// Reasons, as the kubelet and its runtimes word them.
const (
	reasonCreating  = "ContainerCreating"
	reasonCrashLoop = "CrashLoopBackOff"
	reasonCompleted = "Completed"
	reasonError     = "Error"
	reasonOOM       = "OOMKilled"
	reasonCannotRun = "ContainerCannotRun"
	reasonUnknown   = "ContainerStatusUnknown"
)

// Phases of a pod.
const (
	phasePending   = "Pending"
	phaseRunning   = "Running"
	phaseSucceeded = "Succeeded"
	phaseFailed    = "Failed"
)

// status is a pod's status as Kubernetes shapes it.
func (r *record) status(hostIP string) sandbox.PodStatus {
	s := sandbox.PodStatus{HostIP: hostIP, PodIP: r.Address, StartTime: stamp(r.Created)}
	if r.Object.Spec.HostNetwork {
		s.PodIP = hostIP
	}
	for i := range r.Containers {
		s.ContainerStatuses = append(s.ContainerStatuses, r.Containers[i].status(r.id(r.Containers[i].Name)))
	}
	s.Phase = phase(r.Object.Spec.RestartPolicy, r.Containers)
	if r.Evicted != "" {
		s.Phase, s.Reason, s.Message = phaseFailed, reasonEvicted, r.Evicted
	}
	s.Conditions = r.conditions(s.Phase)
	return s
}

// phase follows getPhase of pkg/kubelet/kubelet_pods.go.
func phase(policy string, containers []run) string {
	var waits, runs, ended, succeeded int
	for i := range containers {
		switch c := &containers[i]; {
		case c.State == running:
			runs++
		case c.State == exited, c.Last.Terminated != nil:
			ended++
			if c.State == exited && c.Code == 0 {
				succeeded++
			}
		default:
			waits++
		}
	}
	switch {
	case waits > 0:
		return phasePending
	case runs > 0, policy == always:
		return phaseRunning
	case succeeded == ended:
		return phaseSucceeded
	case policy == never:
		return phaseFailed
	}
	return phaseRunning
}

func (r *record) conditions(phase string) []sandbox.PodCondition {
	sandboxed := r.Infra.State == running || (r.Object.plain() && phase == phaseRunning)
	ready, reason := true, ""
	for i := range r.Containers {
		ready = ready && r.Containers[i].State == running
	}
	if !ready {
		reason = "ContainersNotReady"
		if phase == phaseSucceeded {
			reason = "PodCompleted"
		}
	}
	return []sandbox.PodCondition{
		{Type: "PodReadyToStartContainers", Status: truth(sandboxed)},
		{Type: "Initialized", Status: truth(true)},
		{Type: "Ready", Status: truth(ready), Reason: reason},
		{Type: "ContainersReady", Status: truth(ready), Reason: reason},
		{Type: "PodScheduled", Status: truth(true)},
	}
}

func truth(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

func (c *run) status(id string) sandbox.ContainerStatus {
	up := c.State == running
	return sandbox.ContainerStatus{
		Name: c.Name, State: c.state(), LastState: c.Last, Ready: up, Started: &up, RestartCount: c.Restarts,
		Image: c.Image, ImageID: c.ImageID, ContainerID: "podlab://" + id,
	}
}

func (c *run) state() sandbox.ContainerState {
	switch c.State {
	case running:
		return sandbox.ContainerState{Running: &sandbox.ContainerRunning{StartedAt: stamp(c.Started)}}
	case exited:
		return c.terminated()
	}
	return sandbox.ContainerState{Waiting: &sandbox.ContainerWaiting{Reason: c.Reason, Message: c.Message}}
}

func (c *run) terminated() sandbox.ContainerState {
	return sandbox.ContainerState{Terminated: &sandbox.ContainerTerminated{
		ExitCode: c.Code, Signal: c.Signal, Reason: c.Reason, Message: c.Message,
		StartedAt: stamp(c.Started), FinishedAt: stamp(c.Finished),
	}}
}

// stamp is Kubernetes' time format, empty for no time.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// id is Container.ID of the unit's container of that name.
func (r *record) id(name string) string {
	if r.Object.plain() {
		return name
	}
	return r.Object.Ref.Name + "/" + name
}

// subject is how a run looks to observers.
func (r *record) subject(c *run, kind, cgroup string) Subject {
	s := Subject{Cgroup: cgroup, Container: sandbox.Container{
		ID: r.id(c.Name), Name: c.Name, Pod: r.Object.Ref.Name, Kind: kind, Image: c.Image, State: c.State, Reason: c.Reason,
		ExitCode: c.Code, Signal: c.Signal, Restarts: c.Restarts, Started: c.Boot, Layers: c.Layers, Mounts: c.Mounts,
	}}
	switch kind {
	case sandbox.KindInfra:
		s.Name = "pause"
	case sandbox.KindPlain:
		s.Pod = ""
	}
	if c.State == running {
		s.PID = c.PID
	}
	return s
}

// run is the present run of a container, nil for infra.
func (v *view) run(id string) *run {
	for i := range v.record.Containers {
		if c := &v.record.Containers[i]; v.record.id(c.Name) == id {
			return c
		}
	}
	return nil
}

func (v *view) logPath(name string, attempt int) string { return logPath(v.dir, name, attempt) }
