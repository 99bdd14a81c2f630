package engine

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// inits is the rest of a pod's spec with init containers.
func inits(containers ...string) string {
	return `"terminationGracePeriodSeconds":3,"initContainers":[` + strings.Join(containers, ",") + `]`
}

// sidecar is an init container that goes on running.
func sidecar(name, script string, more ...string) string {
	return sh(name, script, append(more, `"restartPolicy":"Always"`)...)
}

func (b *bench) condition(name, kind string) sandbox.PodCondition {
	b.t.Helper()
	for _, c := range b.pod(name).Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	b.t.Fatalf("no condition %s", kind)
	return sandbox.PodCondition{}
}

// order tells in which order the containers of a pod did something, from its moments.
func (b *bench) order(reason string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var names []string
	for _, m := range b.moments {
		if m.Reason == reason && m.Container != "" {
			names = append(names, m.Container)
		}
	}
	return strings.Join(names, " ")
}

func TestInitContainersRunInOrder(t *testing.T) {
	b := open(t)
	volume := `"volumeMounts":[{"name":"v","mountPath":"/v"}]`
	b.apply(pod("p", `"volumes":[{"name":"v","emptyDir":{}}],`+inits(
		sh("one", "while [ ! -e /v/go ]; do sleep 0.02; done; echo one >>/v/order", volume),
		sh("two", "echo two >>/v/order", volume)), sh("app", "cat /v/order; "+idle, volume)))
	b.running("p/one")
	p := b.pod("p")
	if got := p.Status.ContainerStatuses[0].State.Waiting; p.Status.Phase != "Pending" || got == nil || got.Reason != "PodInitializing" {
		t.Errorf("%+v", p.Status)
	}
	if c := b.condition("p", "Initialized"); c.Status != "False" || c.Reason != "ContainersNotInitialized" || c.Message != "containers with incomplete status: [one two]" {
		t.Errorf("%+v", c)
	}
	if s := b.running("p/one"); s.Role != sandbox.RoleInit {
		t.Errorf("%+v", s)
	}
	b.run("p/one", "touch", "/v/go")
	b.running("p/app")
	p = b.phase("p", "Running")
	for _, s := range p.Status.InitContainerStatuses {
		if end := s.State.Terminated; end == nil || end.Reason != "Completed" || !s.Ready || s.RestartCount != 0 {
			t.Errorf("%+v", s)
		}
	}
	if c := b.condition("p", "Initialized"); c.Status != "True" || c.LastTransitionTime == "" {
		t.Errorf("%+v", c)
	}
	b.eventually("the order", func() bool { return b.log("p/app", sandbox.LogOptions{}) == "one\ntwo\n" })
}

func TestInitContainerFails(t *testing.T) {
	b := open(t)
	b.apply(pod("p", inits(sh("one", "echo try; exit 4")), sh("app", idle)))
	b.until("p/one", "in back-off", func(s Subject) bool { return s.Restarts >= 2 && s.Reason == reasonCrashLoop })
	status := b.pod("p").Status
	if status.Phase != "Pending" || status.InitContainerStatuses[0].LastState.Terminated.ExitCode != 4 {
		t.Errorf("%+v", status)
	}
	b.remove("p")
	b.apply(pod("p", `"restartPolicy":"Never",`+inits(sh("one", "exit 4")), sh("app", idle)))
	status = b.phase("p", "Failed").Status
	if waits := status.ContainerStatuses[0].State.Waiting; waits == nil || waits.Reason != "PodInitializing" {
		t.Errorf("%+v", status)
	}
	if c := b.condition("p", "Initialized"); c.Status != "False" {
		t.Errorf("%+v", c)
	}
	b.until("p/_infra", "stopped", func(s Subject) bool { return s.State == exited })
}

// TestInitContainersRunAgainInNewSandbox: the kubelet runs them all again when it makes the sandbox anew.
func TestInitContainersRunAgainInNewSandbox(t *testing.T) {
	b := open(t)
	b.apply(pod("p", inits(sh("one", "exit 0"), sidecar("side", idle)), sh("app", idle)))
	b.running("p/app")
	unix.Kill(b.running("p/_infra").PID, unix.SIGKILL)
	b.until("p/app", "restarted", func(s Subject) bool { return s.Restarts == 1 && isRunning(s) })
	one := b.until("p/one", "run again", func(s Subject) bool { return s.Restarts == 1 && s.State == exited })
	if side := b.running("p/side"); one.ExitCode != 0 || side.Restarts != 1 {
		t.Errorf("%+v %+v", one, side)
	}
	if got := b.order("Started"); got != "p/_infra p/one p/side p/app p/_infra p/one p/side p/app" {
		t.Error(got)
	}
}

func TestSidecarStartsBeforeAndEndsAfter(t *testing.T) {
	b := open(t)
	up := `"startupProbe":{"exec":{"command":["test","-e","/up"]},"periodSeconds":1,"timeoutSeconds":40,"failureThreshold":1000}`
	b.apply(pod("p", `"restartPolicy":"Never",`+inits(sidecar("first", idle), sidecar("second", "while [ ! -e /go ]; do sleep 0.02; done; touch /up; "+idle, up)),
		sh("app", "while [ ! -e /end ]; do sleep 0.02; done; exit 0")))
	b.running("p/second")
	b.eventually("a failed startup probe", func() bool { return strings.Contains(b.reasons(), "Unhealthy") })
	if s := b.pod("p").Status; s.Phase != "Pending" || *s.InitContainerStatuses[1].Started || s.ContainerStatuses[0].State.Waiting == nil {
		t.Errorf("%+v", s)
	}
	b.run("p/second", "touch", "/go")
	b.running("p/app")
	if s := b.phase("p", "Running").Status; !*s.InitContainerStatuses[1].Started || !s.InitContainerStatuses[1].Ready {
		t.Errorf("%+v", s)
	}
	// A sidecar that ends comes back, whatever the pod's policy.
	unix.Kill(b.running("p/first").PID, unix.SIGKILL)
	b.until("p/first", "restarted", func(s Subject) bool { return s.Restarts == 1 && isRunning(s) })
	b.run("p/app", "touch", "/end")
	status := b.phase("p", "Succeeded").Status
	if got := b.order("Killing"); got != "p/second p/first" {
		t.Errorf("stopped: %s", got)
	}
	if end := status.InitContainerStatuses[0].State.Terminated; end == nil {
		t.Errorf("%+v", status.InitContainerStatuses)
	}
}

func TestSidecarsEndLastWhenDeleted(t *testing.T) {
	b := open(t)
	slow := "trap 'sleep 0.2; exit 0' TERM; while :; do sleep 1 & wait $!; done"
	b.apply(pod("p", inits(sidecar("first", slow), sidecar("second", slow)), sh("app", slow)))
	for _, name := range []string{"first", "second", "app"} {
		b.trapped("p/" + name)
	}
	b.delete("p", -1)
	if got := b.order("Completed"); got != "p/app p/second p/first" {
		t.Errorf("ended: %s", got)
	}
}

// TestSidecarsHaveTheirShare: when the pod's own containers use up the grace, sidecars get the kubelet's two seconds.
func TestSidecarsHaveTheirShare(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"terminationGracePeriodSeconds":1,"initContainers":[`+sidecar("side", idle)+`]`, sh("app", "trap '' TERM; while :; do sleep 0.1; done")))
	b.trapped("p/side")
	b.trapped("p/app")
	b.delete("p", -1)
	ends := b.order("Error") + " / " + b.order("Completed")
	if ends != "p/app / p/side" {
		t.Errorf("killed / ended by themselves: %s", ends)
	}
}

func TestInitContainersRequests(t *testing.T) {
	ask := func(name, cpu, more string) sandbox.ContainerSpec {
		return sandbox.ContainerSpec{Name: name, RestartPolicy: more, Resources: sandbox.Resources{Requests: map[string]string{"cpu": cpu}}}
	}
	o := &object{Spec: sandbox.PodSpec{
		InitContainers: []sandbox.ContainerSpec{ask("big", "900m", ""), ask("side", "200m", always), ask("later", "500m", "")},
		Containers:     []sandbox.ContainerSpec{ask("a", "300m", ""), ask("b", "100m", "")},
	}}
	if got := o.requests().cpu; got != 900 {
		t.Errorf("%d", got)
	}
	o.Spec.Containers[0] = ask("a", "1", "")
	if got := o.requests().cpu; got != 1300 {
		t.Errorf("%d", got)
	}
}

// trapped waits until a container's shell has set its trap: until then SIGTERM finds process 1 without a handler, and is ignored.
func (b *bench) trapped(id string) {
	b.t.Helper()
	b.running(id)
	const term = 1 << 14 // of the signal masks in proc_pid_status(5)
	b.eventually("trap in "+id, func() bool {
		for line := range strings.Lines(readProc(fmt.Sprintf("/proc/%d/status", b.running(id).PID))) {
			if name, mask, _ := strings.Cut(strings.TrimSpace(line), ":\t"); name == "SigCgt" || name == "SigIgn" {
				if bits, err := strconv.ParseUint(mask, 16, 64); err == nil && bits&term != 0 {
					return true
				}
			}
		}
		return false
	})
}
