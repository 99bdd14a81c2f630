package fake

import (
	"context"

	"podlab/sandbox"
)

// The part of Agent that tests play: what the kernel or the learner would do.

// Moment makes a moment of the agent.
func (a *Agent) Moment(m sandbox.Moment) { a.moments.add(m) }

// Change alters every snapshot from now on, after it was built; calls add up. It is how a test shows what the fake does not know of.
func (a *Agent) Change(fn func(*sandbox.Snapshot)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.change = append(a.change, fn)
	a.touch()
}

// Exit ends a container's first process. The pod's restart policy is followed, without a back-off. It reports whether it was running.
func (a *Agent) Exit(container string, exit sandbox.Exit) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.container(container)
	if c == nil || c.view.State != sandbox.StateRunning {
		return false
	}
	a.stop(c, exit)
	a.follow(c)
	a.touch()
	return true
}

// Log adds to what a container printed.
func (a *Agent) Log(container, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.container(container); c != nil {
		c.log += text
		a.touch()
	}
}

// Rest restarts the agent at once: a fake one has no memory to give back.
func (a *Agent) Rest(context.Context) (bool, error) {
	a.Restart()
	return true, nil
}

// Restart kills the agent and starts it again: watches end with unavailable, Snapshot.Agent changes, pods and terminals live on.
func (a *Agent) Restart() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.life++
	a.cut()
	a.seq = 0
	a.node.AgentPID = a.pid()
	a.moments.add(sandbox.Moment{Kind: sandbox.MomentAgent, Reason: "Restarted", PID: a.node.AgentPID})
	a.touch()
}
