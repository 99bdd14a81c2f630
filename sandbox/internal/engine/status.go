package engine

import (
	"time"

	"podlab/sandbox"
)

// Reasons, as the kubelet and its runtimes word them.
const (
	reasonCreating     = "ContainerCreating"
	reasonInitializing = "PodInitializing"
	reasonCrashLoop    = "CrashLoopBackOff"
	reasonCompleted    = "Completed"
	reasonError        = "Error"
	reasonOOM          = "OOMKilled"
	reasonCannotRun    = "ContainerCannotRun"
	reasonUnknown      = "ContainerStatusUnknown"
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
	s := sandbox.PodStatus{
		Phase: r.phase(), Reason: r.Failure.Reason, Message: r.Failure.Message, Conditions: r.Conditions,
		HostIP: hostIP, PodIP: r.Address, StartTime: stamp(r.Created), QOSClass: qosClass(&r.Object.Spec),
	}
	if r.Object.Spec.HostNetwork {
		s.PodIP = hostIP
	}
	for i := range r.Init {
		c := r.Init[i].status(r.id(r.Init[i].Name), reasonInitializing)
		c.Ready = c.Ready || !r.sidecar(i) && r.Init[i].succeeded()
		s.InitContainerStatuses = append(s.InitContainerStatuses, c)
	}
	for i := range r.Containers {
		s.ContainerStatuses = append(s.ContainerStatuses, r.Containers[i].status(r.id(r.Containers[i].Name), r.firstReason()))
	}
	for i := range r.Ephemeral {
		c := r.Ephemeral[i].status(r.id(r.Ephemeral[i].Name), reasonCreating)
		c.Ready = false // never, as it has no readiness
		s.EphemeralContainerStatuses = append(s.EphemeralContainerStatuses, c)
	}
	return s
}

// firstReason is the reason of a container that waits for its first start.
func (r *record) firstReason() string { return firstReason(&r.Object.Spec) }

func firstReason(spec *sandbox.PodSpec) string {
	if len(spec.InitContainers) > 0 {
		return reasonInitializing
	}
	return reasonCreating
}

// phase is that of the whole pod.
func (r *record) phase() string {
	if r.Failure.Reason != "" {
		return phaseFailed
	}
	return phase(r)
}

// tally counts what the containers of a pod do, as getPhase of pkg/kubelet/kubelet_pods.go does.
type tally struct {
	initializing, initFailed      int // of the init containers
	waits, runs, ended, succeeded int
}

// phase follows getPhase of pkg/kubelet/kubelet_pods.go.
func phase(r *record) string {
	t, policy := r.count(), r.Object.Spec.RestartPolicy
	switch {
	case t.initFailed > 0 && policy == never:
		return phaseFailed
	case t.initializing > 0, t.waits > 0:
		return phasePending
	case t.runs > 0:
		return phaseRunning
	case policy == always && t.ended > 0:
		return phaseRunning // all of them are about to be started again
	case t.succeeded == t.ended:
		return phaseSucceeded
	case policy == never:
		return phaseFailed
	}
	return phaseRunning
}

func (r *record) count() (t tally) {
	for i := range r.Init {
		t.countInit(&r.Init[i], r.sidecar(i), r.appStarted())
	}
	for i := range r.Containers {
		switch c := &r.Containers[i]; {
		case c.State == running && !c.Hooking:
			t.runs++
		case c.State == exited, c.Last.Terminated != nil:
			t.ended++
			if c.succeeded() {
				t.succeeded++
			}
		default:
			t.waits++
		}
	}
	return t
}

// countInit counts a sidecar that runs among what runs; one that has ended says nothing about the pod.
func (t *tally) countInit(c *run, sidecar, appStarted bool) {
	switch {
	case sidecar && c.State == running:
		t.runs++
		if !c.Up && !appStarted {
			t.initializing++
		}
	case sidecar:
		if c.State == waiting && c.Last.Terminated == nil && !appStarted {
			t.initializing++
		}
	case c.State == running, c.State == waiting && c.Last.Terminated == nil:
		t.initializing++
	case c.State == waiting, c.Code != 0:
		t.initFailed++
	}
}

// status is one container's; first is its reason while it waits for its first start. A container whose postStart still runs waits, too.
func (c *run) status(id, first string) sandbox.ContainerStatus {
	up := c.isUp()
	s := sandbox.ContainerStatus{
		Name: c.Name, State: c.state(), LastState: c.Last, Ready: c.isReady(), Started: &up, RestartCount: c.Restarts,
		Image: c.Image, ImageID: c.ImageID,
	}
	if c.Attempt > 0 {
		s.ContainerID = "podlab://" + id
	}
	if c.State == running && c.Hooking {
		s.State = sandbox.ContainerState{Waiting: &sandbox.ContainerWaiting{Reason: first}}
	}
	return s
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

// run is the present run of a container of the view, nil for infra.
func (v *view) run(id string) *run {
	for _, c := range v.record.runs() {
		if v.record.id(c.Name) == id {
			return c
		}
	}
	return nil
}

func (v *view) logPath(name string, attempt int) string { return logPath(v.dir, name, attempt) }
