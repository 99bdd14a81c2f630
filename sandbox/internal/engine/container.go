package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/pidfd"
)

// pauseImage is the image of every pod's infra container.
const pauseImage = "podlab/pause"

// stable is how long a container must have run for its next crash to count as the first (kubelet: twice the longest back-off).
const stable = 10 * time.Minute

// A container is one container of a unit. It belongs to the unit's goroutine, but for launch.
type container struct {
	unit *unit
	run  *run
	spec *sandbox.ContainerSpec // nil for infra
	kind string

	role   string // sandbox.Role…, empty for infra and the containers of spec.containers
	target string // of an ephemeral container: whose process namespace it joins

	alive  *alive    // while running
	due    time.Time // not to be started before
	pulls  pulls
	killed bool // SIGKILL was sent
}

// begin makes the context that all the container's probes and hooks end with.
func (a *alive) begin(of context.Context) {
	a.life, a.cancel = context.WithCancel(of)
	a.probes = map[string]context.CancelFunc{}
}

// alive is what a running container holds on to.
type alive struct {
	lc       *libcontainer.Container
	pidfd    *os.File // nil when the process was gone before it could be opened
	recorder *recorder
	rootfs   *rootfs
	alarm    *os.File // of memory; nil without the controller

	life   context.Context // of the container's probes and hooks
	cancel context.CancelFunc
	probes map[string]context.CancelFunc // by the probe's name
}

func (c *container) name() string {
	if c.spec == nil {
		return infraName
	}
	return c.spec.Name
}

func (c *container) id() string { return c.unit.record.id(c.name()) }

// lcID is the name by which libcontainer knows the container; an underscore is in no name of a manifest.
func (c *container) lcID() string { return strings.ReplaceAll(c.id(), "/", "_") }

func (c *container) cgroup() string { return c.unit.cgroup(c.name()) }

// keepKey names what node init keeps for the container.
func (c *container) keepKey() string { return keepPrefix + c.id() }

// overlayDir is where the files of an attempt are.
func (c *container) overlayDir(attempt int) string {
	return filepath.Join(c.unit.dir(), "overlay", c.name(), strconv.Itoa(attempt))
}

func (c *container) isRunning() bool { return c.run.State == running }

// willRun reports whether the container runs or will be started again by its policy.
func (c *container) willRun() bool {
	u := c.unit
	switch {
	case c.isRunning():
		return true
	case u.record.Failure.Reason != "":
		return false
	case c.role == sandbox.RoleSidecar:
		return u.appsWillRun()
	case c.run.State == waiting:
		return c.role != "" || !u.initFailed()
	}
	return c.run.Again != "" || restarts(c.policy(), c.run.Code)
}

// policy is when the container is started again: a sidecar always, an init container until it has succeeded, an ephemeral one never
// (API reference, PodSpec.restartPolicy and Container.restartPolicy).
func (c *container) policy() string {
	policy := c.unit.object.Spec.RestartPolicy
	switch {
	case c.role == sandbox.RoleSidecar:
		return always
	case c.role == sandbox.RoleEphemeral:
		return never
	case c.role == sandbox.RoleInit && policy == always:
		return onFailure
	}
	return policy
}

func restarts(policy string, code int) bool {
	return policy == always || (policy == onFailure && code != 0)
}

func (c *container) isDue(now time.Time) bool {
	return !c.isRunning() && c.willRun() && !now.Before(c.due) && c.isItsTurn()
}

// started takes over what launch made.
func (c *container) started(made *launched) {
	r := c.run
	c.alive = &made.alive
	c.alive.begin(c.unit.engine.life)
	if r.Attempt > 1 {
		c.countRestart()
	}
	r.Name, r.State, r.Reason, r.Message = c.name(), running, "", ""
	r.PID, r.Start, r.Boot, r.Started, r.Finished = made.pid, made.start, made.boot, made.at, time.Time{}
	r.ImageID, r.Layers, r.OOM = made.imageID, made.rootfs.layers, 0
	r.Up, r.Ready, r.StopBy, r.StopAsk, r.Signaled, r.Again = false, false, time.Time{}, time.Time{}, false, ""
	if c.spec != nil {
		r.Image, r.Mounts, r.As = c.spec.Image, made.mounts, asOf(made.process)
	}
	c.due, c.pulls, c.killed = time.Time{}, pulls{}, false
	c.discardOld()
	c.unit.emit(sandbox.MomentContainer, "Started", c)
	if addr := c.unit.record.Address; made.mac != "" {
		c.unit.emit(sandbox.MomentNetwork, "Attached", c, "address", addr, "mac", made.mac, "host", c.unit.record.Cable)
	}
	go c.watch(made)
	c.watchMemory()
	c.begun()
}

// countRestart counts a start that is not the first. A container that was replaced starts anew with its back-off, a crashed one
// waits twice as long the next time.
func (c *container) countRestart() {
	c.run.Restarts++
	base := c.unit.engine.cfg.BackOff
	switch {
	case c.run.Again == againImage, c.run.Finished.IsZero():
		c.run.Delay = 0
	case c.run.Delay == 0:
		c.run.Delay = base
	default:
		c.run.Delay = min(2*c.run.Delay, 30*base)
	}
}

// watch waits for the end of a process that this agent started.
func (c *container) watch(made *launched) {
	if err := pidfd.Wait(made.pidfd); err != nil {
		c.unit.log.Error("wait", "container", c.id(), "err", err)
	}
	state, err := made.process.Wait()
	var status syscall.WaitStatus
	if state != nil {
		status = state.Sys().(syscall.WaitStatus)
	} else {
		c.unit.log.Error("wait", "container", c.id(), "err", err)
	}
	attempt := made.attempt
	c.unit.post(func() { c.ended(attempt, status, state != nil) })
}

// ended takes note of the end of the attempt's first process and clears away what only a running container needs. known is
// false when nobody can say how it ended.
func (c *container) ended(attempt int, status syscall.WaitStatus, known bool) {
	r := c.run
	if r.Attempt != attempt || r.State != running {
		return
	}
	c.countOOM()
	r.State, r.Finished, r.Message = exited, time.Now(), ""
	r.Hooking, r.Up, r.Ready, r.StopBy, r.StopAsk, r.Signaled = false, false, false, time.Time{}, time.Time{}, false
	r.Code, r.Signal = exitCode(status)
	r.Reason = reason(r, known)
	if !known {
		r.Code, r.Signal = 137, 0
	}
	c.unit.save() // before what it held is gone: how it ended is asked of nobody twice
	c.release()
	r.Message = c.lastWords()
	if c.kind == sandbox.KindInfra {
		c.infraEnded()
	} else {
		c.unit.emit(sandbox.MomentContainer, r.Reason, c, "code", strconv.Itoa(r.Code), "signal", strconv.Itoa(r.Signal))
		c.comeBack()
	}
	c.unit.publish()
}

// exitCode gives a shell's view of a wait status: 128+n for signal n.
func exitCode(status syscall.WaitStatus) (code, signal int) {
	if status.Signaled() {
		return 128 + int(status.Signal()), int(status.Signal())
	}
	return status.ExitStatus(), 0
}

func reason(r *run, known bool) string {
	switch {
	case !known:
		return reasonUnknown
	case r.OOM > 0 && r.Code == 137:
		return reasonOOM
	case r.Code == 0:
		return reasonCompleted
	}
	return reasonError
}

func (c *container) infraEnded() {
	u := c.unit
	if u.record.Finished || !u.record.Deleted.IsZero() {
		u.tearDownSandbox()
		u.releaseSandbox()
		return
	}
	u.emit(sandbox.MomentPod, "SandboxChanged", nil, "code", strconv.Itoa(c.run.Code), "signal", strconv.Itoa(c.run.Signal))
}

// comeBack decides when a container that ended is started again, and ends the unit if that was the last one to run.
func (c *container) comeBack() {
	u, r := c.unit, c.run
	if u.object.plain() && u.record.Cable != "" {
		if err := u.engine.bridge.Detach(u.record.Cable); err != nil {
			u.log.Error("cable not removed", "err", err)
		}
	}
	if !u.record.Deleted.IsZero() {
		return
	}
	if !c.willRun() {
		u.settle()
		return
	}
	r.Last = r.terminated()
	if r.Again == againImage {
		c.due = time.Time{}
		return
	}
	c.backOff()
}

// backOff lets a crashed container wait: not at all the first time, then ever longer.
func (c *container) backOff() {
	r := c.run
	if !r.Started.IsZero() && r.Finished.Sub(r.Started) >= stable {
		r.Delay = 0
	}
	c.due = r.Finished.Add(r.Delay)
	if r.Delay == 0 {
		return
	}
	pod := c.unit.object.Ref.Name + "_" + c.unit.object.Meta.Namespace + "(" + c.unit.record.UID + ")"
	r.State, r.Reason = waiting, reasonCrashLoop
	r.Message = "back-off " + shortDuration(r.Delay) + " restarting failed container=" + r.Name + " pod=" + pod
	c.unit.emit(sandbox.MomentContainer, "BackOff", c, "delay", strconv.FormatInt(int64(r.Delay/time.Second), 10), "uid", c.unit.record.UID)
}

// shortDuration writes 2m40s and 5m0s as the kubelet does.
func shortDuration(d time.Duration) string { return d.String() }

// failed takes note of a container that could not be started.
func (c *container) failed(err error) {
	if e, ok := errors.AsType[*configError](err); ok {
		c.misconfigured(e)
		return
	}
	if e, ok := errors.AsType[*pullError](err); ok {
		c.notPulled(e)
		return
	}
	r := c.run
	c.unit.engine.reapStrays()
	c.unit.log.Warn("container cannot start", "container", c.id(), "err", err)
	if r.Attempt > 1 {
		c.countRestart()
	}
	now := time.Now()
	r.Name, r.Image = c.name(), c.spec.Image
	r.State, r.Reason, r.Message = exited, reasonCannotRun, err.Error()
	r.Code, r.Signal, r.Started, r.Finished, r.PID, r.Again = cannotRunCode(err), 0, now, now, 0, ""
	c.unit.emit(sandbox.MomentContainer, "Failed", c, "command", strings.Join(c.spec.Command, " "), "detail", startDetail(err))
	c.comeBack()
}

// cannotRunCode is what shells and Docker say: 127 for no such command, 126 for one that cannot be executed, 128 for the rest.
func cannotRunCode(err error) int {
	text := err.Error()
	switch {
	case strings.Contains(text, "executable file not found"), strings.Contains(text, "no such file or directory"):
		return 127
	case strings.Contains(text, "permission denied"), strings.Contains(text, "is a directory"):
		return 126
	}
	return 128
}

func (c *container) signalKill() {
	if !c.killed {
		c.killed = true
		c.alive.cancel()
		c.signal(unix.SIGKILL)
	}
}

func (c *container) signal(s unix.Signal) {
	if c.alive.pidfd == nil {
		return
	}
	if err := pidfd.Signal(c.alive.pidfd, s); err != nil {
		c.unit.log.Error("signal", "container", c.id(), "signal", s, "err", err)
	}
}

// release lets go of what a running container held: its group, whatever was left in it, its mounts and pipes.
func (c *container) release() {
	a := c.alive
	c.alive = nil
	if a == nil {
		return
	}
	a.cancel()
	for _, f := range []*os.File{a.pidfd, a.alarm} {
		if f != nil {
			f.Close()
		}
	}
	if err := a.destroy(); err != nil {
		c.unit.log.Error("container not destroyed", "container", c.id(), "err", err)
		c.clearLeftovers()
	}
	if a.recorder != nil {
		a.recorder.finish(sandbox.Exit{Code: c.run.Code, Signal: c.run.Signal})
		_ = c.unit.engine.keeper.Drop(c.keepKey()) // node init is away: then so are we, soon
	}
	if err := a.rootfs.unmount(); err != nil {
		c.unit.log.Error("root not unmounted", "container", c.id(), "err", err)
	}
}

// destroy removes the control group and libcontainer's state.
func (a *alive) destroy() error {
	if a.lc == nil {
		return errors.New("libcontainer's state is lost")
	}
	return a.lc.Destroy()
}

// clearLeftovers removes what a half-made or badly ended run left: processes, group, libcontainer's state, mount, kept pipes.
func (c *container) clearLeftovers() {
	c.unit.engine.clearGroup(c.cgroup())
	if err := os.RemoveAll(filepath.Join(c.unit.engine.runtimeDir(), c.lcID())); err != nil {
		c.unit.log.Error("state not removed", "container", c.id(), "err", err)
	}
	if c.run.Attempt > 0 {
		_ = (&rootfs{dir: c.overlayDir(c.run.Attempt)}).unmount() // it may not have been mounted yet
	}
	_ = c.unit.engine.keeper.Drop(c.keepKey()) // nothing may have been kept yet
}

// discardOld removes the files and the log of attempts before the last two: the present one and the one "previous" asks for.
func (c *container) discardOld() {
	last := c.run.Attempt - 1
	if last >= 1 {
		c.removeRoot(last)
	}
	if last >= 2 {
		log := c.unit.logPath(c.name(), last-1)
		os.Remove(log)
		os.Remove(log + oldLog)
	}
}

func (c *container) removeRoot(attempt int) {
	if err := (&rootfs{dir: c.overlayDir(attempt)}).remove(); err != nil {
		c.unit.log.Error("files not removed", "container", c.id(), "attempt", attempt, "err", err)
	}
}
