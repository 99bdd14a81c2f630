package kubectl

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"podlab/sandbox"
)

// containers prints one list of a pod's containers. A pod without init or ephemeral ones has no line of them.
func (p page) containers(title string, list []sandbox.ContainerSpec, statuses []sandbox.ContainerStatus) {
	if len(list) == 0 {
		return
	}
	p.title(0, title)
	for _, c := range list {
		p.container(c, statusOf(statuses, c.Name))
	}
}

func specsOf(list []sandbox.EphemeralContainer) (specs []sandbox.ContainerSpec) {
	for _, c := range list {
		specs = append(specs, c.ContainerSpec)
	}
	return specs
}

func statusOf(statuses []sandbox.ContainerStatus, name string) sandbox.ContainerStatus {
	for _, s := range statuses {
		if s.Name == name {
			return s
		}
	}
	return sandbox.ContainerStatus{}
}

func (p page) container(c sandbox.ContainerSpec, s sandbox.ContainerStatus) {
	p.title(1, c.Name)
	p.say(2, "Container ID", "%s", s.ContainerID)
	p.say(2, "Image", "%s", c.Image)
	p.say(2, "Image ID", "%s", s.ImageID)
	p.say(2, "Port", "%s", ports(c.Ports))
	p.list("Command", c.Command)
	p.list("Args", c.Args)
	p.state("State", s.State)
	if s.LastState != (sandbox.ContainerState{}) {
		p.state("Last State", s.LastState)
	}
	p.say(2, "Ready", "%s", truth(s.Ready))
	p.say(2, "Restart Count", "%d", s.RestartCount)
	p.amounts("Limits", c.Resources.Limits)
	p.amounts("Requests", c.Resources.Requests)
	for _, probe := range []struct {
		name string
		spec *sandbox.Probe
	}{{"Liveness", c.LivenessProbe}, {"Readiness", c.ReadinessProbe}, {"Startup", c.StartupProbe}} {
		if probe.spec != nil {
			p.say(2, probe.name, "%s", describeProbe(probe.spec))
		}
	}
	p.environmentFrom(c.EnvFrom)
	p.environment(c)
	p.mounts(c.VolumeMounts)
}

func ports(list []sandbox.ContainerPort) string {
	var out []string
	for _, port := range list {
		protocol := port.Protocol
		if protocol == "" {
			protocol = "TCP"
		}
		out = append(out, fmt.Sprintf("%d/%s", port.ContainerPort, protocol))
	}
	return orNone(strings.Join(out, ", "))
}

func (p page) list(name string, words []string) {
	if len(words) == 0 {
		return
	}
	p.title(2, name)
	for _, word := range words {
		for line := range strings.Lines(word) {
			fmt.Fprintf(p, "      %s\n", Clean(strings.TrimSuffix(line, "\n")))
		}
	}
}

func (p page) state(name string, s sandbox.ContainerState) {
	switch {
	case s.Running != nil:
		p.say(2, name, "Running")
		p.say(3, "Started", "%s", moment(s.Running.StartedAt))
	case s.Terminated != nil:
		t := s.Terminated
		p.say(2, name, "Terminated")
		p.say(3, "Reason", "%s", t.Reason)
		if t.Message != "" {
			p.say(3, "Message", "%s", t.Message)
		}
		p.say(3, "Exit Code", "%d", t.ExitCode)
		if t.Signal != 0 {
			p.say(3, "Signal", "%d", t.Signal)
		}
		p.say(3, "Started", "%s", moment(t.StartedAt))
		p.say(3, "Finished", "%s", moment(t.FinishedAt))
	case s.Waiting != nil:
		p.say(2, name, "Waiting")
		p.say(3, "Reason", "%s", s.Waiting.Reason)
		if s.Waiting.Message != "" {
			p.say(3, "Message", "%s", s.Waiting.Message)
		}
	default:
		p.say(2, name, "Waiting")
	}
}

func (p page) amounts(name string, of map[string]string) {
	if len(of) == 0 {
		return
	}
	p.title(2, name)
	for _, key := range slices.Sorted(maps.Keys(of)) {
		p.say(3, key, "%s", of[key])
	}
}

// describeProbe is one line: what is asked, and all numbers with Kubernetes' defaults.
func describeProbe(probe *sandbox.Probe) string {
	asks := "unknown"
	switch {
	case probe.Exec != nil:
		asks = fmt.Sprintf("exec %v", probe.Exec.Command)
	case probe.HTTPGet != nil:
		g := probe.HTTPGet
		asks = fmt.Sprintf("http-get %s://%s:%s%s", strings.ToLower(cmp.Or(g.Scheme, "HTTP")), g.Host, g.Port, cmp.Or(g.Path, "/"))
	case probe.TCPSocket != nil:
		asks = fmt.Sprintf("tcp-socket %s:%s", probe.TCPSocket.Host, probe.TCPSocket.Port)
	case probe.GRPC != nil:
		asks = fmt.Sprintf("grpc <pod>:%d ", probe.GRPC.Port)
		if probe.GRPC.Service != nil {
			asks += *probe.GRPC.Service
		}
	}
	return fmt.Sprintf("%s delay=%ds timeout=%ds period=%ds #success=%d #failure=%d", asks, probe.InitialDelaySeconds, cmp.Or(probe.TimeoutSeconds, 1),
		cmp.Or(probe.PeriodSeconds, 10), cmp.Or(probe.SuccessThreshold, 1), cmp.Or(probe.FailureThreshold, 3))
}

func (p page) environmentFrom(list []sandbox.EnvFromSource) {
	if len(list) == 0 {
		return
	}
	p.title(2, "Environment Variables from")
	for _, from := range list {
		kind, ref := "ConfigMap", from.ConfigMapRef
		if ref == nil {
			kind, ref = "Secret", from.SecretRef
		}
		if ref == nil {
			continue
		}
		if from.Prefix != "" {
			kind += fmt.Sprintf(" with prefix '%s'", from.Prefix)
		}
		fmt.Fprintf(p, "      %s\t%s\tOptional: %v\n", Clean(ref.Name), Clean(kind), isTrue(ref.Optional))
	}
}

func (p page) environment(c sandbox.ContainerSpec) {
	if len(c.Env) == 0 {
		p.say(2, "Environment", "<none>")
		return
	}
	p.title(2, "Environment")
	for _, e := range c.Env {
		p.say(3, e.Name, "%s", valueOf(e))
	}
}

// valueOf says what a variable is set to, or where from. What a Secret holds is not shown.
func valueOf(e sandbox.EnvVar) string {
	switch from := e.ValueFrom; {
	case from == nil:
		return e.Value
	case from.FieldRef != nil:
		return fmt.Sprintf(" (%s:%s)", cmp.Or(from.FieldRef.APIVersion, "v1"), from.FieldRef.FieldPath)
	case from.ResourceFieldRef != nil:
		return fmt.Sprintf(" (%s)", from.ResourceFieldRef.Resource)
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		return fmt.Sprintf("<set to the key '%s' of config map '%s'>  Optional: %v", ref.Key, ref.Name, isTrue(ref.Optional))
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		return fmt.Sprintf("<set to the key '%s' in secret '%s'>  Optional: %v", ref.Key, ref.Name, isTrue(ref.Optional))
	}
	return ""
}

func isTrue(b *bool) bool { return b != nil && *b }

func (p page) mounts(list []sandbox.VolumeMount) {
	if len(list) == 0 {
		p.say(2, "Mounts", "<none>")
		return
	}
	p.title(2, "Mounts")
	for _, m := range list {
		mode := "rw"
		if m.ReadOnly {
			mode = "ro"
		}
		if path := cmp.Or(m.SubPath, m.SubPathExpr); path != "" {
			mode += fmt.Sprintf(",path=%q", path)
		}
		fmt.Fprintf(p, "      %s from %s (%s)\n", Clean(m.MountPath), Clean(m.Name), Clean(mode))
	}
}
