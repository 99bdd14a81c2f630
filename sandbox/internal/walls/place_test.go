package walls

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// Where a learner's programs run: places by name, and the container that they are in.
var places = []struct{ name, container string }{{"container", "plain/c"}, {"privileged", "hostile/c"}, {"shell", ""}}

const plain = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"plain"},"spec":{"containers":[
{"name":"c","image":"debian","command":["sleep","100000"]}]}}`

// hostile has all that Kubernetes can give a pod.
const hostile = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"hostile"},"spec":{"hostPID":true,"hostNetwork":true,"hostIPC":true,"containers":[
{"name":"c","image":"debian","command":["sleep","100000"],"securityContext":{"privileged":true},"volumeMounts":[{"name":"host","mountPath":"/host"}]}],
"volumes":[{"name":"host","hostPath":{"path":"/"}}]}}`

// occupied is a node with both pods, and the attacker in each place.
func occupied(t *testing.T, d *sandboxtest.Daemon) sandbox.Agent {
	t.Helper()
	agent := d.Agent(d.Node(t, sandbox.NodeSpec{}))
	if _, err := agent.Apply(t.Context(), [][]byte{[]byte(plain), []byte(hostile)}); err != nil {
		t.Fatal(err)
	}
	until(t, agent, "both pods", func(s sandbox.Snapshot) bool { return running(s, "plain/c") && running(s, "hostile/c") })
	for _, place := range places {
		smuggle(t, agent, place.container)
	}
	return agent
}

// smuggle puts the attacker into a container, or with "" into the node itself.
func smuggle(t *testing.T, agent sandbox.Agent, container string) {
	t.Helper()
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	spec := sandbox.ExecSpec{Container: container, Argv: []string{"sh", "-c", "cat >" + attacker + " && chmod 755 " + attacker}, Stdin: true}
	if exit, err := agent.Exec(t.Context(), spec, sandbox.Streams{In: self}); err != nil || exit.Code != 0 {
		t.Fatalf("the attacker does not get in: %v %v", exit, err)
	}
}

// run runs a command and returns what it printed on both streams.
func run(t *testing.T, agent sandbox.Agent, container string, argv ...string) string {
	t.Helper()
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), sandboxtest.Within(2*time.Minute))
	defer cancel()
	if _, err := agent.Exec(ctx, sandbox.ExecSpec{Container: container, Argv: argv}, sandbox.Streams{Out: &out, Err: &out}); err != nil {
		t.Fatalf("%v: %v", argv, err)
	}
	return out.String()
}

func script(t *testing.T, agent sandbox.Agent, container, text string) string {
	t.Helper()
	return strings.TrimSpace(run(t, agent, container, "sh", "-c", text))
}

func running(s sandbox.Snapshot, id string) bool {
	return slices.ContainsFunc(s.Containers, func(c sandbox.Container) bool { return c.ID == id && c.State == sandbox.StateRunning })
}

// until watches a node until is is content.
func until(t *testing.T, agent sandbox.Agent, what string, is func(sandbox.Snapshot) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), sandboxtest.Within(30*time.Second))
	defer cancel()
	seen := errors.New("seen")
	var last sandbox.Snapshot
	err := agent.Watch(ctx, nil, func(u sandbox.Update) error {
		if u.Snapshot != nil {
			if last = *u.Snapshot; is(last) {
				return seen
			}
		}
		return nil
	})
	if !errors.Is(err, seen) {
		t.Fatalf("waiting for %s: %v; last seen %+v %+v", what, err, last.Node.Usage, last.Node.Disk)
	}
}

// held starts an attack that keeps what it got, and waits for what it says of it. It ends with its node.
func held(t *testing.T, agent sandbox.Agent, argv ...string) string {
	t.Helper()
	r, w := io.Pipe()
	go func() {
		spec := sandbox.ExecSpec{Argv: append([]string{attacker}, argv...)}
		_, err := agent.Exec(t.Context(), spec, sandbox.Streams{Out: w, Err: io.Discard})
		w.CloseWithError(err)
	}()
	buf := make([]byte, 4096)
	n, err := r.Read(buf)
	if err != nil {
		return err.Error()
	}
	go func() { _, _ = io.Copy(io.Discard, r) }() // ends with the command
	return strings.TrimSpace(string(buf[:n]))
}
