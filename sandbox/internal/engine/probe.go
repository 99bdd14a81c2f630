package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"podlab/sandbox"
)

// Names of a container's probes, as the kubelet's messages begin with them.
const (
	probeStartup   = "Startup"
	probeLiveness  = "Liveness"
	probeReadiness = "Readiness"
)

// Defaults of v1.Probe.
const (
	defaultPeriod           = 10 // seconds
	defaultTimeout          = 1  // seconds
	defaultFailureThreshold = 3
)

// verdict is what one check found.
type verdict int

const (
	unclear verdict = iota // the check itself failed: it does not count
	failed
	success
)

// A prober checks one container again and again, in a goroutine that ends with the container's run.
type prober struct {
	c       *container
	name    string
	spec    *sandbox.Probe
	attempt int
	first   time.Time // of the checks

	last verdict
	runs int     // checks in a row that found the same
	told verdict // what the unit knows
}

// comeUp takes note that a container runs and its postStart is over, and starts its probes: until the startup probe has succeeded it alone
// (API reference, Container.startupProbe).
func (c *container) comeUp() {
	c.run.Up = c.spec == nil || c.spec.StartupProbe == nil
	c.run.Ready = c.run.Up && (c.spec == nil || c.spec.ReadinessProbe == nil)
	c.startProbes()
}

func (c *container) startProbes() {
	switch {
	case c.spec == nil || !c.run.StopBy.IsZero():
	case !c.run.Up:
		c.startProbe(probeStartup, c.spec.StartupProbe)
	default:
		c.startProbe(probeLiveness, c.spec.LivenessProbe)
		c.startProbe(probeReadiness, c.spec.ReadinessProbe)
	}
}

func (c *container) startProbe(name string, spec *sandbox.Probe) {
	if spec == nil {
		return
	}
	p := &prober{c: c, name: name, spec: spec, attempt: c.run.Attempt,
		first: c.run.Started.Add(c.unit.seconds(spec.InitialDelaySeconds, 0))}
	ctx, cancel := context.WithCancel(c.alive.life)
	c.alive.probes[name] = cancel
	c.background(ctx, p.run)
}

func (a *alive) stopProbes(names ...string) {
	for _, name := range names {
		if cancel := a.probes[name]; cancel != nil {
			cancel()
		}
	}
}

// run checks until there is nothing left to find out: a startup probe that succeeded, or a container that is going to be restarted.
func (p *prober) run(ctx context.Context) {
	wait := time.NewTimer(time.Until(p.first))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return
	}
	period := time.NewTicker(p.c.unit.seconds(p.spec.PeriodSeconds, defaultPeriod))
	defer period.Stop()
	for p.step(ctx) {
		select {
		case <-period.C:
		case <-ctx.Done():
			return
		}
	}
}

// step checks once. false: it was the last time.
func (p *prober) step(ctx context.Context) bool {
	began := time.Now()
	found, detail, warning := p.check(ctx)
	if ctx.Err() != nil {
		return false
	}
	if found == failed && stoodStill(time.Since(began), p.timeout()) {
		return true
	}
	c, attempt, name := p.c, p.attempt, p.name
	p.tell(found, detail, warning)
	if found == unclear || !p.crossed(found) || found == p.told {
		return true
	}
	p.told = found
	c.unit.post(func() { c.probed(attempt, name, found == success) })
	return name == probeReadiness || (name == probeLiveness && found == success)
}

// tell makes the kubelet's events: Unhealthy for each check that did not succeed, ProbeWarning for a doubtful success.
func (p *prober) tell(found verdict, detail string, warning bool) {
	reason, outcome := "Unhealthy", "failed"
	switch {
	case warning:
		reason, outcome = "ProbeWarning", "warning"
	case found == success:
		return
	case found == unclear:
		outcome = "errored"
	}
	c, attempt, name := p.c, p.attempt, p.name
	c.unit.post(func() {
		if c.run.Attempt == attempt && c.isRunning() {
			c.unit.emit(sandbox.MomentContainer, reason, c, "probe", name, "outcome", outcome, "detail", clip(detail))
		}
	})
}

// crossed counts checks with the same result, and reports whether there are as many as change the container's state.
func (p *prober) crossed(found verdict) bool {
	if found != p.last {
		p.last, p.runs = found, 0
	}
	p.runs++
	threshold := max(1, p.spec.SuccessThreshold)
	if found == failed {
		if threshold = p.spec.FailureThreshold; threshold == 0 {
			threshold = defaultFailureThreshold
		}
	}
	return p.runs >= threshold
}

// probed is what a probe's state means for its container.
func (c *container) probed(attempt int, probe string, ok bool) {
	r := c.run
	if r.Attempt != attempt || !c.isRunning() {
		return
	}
	switch {
	case probe == probeReadiness && r.Ready == ok:
		return
	case probe == probeReadiness:
		r.Ready = ok
	case !r.StopBy.IsZero(), probe == probeLiveness && ok:
		return
	case probe == probeStartup && ok:
		r.Up, r.Ready = true, c.spec.ReadinessProbe == nil
		c.startProbes()
	default:
		c.failProbe(probe)
	}
	c.unit.publish()
}

// failProbe stops a container that its liveness or startup probe gave up. It is started again even when it ends with exit code 0, unless
// the policy is Never.
func (c *container) failProbe(probe string) {
	spec, why := c.spec.LivenessProbe, "liveness"
	if probe == probeStartup {
		spec, why = c.spec.StartupProbe, "startup"
	}
	grace := c.unit.object.grace()
	if spec.TerminationGracePeriodSeconds != nil {
		grace = *spec.TerminationGracePeriodSeconds
	}
	if c.policy() != never {
		c.run.Again = againProbe
	}
	now := time.Now()
	c.stop(now, now.Add(time.Duration(grace)*time.Second), why)
}

// check does what the probe says, within its timeout. The agent connects from the node to the pod's address, as a kubelet does: a server
// that listens on its loopback only is not reached.
func (p *prober) check(ctx context.Context) (found verdict, detail string, warning bool) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout())
	defer cancel()
	switch s := p.spec; {
	case s.Exec != nil:
		found, detail = p.execute(ctx, s.Exec.Command)
		return found, detail, false
	case s.HTTPGet != nil:
		return p.c.checkHTTP(ctx, s.HTTPGet)
	case s.TCPSocket != nil:
		found, detail = p.c.checkTCP(ctx, s.TCPSocket)
	case s.GRPC != nil:
		found, detail = p.c.checkGRPC(ctx, s.GRPC)
	}
	return found, detail, false
}

func (p *prober) timeout() time.Duration {
	return p.c.unit.seconds(p.spec.TimeoutSeconds, defaultTimeout)
}

// lateBy is how far behind its timeout a check may end on a busy machine.
const lateBy = 5 * time.Second

// stoodStill reports whether the node was frozen while a check was under way: the clock went on, the server that was asked did not. Such a
// check says nothing of the container.
func stoodStill(took, timeout time.Duration) bool { return took > timeout+lateBy }

func (p *prober) execute(ctx context.Context, argv []string) (verdict, string) {
	output, code, err := p.c.execute(ctx, argv, true)
	switch {
	case ctx.Err() != nil:
		return failed, fmt.Sprintf("command %q timed out", strings.Join(argv, " "))
	case err != nil:
		return unclear, err.Error()
	case code != 0:
		return failed, output
	}
	return success, output
}

// seconds is the time of n seconds, or of the default for 0.
func (u *unit) seconds(n, otherwise int) time.Duration {
	if n == 0 {
		n = otherwise
	}
	return time.Duration(n) * u.engine.cfg.Second
}
