package manifest

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"podlab/sandbox"
)

// maxSeconds bounds delays and periods: the longest that a lab lives.
const maxSeconds = 86_400

// containers checks every list of containers of a pod. Their names share one name space.
func (d *document) containers(spec *sandbox.PodSpec) error {
	names := map[string]bool{}
	each := func(at string, c *sandbox.ContainerSpec, more func(string, *sandbox.ContainerSpec) error) error {
		if err := d.container(at, c, spec.Volumes); err != nil {
			return err
		}
		if names[c.Name] {
			return d.bad(at+".name", c.Name, WantUnique)
		}
		names[c.Name] = true
		return first(
			func() error { return more(at, c) },
			func() error {
				return d.choice(at+".terminationMessagePolicy", c.TerminationMessagePolicy, "File", "FallbackToLogsOnError")
			},
			func() error { return d.workingDir(at+".terminationMessagePath", c.TerminationMessagePath) },
			func() error { return d.probes(at, c) },
			func() error { return d.hooks(at, c, spec.TerminationGracePeriodSeconds) },
		)
	}
	for i := range spec.InitContainers {
		if err := each(fmt.Sprintf("spec.initContainers[%d]", i), &spec.InitContainers[i], d.initContainer); err != nil {
			return err
		}
	}
	for i := range spec.Containers {
		if err := each(fmt.Sprintf("spec.containers[%d]", i), &spec.Containers[i], d.appContainer); err != nil {
			return err
		}
	}
	for i := range spec.EphemeralContainers {
		c := &spec.EphemeralContainers[i]
		at := fmt.Sprintf("spec.ephemeralContainers[%d]", i)
		if err := each(at, &c.ContainerSpec, d.ephemeralContainer); err != nil {
			return err
		}
		if err := d.target(at+".targetContainerName", c.TargetContainerName, spec); err != nil {
			return err
		}
	}
	return nil
}

// appContainer: rules for restarts of single containers (KEP-5307) are not supported.
func (d *document) appContainer(at string, c *sandbox.ContainerSpec) error {
	if c.RestartPolicy != "" {
		return d.unsupported(at + ".restartPolicy")
	}
	return nil
}

// initContainer: only a sidecar, which goes on running, can be probed or hooked (KEP-753).
func (d *document) initContainer(at string, c *sandbox.ContainerSpec) error {
	if err := d.choice(at+".restartPolicy", c.RestartPolicy, "Always"); err != nil || c.RestartPolicy != "" {
		return err
	}
	return d.withoutLifecycle(at, c)
}

// ephemeralContainer: what Kubernetes lets none of them have (KEP-277).
func (d *document) ephemeralContainer(at string, c *sandbox.ContainerSpec) error {
	for field, there := range map[string]bool{
		".ports": len(c.Ports) > 0, ".resources": len(c.Resources.Limits)+len(c.Resources.Requests) > 0, ".restartPolicy": c.RestartPolicy != "",
	} {
		if there {
			return d.unsupported(at + field)
		}
	}
	return d.withoutLifecycle(at, c)
}

func (d *document) withoutLifecycle(at string, c *sandbox.ContainerSpec) error {
	for _, f := range []struct {
		field string
		there bool
	}{
		{".livenessProbe", c.LivenessProbe != nil}, {".readinessProbe", c.ReadinessProbe != nil},
		{".startupProbe", c.StartupProbe != nil}, {".lifecycle", c.Lifecycle != nil},
	} {
		if f.there {
			return d.unsupported(at + f.field)
		}
	}
	return nil
}

// plainLifecycle: what the kubelet does for pods, nobody does for a container on its own.
func (d *document) plainLifecycle(c *sandbox.ContainerSpec) error {
	switch {
	case c.TerminationMessagePath != "":
		return d.unsupported("spec.terminationMessagePath")
	case c.TerminationMessagePolicy != "":
		return d.unsupported("spec.terminationMessagePolicy")
	}
	return d.withoutLifecycle("spec", c)
}

func (d *document) unsupported(at string) error {
	return positioned(sandbox.CodeUnsupportedField, d.nearest(at), "field", at, "detail", WhyPlace)
}

func (d *document) target(at, name string, spec *sandbox.PodSpec) error {
	var known []string
	for _, list := range [][]sandbox.ContainerSpec{spec.InitContainers, spec.Containers} {
		for _, c := range list {
			known = append(known, c.Name)
		}
	}
	return d.choice(at, name, known...)
}

func (d *document) probes(at string, c *sandbox.ContainerSpec) error {
	for _, p := range []struct {
		field string
		probe *sandbox.Probe
	}{{".startupProbe", c.StartupProbe}, {".livenessProbe", c.LivenessProbe}, {".readinessProbe", c.ReadinessProbe}} {
		if p.probe == nil {
			continue
		}
		if err := d.probe(at+p.field, p.probe, c, p.field == ".readinessProbe"); err != nil {
			return err
		}
	}
	return nil
}

func (d *document) probe(at string, p *sandbox.Probe, c *sandbox.ContainerSpec, readiness bool) error {
	if count(p.Exec != nil, p.HTTPGet != nil, p.TCPSocket != nil, p.GRPC != nil) != 1 {
		return d.bad(at, "", WantChoice, "want", "exec, httpGet, tcpSocket, grpc")
	}
	mostSuccesses := int64(1)
	if readiness {
		mostSuccesses = maxSeconds
		if p.TerminationGracePeriodSeconds != nil {
			return d.unsupported(at + ".terminationGracePeriodSeconds")
		}
	}
	for _, n := range []struct {
		field string
		value int
		most  int64
	}{
		{".initialDelaySeconds", p.InitialDelaySeconds, maxSeconds}, {".timeoutSeconds", p.TimeoutSeconds, maxSeconds},
		{".periodSeconds", p.PeriodSeconds, maxSeconds}, {".successThreshold", p.SuccessThreshold, mostSuccesses},
		{".failureThreshold", p.FailureThreshold, math.MaxInt32},
	} {
		value := int64(n.value)
		if err := d.bounded(at+n.field, &value, 0, n.most); err != nil {
			return err
		}
	}
	return first(
		func() error { return d.serverOf(at, p, c) },
		func() error {
			return d.bounded(at+".terminationGracePeriodSeconds", p.TerminationGracePeriodSeconds, 1, 3600)
		},
		func() error { return d.execAction(at+".exec", p.Exec) },
		func() error { return d.httpGet(at+".httpGet", p.HTTPGet, c) },
	)
}

// serverOf checks which port a probe of a server asks; gRPC's has a number only.
func (d *document) serverOf(at string, p *sandbox.Probe, c *sandbox.ContainerSpec) error {
	switch {
	case p.TCPSocket != nil:
		return d.port(at+".tcpSocket.port", p.TCPSocket.Port, c)
	case p.GRPC != nil:
		port := int64(p.GRPC.Port)
		return d.bounded(at+".grpc.port", &port, 1, 65535)
	}
	return nil
}

func (d *document) hooks(at string, c *sandbox.ContainerSpec, grace *int64) error {
	if c.Lifecycle == nil {
		return nil
	}
	return first(
		func() error { return d.hook(at+".lifecycle.postStart", c.Lifecycle.PostStart, c, grace) },
		func() error { return d.hook(at+".lifecycle.preStop", c.Lifecycle.PreStop, c, grace) },
	)
}

func (d *document) hook(at string, h *sandbox.Hook, c *sandbox.ContainerSpec, grace *int64) error {
	if h == nil {
		return nil
	}
	if count(h.Exec != nil, h.HTTPGet != nil, h.Sleep != nil) != 1 {
		return d.bad(at, "", WantChoice, "want", "exec, httpGet, sleep")
	}
	if h.Sleep != nil {
		most := int64(30) // Kubernetes' default grace
		if grace != nil {
			most = *grace
		}
		return d.bounded(at+".sleep.seconds", &h.Sleep.Seconds, 0, most)
	}
	return first(
		func() error { return d.execAction(at+".exec", h.Exec) },
		func() error { return d.httpGet(at+".httpGet", h.HTTPGet, c) },
	)
}

func (d *document) execAction(at string, e *sandbox.ExecAction) error {
	if e != nil && len(e.Command) == 0 {
		return d.bad(at+".command", "", WantRequired)
	}
	return nil
}

func (d *document) httpGet(at string, h *sandbox.HTTPGetAction, c *sandbox.ContainerSpec) error {
	if h == nil {
		return nil
	}
	if strings.ContainsAny(h.Path, " \r\n\x00") {
		return d.bad(at+".path", h.Path, WantPath)
	}
	for i, header := range h.HTTPHeaders {
		field := fmt.Sprintf("%s.httpHeaders[%d]", at, i)
		if len(validation.IsHTTPHeaderName(header.Name)) > 0 {
			return d.bad(field+".name", header.Name, WantName)
		}
		if strings.ContainsAny(header.Value, "\r\n\x00") {
			return d.bad(field+".value", header.Value, WantString)
		}
	}
	return first(
		func() error { return d.choice(at+".scheme", h.Scheme, "HTTP", "HTTPS") },
		func() error { return d.port(at+".port", h.Port, c) },
	)
}

// port is a number, or a name among the container's ports.
func (d *document) port(at string, port sandbox.IntOrString, c *sandbox.ContainerSpec) error {
	if port == "" {
		return d.bad(at, "", WantRequired)
	}
	if n, err := strconv.ParseInt(string(port), 10, 64); err == nil {
		return d.bounded(at, &n, 1, 65535)
	}
	names := make([]string, 0, len(c.Ports))
	for _, p := range c.Ports {
		names = append(names, p.Name)
	}
	return d.choice(at, string(port), names...)
}

func count(there ...bool) (n int) {
	for _, t := range there {
		if t {
			n++
		}
	}
	return n
}
