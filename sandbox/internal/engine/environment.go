package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/runc/libcontainer"

	"podlab/sandbox"
	"podlab/sandbox/internal/image"
)

// defaultPath is PATH for images that set none, as Docker has it.
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// reasonConfig is the reason of a container that cannot be made as its pod says.
const reasonConfig = "CreateContainerConfigError"

// A configError is what makes the kubelet say CreateContainerConfigError: something that a container refers to is not there, or it
// may not run as it would. It is tried again and again, and counts as no restart.
type configError struct{ text string }

func (e *configError) Error() string { return e.text }

func configErrorf(format string, args ...any) error {
	return &configError{fmt.Sprintf(format, args...)}
}

// misconfigured takes note of a container that cannot be made as its pod says. The kubelet tries again with each sync of the pod; here
// it is tried after the first back-off's time, and at once when a ConfigMap or Secret is applied.
func (c *container) misconfigured(err *configError) {
	r := c.run
	c.unit.log.Warn("container is not configured", "container", c.id(), "err", err)
	r.Attempt-- // it was none
	r.State, r.Reason, r.Message, r.PID = waiting, reasonConfig, err.Error(), 0
	c.due = time.Now().Add(c.unit.engine.cfg.BackOff)
	c.unit.emit(sandbox.MomentContainer, "Failed", c, "command", strings.Join(c.spec.Command, " "), "detail", "Error: "+err.Error())
}

// as is what the processes of a running container have in common: exec takes it over as it was when the container started, whatever
// became of its ConfigMaps since.
type as struct {
	Env      []string
	Cwd      string
	UID, GID int
	Groups   []int
}

func asOf(p *libcontainer.Process) as {
	return as{Env: slices.Clone(p.Env), Cwd: p.Cwd, UID: p.UID, GID: p.GID, Groups: p.AdditionalGroups}
}

// environment is what a container's first process finds: the image's variables, then those of envFrom, then those of env, as
// makeEnvironmentVariables of pkg/kubelet/kubelet_pods.go has it. A reference $(NAME) in a value sees the variables of the manifest
// that stand before it. own is the manifest's part by name.
func (c *container) environment(img image.Config) (env []string, own map[string]string, err error) {
	env = set([]string{defaultPath}, "HOSTNAME", c.unit.hostname())
	for _, pair := range img.Env {
		if name, value, ok := strings.Cut(pair, "="); ok {
			env = set(env, name, value)
		}
	}
	own = map[string]string{}
	if err := c.envFrom(own); err != nil {
		return nil, nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		env = set(env, name, own[name])
	}
	for _, v := range c.spec.Env {
		value, ok := expand(v.Value, own), true
		if v.ValueFrom != nil {
			if value, ok, err = c.valueFrom(v.ValueFrom); err != nil {
				return nil, nil, err
			}
		}
		if ok {
			own[v.Name] = value
			env = set(env, v.Name, value)
		}
	}
	return env, own, nil
}

// envFrom adds every key of the ConfigMaps and Secrets that are named; later ones win.
func (c *container) envFrom(own map[string]string) error {
	for _, from := range c.spec.EnvFrom {
		kind, ref := sandbox.ManifestConfigMap, from.ConfigMapRef
		if ref == nil {
			kind, ref = sandbox.ManifestSecret, from.SecretRef
		}
		d, err := c.unit.engine.dataOf(kind, ref.Name)
		if err != nil && isTrue(ref.Optional) {
			continue
		}
		if err != nil {
			return configErrorf("%v", err)
		}
		for key, value := range d.text {
			own[from.Prefix+key] = value
		}
	}
	return nil
}

// valueFrom is a variable's value from elsewhere; false when it is optional and not there.
func (c *container) valueFrom(from *sandbox.EnvVarSource) (value string, ok bool, err error) {
	switch {
	case from.FieldRef != nil:
		value, err = c.unit.field(from.FieldRef.FieldPath)
	case from.ResourceFieldRef != nil:
		value, err = c.unit.resource(from.ResourceFieldRef, c.spec)
	case from.ConfigMapKeyRef != nil:
		return c.keyOf(sandbox.ManifestConfigMap, from.ConfigMapKeyRef)
	default:
		return c.keyOf(sandbox.ManifestSecret, from.SecretKeyRef)
	}
	if err != nil {
		return "", false, configErrorf("%v", err)
	}
	return value, true, nil
}

func (c *container) keyOf(kind string, ref *sandbox.KeySelector) (value string, ok bool, err error) {
	d, err := c.unit.engine.dataOf(kind, ref.Name)
	if err == nil {
		if value, ok = d.text[ref.Key]; ok {
			return value, true, nil
		}
		err = fmt.Errorf("couldn't find key %v in %s %s/%s", ref.Key, kind, c.unit.object.Meta.Namespace, ref.Name)
	}
	if isTrue(ref.Optional) {
		return "", false, nil
	}
	return "", false, configErrorf("%v", err)
}

// set puts name=value in place of an earlier value, else at the end.
func set(env []string, name, value string) []string {
	for i, pair := range env {
		if strings.HasPrefix(pair, name+"=") {
			env[i] = name + "=" + value
			return env
		}
	}
	return append(env, name+"="+value)
}

// argv puts together what runs: command replaces the image's entrypoint and its arguments, args replaces the arguments only
// (the table in Kubernetes' "Define a Command and Arguments for a Container").
func argv(img image.Config, spec *sandbox.ContainerSpec, vars map[string]string) []string {
	entry, args := img.Entrypoint, img.Cmd
	if len(spec.Command) > 0 {
		entry, args = expandAll(spec.Command, vars), nil
	}
	if len(spec.Args) > 0 {
		args = expandAll(spec.Args, vars)
	}
	return append(append([]string(nil), entry...), args...)
}

func expandAll(words []string, vars map[string]string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = expand(w, vars)
	}
	return out
}

// expand replaces $(NAME) by the variable's value. $$ stands for one $, and a reference to nothing known stays as it is:
// Kubernetes' third_party/forked/golang/expansion.
func expand(s string, vars map[string]string) string {
	var out strings.Builder
	for {
		i := strings.IndexByte(s, '$')
		if i < 0 || i+1 == len(s) {
			out.WriteString(s)
			return out.String()
		}
		out.WriteString(s[:i])
		s = s[i+1:]
		switch s[0] {
		case '$':
			out.WriteByte('$')
			s = s[1:]
		case '(':
			name, rest, closed := strings.Cut(s[1:], ")")
			if !closed {
				out.WriteString("$(")
				s = s[1:]
				continue
			}
			if value, ok := vars[name]; ok {
				out.WriteString(value)
			} else {
				out.WriteString("$(" + name + ")")
			}
			s = rest
		default:
			out.WriteByte('$')
		}
	}
}
