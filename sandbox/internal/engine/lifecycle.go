package engine

import (
	"strconv"

	"podlab/sandbox"
)

// maxMembers bounds the init containers of a pod, and its ephemeral ones.
const maxMembers = 16

// validateLifecycle checks again what package manifest has checked: the rules of Kubernetes that the engine's own code stands on. seen
// are the names of spec.containers.
func (o *object) validateLifecycle(seen map[string]bool, volumes []string) error {
	spec := &o.Spec
	if len(spec.InitContainers) > maxMembers || len(spec.EphemeralContainers) > maxMembers {
		return badValue("spec.initContainers", strconv.Itoa(len(spec.InitContainers)+len(spec.EphemeralContainers)), "too many")
	}
	if s := spec.ActiveDeadlineSeconds; s != nil && *s < 1 {
		return badValue("spec.activeDeadlineSeconds", strconv.FormatInt(*s, 10), "at least 1")
	}
	for i := range spec.InitContainers {
		c := &spec.InitContainers[i]
		at := "spec.initContainers[" + strconv.Itoa(i) + "]."
		if c.RestartPolicy != "" && c.RestartPolicy != always {
			return badValue(at+"restartPolicy", c.RestartPolicy, always+" or nothing")
		}
		if err := o.validateMember(at, c, seen, volumes, c.RestartPolicy == always); err != nil {
			return err
		}
	}
	for i := range spec.EphemeralContainers {
		if err := o.validateMember("spec.ephemeralContainers["+strconv.Itoa(i)+"].", &spec.EphemeralContainers[i].ContainerSpec, seen, volumes, false); err != nil {
			return err
		}
	}
	for i := range spec.Containers {
		c := &spec.Containers[i]
		if err := validateHooks("spec.containers["+strconv.Itoa(i)+"].", c, !o.plain()); err != nil {
			return err
		}
		if c.RestartPolicy != "" {
			return badValue("spec.containers["+strconv.Itoa(i)+"].restartPolicy", c.RestartPolicy, "of init containers only")
		}
	}
	return nil
}

// validateMember checks an init or ephemeral container; lasting ones, the sidecars, may have probes and hooks.
func (o *object) validateMember(at string, c *sandbox.ContainerSpec, seen map[string]bool, volumes []string, lasting bool) error {
	if !isLabel(c.Name) || seen[c.Name] {
		return badValue(at+"name", c.Name, "not a name of its own")
	}
	seen[c.Name] = true
	if err := validateContainer(at, c, volumes); err != nil {
		return err
	}
	return validateHooks(at, c, lasting)
}

// validateHooks checks probes, hooks and where a container's last words are.
func validateHooks(at string, c *sandbox.ContainerSpec, allowed bool) error {
	if !allowed && (c.LivenessProbe != nil || c.ReadinessProbe != nil || c.StartupProbe != nil || c.Lifecycle != nil) {
		return badValue(at+"lifecycle", c.Name, "no probes and hooks here")
	}
	if p := c.TerminationMessagePath; p != "" && !isPath(p) {
		return badValue(at+"terminationMessagePath", p, "not an absolute path without ..")
	}
	for _, p := range []*sandbox.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if p == nil {
			continue
		}
		if p.PeriodSeconds < 0 || p.TimeoutSeconds < 0 || p.InitialDelaySeconds < 0 || p.FailureThreshold < 0 || p.SuccessThreshold < 0 {
			return badValue(at+"probe", c.Name, "a negative number")
		}
		if p.Exec != nil && len(p.Exec.Command) == 0 {
			return badValue(at+"exec.command", "", "no command")
		}
	}
	if c.Lifecycle == nil {
		return nil
	}
	for _, h := range []*sandbox.Hook{c.Lifecycle.PostStart, c.Lifecycle.PreStop} {
		if h != nil && h.Exec != nil && len(h.Exec.Command) == 0 {
			return badValue(at+"exec.command", "", "no command")
		}
	}
	return nil
}
