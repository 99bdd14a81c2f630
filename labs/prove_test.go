package labs

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"context"

	"podlab/sandbox"
	"podlab/sandbox/fake"
)

// mortal is a fake daemon on whose nodes the command "die" ends the container it is run in, as kill 1 does on a real one.
type mortal struct{ *fake.Nodes }

func (m mortal) Agent(node sandbox.Node) sandbox.Agent {
	agent := m.Nodes.Node(node.Spec.ID)
	if agent == nil {
		return m.Nodes.Agent(node)
	}
	agent.Web = map[string]http.Handler{"demo:80": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })}
	return mortalAgent{agent, m.Nodes, node.Spec.ID}
}

type mortalAgent struct {
	*fake.Agent
	nodes *fake.Nodes
	id    string
}

func (a mortalAgent) Exec(ctx context.Context, spec sandbox.ExecSpec, streams sandbox.Streams) (sandbox.Exit, error) {
	if spec.Argv[0] != "die" {
		return a.Agent.Exec(ctx, spec, streams)
	}
	s, err := a.Snapshot(ctx)
	for _, p := range s.Processes {
		if p.Container == spec.Container && p.Inside == 1 {
			a.nodes.Kernel(a.id, sandbox.Moment{Kind: sandbox.MomentExit, PID: p.PID, PIDInside: 1, Time: s.Time + 1000})
		}
	}
	a.Exit(spec.Container, sandbox.Exit{Code: 1})
	return sandbox.Exit{}, err
}

func TestProve(t *testing.T) {
	in(t, func(r *rig) {
		lab, _ := r.cfg.Course.Lab(lab1)
		var findings []string
		r.ok(Prove(r.Context(), mortal{r.nodes}, r.cfg.Course, lab, func(f Finding) { findings = append(findings, f.String()) }))
		// The fake has no kernel: "named" is true from the start in step next, and that must be said.
		want := []string{
			"ok   start: before", "ok   start: solution",
			"FAIL next: before after the step before: check named is passed before anything was done", "ok   next: solution after the step before",
			"ok   start: wrong killed-solo", "ok   start: found of restarted",
			"FAIL next: before: check named is passed before anything was done", "ok   next: solution",
		}
		if got := strings.Join(findings, "\n"); got != strings.Join(want, "\n") {
			r.Fatal(got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if r.count() != 0 {
			r.Fatal("nodes are left")
		}
	})
}
