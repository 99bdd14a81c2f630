package engine

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runtime-spec/specs-go"

	"podlab/sandbox"
	"podlab/sandbox/internal/image"
)

func TestExpand(t *testing.T) {
	vars := map[string]string{"A": "1", "B": "$(A)"}
	for in, want := range map[string]string{
		"": "", "plain": "plain", "$(A)": "1", "x$(A)y$(A)": "x1y1", "$(B)": "$(A)", "$$(A)": "$(A)", "$$$(A)": "$1", "$(NONE)": "$(NONE)",
		"$A": "$A", "$(A": "$(A", "$": "$", "a$$": "a$", "$()": "$()",
	} {
		if got := expand(in, vars); got != want {
			t.Errorf("expand(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestArgv(t *testing.T) {
	img := image.Config{Entrypoint: []string{"/entry"}, Cmd: []string{"default"}}
	for _, c := range []struct{ command, args, want []string }{
		{nil, nil, []string{"/entry", "default"}},
		{nil, []string{"a"}, []string{"/entry", "a"}},
		{[]string{"c"}, nil, []string{"c"}},
		{[]string{"c"}, []string{"a"}, []string{"c", "a"}},
	} {
		if got := argv(img, &sandbox.ContainerSpec{Command: c.command, Args: c.args}, nil); !slices.Equal(got, c.want) {
			t.Errorf("%v %v: %v, want %v", c.command, c.args, got, c.want)
		}
	}
}

func TestEnvironmentOrder(t *testing.T) {
	u := &unit{engine: &Engine{}, object: &object{Ref: sandbox.Ref{Kind: sandbox.ManifestPod, Name: "h"}}}
	c := &container{unit: u, spec: &sandbox.ContainerSpec{Env: []sandbox.EnvVar{{Name: "A", Value: "own"}, {Name: "B", Value: "$(A)$(PATH)"}}}}
	env, _, err := c.environment(image.Config{Env: []string{"PATH=/only", "A=image"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"PATH=/only", "HOSTNAME=h", "A=own", "B=own$(PATH)"}; !slices.Equal(env, want) {
		t.Errorf("%v", env)
	}
}

func TestPhase(t *testing.T) {
	ended := sandbox.ContainerState{Terminated: &sandbox.ContainerTerminated{}}
	for _, c := range []struct {
		policy string
		runs   []run
		want   string
	}{
		{always, []run{{State: waiting}}, phasePending},
		{always, []run{{State: running}, {State: waiting}}, phasePending},
		{always, []run{{State: running}, {State: waiting, Last: ended}}, phaseRunning},
		{always, []run{{State: exited}}, phaseRunning},
		{never, []run{{State: exited}, {State: running}}, phaseRunning},
		{never, []run{{State: exited}, {State: exited, Code: 1}}, phaseFailed},
		{never, []run{{State: exited}, {State: exited}}, phaseSucceeded},
		{onFailure, []run{{State: exited, Code: 1}}, phaseRunning},
		{onFailure, []run{{State: exited}}, phaseSucceeded},
	} {
		r := &record{Containers: c.runs}
		r.Object.Spec.RestartPolicy = c.policy
		if got := phase(r); got != c.want {
			t.Errorf("%s %+v: %s, want %s", c.policy, c.runs, got, c.want)
		}
	}
}

func TestBackOffDoubles(t *testing.T) {
	c := &container{unit: &unit{engine: &Engine{cfg: Config{BackOff: 10 * time.Second}}}, run: &run{Finished: time.Now()}}
	var got []int
	for range 8 {
		c.countRestart()
		got = append(got, int(c.run.Delay.Seconds()))
	}
	if want := []int{10, 20, 40, 80, 160, 300, 300, 300}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestFirstDifference(t *testing.T) {
	make := func(change func(*sandbox.PodSpec)) *object {
		spec := sandbox.PodSpec{Containers: []sandbox.ContainerSpec{{Name: "a", Image: "one", Env: []sandbox.EnvVar{{Name: "A"}}}}, RestartPolicy: always}
		change(&spec)
		return &object{Ref: sandbox.Ref{Kind: sandbox.ManifestPod}, Spec: spec}
	}
	for want, change := range map[string]func(*sandbox.PodSpec){
		"":                           func(s *sandbox.PodSpec) { s.Containers[0].Image, s.Containers[0].Args = "two", []string{} },
		"spec.restartPolicy":         func(s *sandbox.PodSpec) { s.RestartPolicy = never },
		"spec.containers":            func(s *sandbox.PodSpec) { s.Containers = append(s.Containers, sandbox.ContainerSpec{Name: "b"}) },
		"spec.containers[0].env":     func(s *sandbox.PodSpec) { s.Containers[0].Env = nil },
		"spec.containers[0].name":    func(s *sandbox.PodSpec) { s.Containers[0].Name = "b" },
		"spec.hostPID":               func(s *sandbox.PodSpec) { s.HostPID = true },
		"spec.containers[0].stdin":   func(s *sandbox.PodSpec) { s.Containers[0].Stdin = true },
		"spec.volumes":               func(s *sandbox.PodSpec) { s.Volumes = []sandbox.VolumeSource{{Name: "v"}} },
		"spec.containers[0].command": func(s *sandbox.PodSpec) { s.Containers[0].Command = []string{"x"} },
	} {
		if got := firstDifference(make(func(*sandbox.PodSpec) {}), make(change), true); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestFilterIsTight names calls that must never be let through, whatever the capabilities, and tries a filter with every call there is: what
// it lets through is what moby's profile does, and is not forbidden.
func TestFilterIsTight(t *testing.T) {
	if len(calls()) < 300 {
		t.Fatalf("%d calls are known", len(calls()))
	}
	for _, caps := range [][]string{nil, usual, {"CAP_SYS_ADMIN", "CAP_BPF", "CAP_PERFMON", "CAP_SYS_MODULE", "CAP_DAC_READ_SEARCH"}} {
		f, err := filter(caps)
		if err != nil {
			t.Fatal(err)
		}
		profile, err := seccomp.GetDefaultProfile(&specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: caps}}})
		if err != nil {
			t.Fatal(err)
		}
		if f.DefaultAction != configs.Allow || !slices.Equal(f.Architectures, []string{runtime.GOARCH}) {
			t.Errorf("action %v, architectures %v", f.DefaultAction, f.Architectures)
		}
		for _, name := range calls() {
			if name == "personality" {
				continue // the node's filter has its conditions
			}
			for _, arg := range []uint64{0, 1, 2, 3, 9, 10, 11, 16, 17, 38, 40, 1 << 17, 1 << 25, 1 << 28, 1<<30 | 17, 1<<32 | 2, 1<<40 | 1<<29} {
				want := !slices.Contains(forbidden, name) && lets(profile, name, arg) && (name != "socket" || slices.Contains(families, arg))
				if got := passes(f, name, arg); got != want {
					t.Errorf("%v: %s(%#x) passes: %v", caps, name, arg, got)
				}
			}
		}
	}
	f, err := filter(usual)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mount", "unshare", "setns", "pivot_root", "reboot", "bpf", "keyctl", "io_uring_setup", "userfaultfd"} {
		if passes(f, name, 0) {
			t.Errorf("%s is let through", name)
		}
	}
}

// lets reports whether a profile, which lists what is allowed, lets a call with such a first argument through.
func lets(profile *specs.LinuxSeccomp, name string, arg uint64) bool {
	return slices.ContainsFunc(profile.Syscalls, func(rule specs.LinuxSyscall) bool {
		return rule.Action == specs.ActAllow && slices.Contains(rule.Names, name) && !slices.ContainsFunc(rule.Args, func(c specs.LinuxSeccompArg) bool {
			switch c.Op {
			case specs.OpLessThan:
				return arg >= c.Value
			case specs.OpGreaterThan:
				return arg <= c.Value
			case specs.OpEqualTo:
				return arg != c.Value
			case specs.OpMaskedEqual:
				return arg&c.Value != c.ValueTwo
			}
			panic(c.Op)
		})
	})
}

// passes reports whether a filter, which lists what is refused, lets the call through.
func passes(f *configs.Seccomp, name string, arg uint64) bool {
	return !slices.ContainsFunc(f.Syscalls, func(rule *configs.Syscall) bool {
		return rule.Name == name && rule.Action == configs.Errno && !slices.ContainsFunc(rule.Args, func(c *configs.Arg) bool {
			switch c.Op {
			case configs.GreaterThan:
				return arg <= c.Value
			case configs.EqualTo:
				return arg != c.Value
			case configs.MaskEqualTo:
				return arg&c.Value != c.ValueTwo
			}
			panic(c.Op)
		})
	})
}

func TestLastLines(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		want string
	}{{"a\nb\nc\n", 2, "b\nc\n"}, {"a\nb\nc", 1, "c"}, {"a\n", 5, "a\n"}, {"a\nb\n", 0, "a\nb\n"}, {"", 3, ""}} {
		if got := string(lastLines([]byte(c.text), c.n)); got != c.want {
			t.Errorf("last %d of %q: %q", c.n, c.text, got)
		}
	}
}

func TestEntriesComeBack(t *testing.T) {
	at := time.Date(2026, 11, 21, 3, 0, 0, 5, time.UTC)
	entries := appendEntry(nil, at, "stdout", []byte("a  b\n"))
	entries = appendEntry(entries, at, "stderr", []byte("part"))
	entries = appendEntry(entries, at, "stderr", []byte("\n"))
	if want := "2026-11-21T03:00:00.000000005Z stdout F a  b\n2026-11-21T03:00:00.000000005Z stderr P part\n2026-11-21T03:00:00.000000005Z stderr F \n"; string(entries) != want {
		t.Errorf("%q", entries)
	}
	if got := string(newLogText(sandbox.LogOptions{}).of(entries)); got != "a  b\npart\n" {
		t.Errorf("%q", got)
	}
}

func TestPace(t *testing.T) {
	var p pace
	now := time.Unix(1, 0)
	if wait := p.add(logBurst, now); wait != 0 {
		t.Errorf("a burst waits %v", wait)
	}
	if wait := p.add(logRate, now); wait != time.Second {
		t.Errorf("a second's worth waits %v", wait)
	}
	if wait := p.add(0, now.Add(time.Second)); wait != 0 {
		t.Errorf("after that second: %v", wait)
	}
}
