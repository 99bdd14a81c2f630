package engine

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// leastGrace is what a container has at least after its stop signal, when its pod was given any grace at all: preStop or the
// sidecars after it may have used up the rest (kubelet: minimumGracePeriodInSeconds).
const leastGrace = 2 * time.Second

// end has everything in the unit but infra stopped, and killed after grace. why is what moments Killing say of it, "" for deletion. A
// second call can only shorten the first one's grace.
func (u *unit) end(grace time.Duration, why string) {
	now := time.Now()
	if by := u.record.Ending.By; by.IsZero() || now.Add(grace).Before(by) {
		u.record.Ending = ending{By: now.Add(grace), Grace: grace, Why: why}
	}
	u.stopInOrder(now)
}

// stopInOrder stops what runs and whose turn it is. Sidecars go after the pod's other containers, the last started first (KEP-753,
// "Termination of containers"); when the grace is over none waits any longer.
func (u *unit) stopInOrder(now time.Time) {
	e := u.record.Ending
	if e.By.IsZero() {
		return
	}
	othersRun := false
	for _, c := range u.members() {
		if c.role != sandbox.RoleSidecar && c.isRunning() {
			c.stop(now, e.By, e.Why)
			othersRun = true
		}
	}
	for _, c := range slices.Backward(u.inits) {
		if c.role != sandbox.RoleSidecar || !c.isRunning() {
			continue
		}
		if othersRun && now.Before(e.By) {
			return
		}
		by := e.By
		if least := now.Add(leastGrace); e.Grace > 0 && by.Before(least) {
			by = least
		}
		c.stop(now, by, e.Why)
		othersRun = true
	}
}

// stop runs preStop and sends the stop signal, and has the unit send SIGKILL at the time by. Both the hook and what the program does
// after the signal count against that time (API reference, Lifecycle.preStop).
func (c *container) stop(now, by time.Time, why string) {
	r := c.run
	if !c.isRunning() || (!r.StopBy.IsZero() && !by.Before(r.StopAsk)) {
		return // it is being stopped already
	}
	first := r.StopBy.IsZero()
	r.StopBy, r.StopAsk = by, by
	if !first {
		return
	}
	c.alive.stopProbes(probeLiveness, probeStartup)
	grace := max(0, by.Sub(now))
	c.unit.emit(sandbox.MomentContainer, "Killing", c, "why", why, "grace", strconv.FormatInt(int64(grace.Round(time.Second)/time.Second), 10))
	if grace > 0 {
		c.preStop()
	} else {
		r.Signaled = true // there is no time for hook or signal
	}
}

// overdue kills a container whose grace is over. One whose preStop took all of it gets its stop signal first, as the kubelet does, unless
// it is to be killed at once.
func (c *container) overdue() {
	if e := c.unit.record.Ending; !c.run.Signaled && (e.By.IsZero() || e.Grace > 0) {
		c.terminate()
		return
	}
	c.signalKill()
}

// terminate sends the image's stop signal, SIGTERM unless it names another. After a preStop hook there are two seconds left at least.
func (c *container) terminate() {
	c.run.Signaled = true
	if least := time.Now().Add(leastGrace); c.hook(preStop) != nil && c.run.StopBy.Before(least) {
		c.run.StopBy = least
	}
	c.signal(c.stopSignal())
}

func (c *container) stopSignal() unix.Signal {
	img, err := c.unit.engine.cfg.Images.Lookup(c.run.Image)
	if err != nil {
		return unix.SIGTERM // the image is gone
	}
	return parseSignal(img.Config.StopSignal)
}

// parseSignal reads an OCI image's StopSignal: SIGNAME, NAME or a number.
func parseSignal(text string) unix.Signal {
	if n, err := strconv.Atoi(text); err == nil && n > 0 && n <= 64 {
		return unix.Signal(n)
	}
	if s := unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(text), "SIG")); s != 0 {
		return s
	}
	return unix.SIGTERM
}
