package engine

import (
	"context"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

func TestActiveDeadline(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"activeDeadlineSeconds":10,"terminationGracePeriodSeconds":1`, sh("a", idle)))
	p := b.phase("p", "Failed")
	if p.Status.Reason != "DeadlineExceeded" || p.Status.Message != "Pod was active on the node longer than the specified deadline" {
		t.Errorf("%+v", p.Status)
	}
	b.until("p/a", "stopped", func(s Subject) bool { return s.State == exited })
	b.until("p/_infra", "stopped", func(s Subject) bool { return s.State == exited })
	if c := b.condition("p", "Ready"); c.Reason != "PodFailed" {
		t.Errorf("%+v", c)
	}
}

func TestActiveDeadlineMayOnlyComeNearer(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"activeDeadlineSeconds":1000,"terminationGracePeriodSeconds":0`, sh("a", idle)))
	for spec, code := range map[string]sandbox.Code{`"activeDeadlineSeconds":2000,"terminationGracePeriodSeconds":0`: sandbox.CodeImmutable, `"terminationGracePeriodSeconds":0`: sandbox.CodeImmutable} {
		if _, err := b.Apply(context.Background(), []byte(pod("p", spec, sh("a", idle)))); sandbox.CodeOf(err) != code {
			t.Errorf("%s: %v", spec, err)
		}
	}
	b.running("p/a")
	b.apply(pod("p", `"activeDeadlineSeconds":1,"terminationGracePeriodSeconds":0`, sh("a", idle)))
	b.phase("p", "Failed")
}

func TestTerminationMessage(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"restartPolicy":"Never"`,
		sh("file", "echo 'the reason' >/dev/termination-log; exit 1"),
		sh("own", "echo here >/tmp/why; exit 1", `"terminationMessagePath":"/tmp/why"`),
		sh("log", "echo 'last line'; exit 1", `"terminationMessagePolicy":"FallbackToLogsOnError"`),
		sh("fine", "echo 'no failure'; exit 0", `"terminationMessagePolicy":"FallbackToLogsOnError"`),
		sh("large", "yes x | head -c 9000 >/dev/termination-log", `"securityContext":{"runAsUser":1000}`)))
	want := map[string]string{"file": "the reason\n", "own": "here\n", "log": "last line\n", "fine": "", "large": strings.Repeat("x\n", 2048)}
	for _, s := range b.phase("p", "Failed").Status.ContainerStatuses {
		if got := s.State.Terminated.Message; got != want[s.Name] {
			t.Errorf("%s: %q", s.Name, got)
		}
	}
}

func TestEphemeralContainer(t *testing.T) {
	b := open(t)
	plainPod := pod("p", "", sh("a", idle), sh("b", idle))
	with := func(containers string) string {
		return pod("p", `"ephemeralContainers":[`+containers+`]`, sh("a", idle), sh("b", idle))
	}
	debug := sh("debug", "echo looking; sleep 999", `"targetContainerName":"a"`)
	if _, err := b.Apply(context.Background(), []byte(with(debug))); sandbox.CodeOf(err) != sandbox.CodeBadValue {
		t.Errorf("in a new pod: %v", err)
	}
	b.apply(plainPod)
	a := b.running("p/a")
	if got := b.apply(with(debug)); got.Action != configured {
		t.Error(got)
	}
	d := b.running("p/debug")
	if ns(t, d.PID, "pid") != ns(t, a.PID, "pid") || ns(t, d.PID, "net") != ns(t, a.PID, "net") || ns(t, d.PID, "mnt") == ns(t, a.PID, "mnt") || d.Role != sandbox.RoleEphemeral {
		t.Errorf("%+v", d)
	}
	if b.running("p/a").PID != a.PID || b.running("p/b").Restarts != 0 {
		t.Error("others were touched")
	}
	if got := b.apply(plainPod); got.Action != unchanged {
		t.Errorf("a manifest without it: %+v", got)
	}
	if _, err := b.Apply(context.Background(), []byte(with(strings.Replace(debug, "looking", "other", 1)))); sandbox.CodeOf(err) != sandbox.CodeImmutable {
		t.Errorf("changed: %v", err)
	}
	b.apply(with(debug + "," + sh("second", "exit 5")))
	b.until("p/second", "ended", func(s Subject) bool { return s.State == exited && s.ExitCode == 5 })
	unix.Kill(d.PID, unix.SIGKILL)
	b.until("p/debug", "ended", func(s Subject) bool { return s.State == exited && s.Restarts == 0 })
	status := b.pod("p").Status
	if len(status.EphemeralContainerStatuses) != 2 || status.EphemeralContainerStatuses[0].State.Terminated == nil || status.Phase != "Running" {
		t.Errorf("%+v", status)
	}
	if c := b.condition("p", "Ready"); c.Status != "True" {
		t.Errorf("%+v", c)
	}
	if got := b.log("p/debug", sandbox.LogOptions{}); got != "looking\n" {
		t.Errorf("%q", got)
	}
}

func TestEphemeralContainerIsAdopted(t *testing.T) {
	keeper := newKeeper()
	agent := startAgent(t, keeper)
	agent.ask(pod("p", "", sh("a", idle)), "applied <nil>")
	agent.ask("wait", "running")
	agent.ask(pod("p", `"ephemeralContainers":[`+sh("debug", "sleep 999", `"targetContainerName":"a"`)+`]`, sh("a", idle)), "applied <nil>")
	agent.ask("wait", "running")
	agent.kill()
	b := adopting(t, keeper)
	if a, d := b.running("p/a"), b.running("p/debug"); ns(t, a.PID, "pid") != ns(t, d.PID, "pid") || d.Restarts != 0 {
		t.Errorf("%+v", d)
	}
}

func TestSidecarImageChange(t *testing.T) {
	b := open(t)
	spec := func(image string) string {
		return strings.Replace(pod("p", inits(sh("one", "exit 0"), sidecar("side", idle)), sh("a", idle)), `"side","image":"busybox"`, `"side","image":"`+image+`"`, 1)
	}
	b.apply(spec("busybox"))
	a, side := b.running("p/a"), b.running("p/side")
	b.trapped("p/side")
	b.apply(spec("busybox2"))
	now := b.until("p/side", "replaced", func(s Subject) bool { return s.Image == "busybox2" && isRunning(s) })
	if now.PID == side.PID || now.Restarts != 1 || b.running("p/a").PID != a.PID {
		t.Errorf("%+v", now)
	}
}

func TestQOSClass(t *testing.T) {
	both := func(cpu, memory string) map[string]string { return map[string]string{"cpu": cpu, "memory": memory} }
	for _, c := range []struct {
		want       string
		containers []sandbox.ContainerSpec
	}{
		{bestEffort, []sandbox.ContainerSpec{{}, {}}},
		{guaranteed, []sandbox.ContainerSpec{{Resources: sandbox.Resources{Limits: both("1", "64Mi"), Requests: both("1000m", "64Mi")}}}},
		{burstable, []sandbox.ContainerSpec{{Resources: sandbox.Resources{Limits: both("1", "64Mi"), Requests: both("1", "64Mi")}}, {}}},
		{burstable, []sandbox.ContainerSpec{{Resources: sandbox.Resources{Requests: map[string]string{"cpu": "100m"}}}}},
		{burstable, []sandbox.ContainerSpec{{Resources: sandbox.Resources{Limits: both("1", "64Mi"), Requests: both("500m", "64Mi")}}}},
	} {
		if got := qosClass(&sandbox.PodSpec{Containers: c.containers}); got != c.want {
			t.Errorf("%+v: %s, want %s", c.containers, got, c.want)
		}
	}
}

// TestBackOffIsForgotten: a container that has run for ten minutes crashes for the first time again.
func TestBackOffIsForgotten(t *testing.T) {
	now := time.Now()
	for ran, want := range map[time.Duration]time.Duration{stable - time.Second: 40 * time.Second, stable: 0} {
		e := &Engine{cfg: Config{BackOff: 10 * time.Second}, sink: func(sandbox.Moment) {}}
		u := &unit{engine: e, record: record{Object: object{Ref: sandbox.Ref{Kind: sandbox.ManifestPod, Name: "p"}}}}
		u.object = &u.record.Object
		r := &run{Name: "a", State: exited, Delay: 40 * time.Second, Started: now.Add(-ran), Finished: now}
		c := &container{unit: u, run: r, spec: &sandbox.ContainerSpec{Name: "a"}}
		c.backOff()
		if r.Delay != want {
			t.Errorf("after %v it waits %v, want %v", ran, r.Delay, want)
		}
	}
}
