package engine

import (
	"slices"
	"time"

	"podlab/sandbox"
)

// due lists the containers to be started now: those of spec.containers side by side, but none after one with a postStart hook, which
// the kubelet waits for before it starts the next.
func (u *unit) due(now time.Time) []*container {
	u.initialize()
	due := slices.DeleteFunc(u.members(), func(c *container) bool { return !c.isDue(now) })
	for i, c := range due {
		if c.hook(postStart) != nil {
			return due[:i+1]
		}
	}
	return due
}

// initialize takes note that every init container is done in this sandbox: it is not asked again when a sidecar restarts.
func (u *unit) initialize() {
	if !u.record.Initialized && !slices.ContainsFunc(u.inits, func(c *container) bool { return !c.passed() }) {
		u.record.Initialized = true
	}
}

// passed reports whether the init containers after this one may start: it has succeeded or, as a sidecar, it has started
// (API reference, PodSpec.initContainers and ContainerStatus.started).
func (c *container) passed() bool {
	if c.role == sandbox.RoleSidecar {
		return c.isRunning() && c.run.Up
	}
	return c.run.State == exited && c.run.Code == 0
}

// isItsTurn reports whether what must come before the container has come: for an init container the ones before it, for the others all
// of them. An ephemeral container waits only for its target (KEP-277).
func (c *container) isItsTurn() bool {
	u := c.unit
	switch c.role {
	case sandbox.RoleEphemeral:
		_, err := u.targetPID(c.target)
		return c.target == "" || err == nil
	case sandbox.RoleInit, sandbox.RoleSidecar:
		// Once the pod is initialized only a sidecar that comes back is asked for.
		notPassed := func(earlier *container) bool { return !earlier.passed() }
		return u.record.Initialized || !slices.ContainsFunc(u.inits[:slices.Index(u.inits, c)], notPassed)
	}
	hooking := func(earlier *container) bool { return earlier.run.Hooking }
	return u.record.Initialized && !slices.ContainsFunc(u.apps[:slices.Index(u.apps, c)], hooking)
}

// initFailed reports whether an init container has failed and its pod's policy gives it no second chance.
func (u *unit) initFailed() bool {
	return slices.ContainsFunc(u.inits, func(c *container) bool {
		return c.role == sandbox.RoleInit && c.run.State == exited && !c.willRun() && c.run.Code != 0
	})
}

// appsWillRun reports whether one of spec.containers runs or will be started: the others live for them.
func (u *unit) appsWillRun() bool { return slices.ContainsFunc(u.apps, (*container).willRun) }

// uninitialize has the init containers run again, in a new sandbox.
func (u *unit) uninitialize() {
	u.record.Initialized = false
	for _, c := range u.inits {
		r := c.run
		if r.State == exited {
			r.Last = r.terminated()
		}
		r.State, r.Reason, r.Message, r.Delay, r.Again = waiting, reasonInitializing, "", 0, ""
		c.due = time.Time{}
	}
}
