package chaos

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// callTime bounds what may never hang.
var callTime = sandboxtest.Within(15 * time.Second) // any call, whatever was killed

// Until when a creation and a deletion are disturbed: a little longer than they take.
const (
	createEnd = 120 * time.Millisecond
	deleteEnd = 30 * time.Millisecond
)

// sweep calls fn for moments from 0 to end: some, or one every 3 ms in the full run.
func sweep(end time.Duration, fn func(at time.Duration)) {
	step := end / 6
	if full {
		step = 3 * time.Millisecond
	}
	for at := time.Duration(0); at <= end; at += step {
		fn(at)
	}
}

// kill sends SIGKILL to all that the tests started and whose command line has one of these in it. It returns how many those are.
func kill(daemon int, names ...string) (killed int) {
	for _, p := range started(daemon) {
		if slices.ContainsFunc(names, func(name string) bool { return strings.Contains(p.name, name) }) && unix.Kill(p.pid, unix.SIGKILL) == nil {
			killed++
		}
	}
	return killed
}

// What the processes of a node are called. Until node init is executed, its stages are called by what the daemon is.
var (
	initNames  = []string{"podlab-node node", "sandboxd init", "runc:["}
	agentNames = []string{"podlab-node agent"}
)

// bounded runs a call that must end, and returns how.
func bounded(t testing.TB, what string, call func(ctx context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*callTime)
	defer cancel()
	began := time.Now()
	err := call(ctx)
	if took := time.Since(began); took > callTime {
		t.Errorf("%s took %v: %v", what, took, err)
	}
	return err
}

// answers asks a node for something that needs all of it.
func answers(ctx context.Context, d *sandboxtest.Daemon, node sandbox.Node) error {
	for {
		var out strings.Builder // a new one each time: the agent may end between a command's words and its exit
		exit, err := d.Agent(node).Exec(ctx, sandbox.ExecSpec{Argv: []string{"echo", "whole"}}, sandbox.Streams{Out: &out})
		if err == nil && exit.Code == 0 && out.String() == "whole\n" {
			return nil
		}
		if sandbox.CodeOf(err) != sandbox.CodeUnavailable { // the agent may be starting again
			return fmt.Errorf("exec: %w, %+v, %q", err, exit, out.String())
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// wholeOrGone wants each node that is listed to answer, or to be gone with a reason.
func wholeOrGone(t testing.TB, d *sandboxtest.Daemon, when string) (nodes []sandbox.Node) {
	t.Helper()
	must(t, bounded(t, "list", func(ctx context.Context) (err error) {
		nodes, err = d.List(ctx)
		return err
	}))
	for _, node := range nodes {
		err := bounded(t, "exec", func(ctx context.Context) error { return answers(ctx, d, node) })
		if err == nil {
			continue
		}
		gone := bounded(t, "moments", func(ctx context.Context) error {
			return d.Moments(ctx, node.Spec.ID, 0, func(sandbox.Moments) error { return nil })
		})
		if sandbox.CodeOf(gone) != sandbox.CodeNodeGone || sandbox.Public(gone).Params["reason"] == "" {
			t.Errorf("%s: the node answers %v, and its moments end with %v", when, err, gone)
		}
	}
	return nodes
}

// victim is who is killed, and how the machine is brought back.
type victim struct {
	name string
	kill func(t *testing.T, d *sandboxtest.Daemon)
	back func(t *testing.T, d *sandboxtest.Daemon)
}

var victims = []victim{
	{"daemon", func(t *testing.T, d *sandboxtest.Daemon) { d.Stop(t, unix.SIGKILL) }, func(t *testing.T, d *sandboxtest.Daemon) { d.Restart(t) }},
	{"init", func(_ *testing.T, d *sandboxtest.Daemon) { kill(d.PID(), initNames...) }, func(*testing.T, *sandboxtest.Daemon) {}},
	{"agent", func(_ *testing.T, d *sandboxtest.Daemon) { kill(d.PID(), agentNames...) }, func(*testing.T, *sandboxtest.Daemon) {}},
}

// TestKillWhileCreating kills the daemon, node init or the agent at many moments of a node's creation.
func TestKillWhileCreating(t *testing.T) {
	for _, v := range victims {
		t.Run(v.name, func(t *testing.T) {
			d := sandboxtest.Start(t)
			sweep(createEnd, func(at time.Duration) {
				when := fmt.Sprintf("%s killed %v after the call to create", v.name, at)
				created := make(chan error, 1)
				go func() {
					created <- bounded(t, "create", func(ctx context.Context) error {
						_, err := d.Create(ctx, sandbox.NodeSpec{ID: "n"})
						return err
					})
				}()
				time.Sleep(at)
				v.kill(t, d)
				err := <-created
				v.back(t, d)
				nodes := wholeOrGone(t, d, when)
				if v.name != "init" && err == nil && len(nodes) != 1 {
					t.Errorf("%s: it was created, and is not there", when)
				}
				if len(nodes) == 0 {
					nothingLeft(t, d, when)
					d.Node(t, sandbox.NodeSpec{ID: "n"}) // its name and place are free
				}
				must(t, bounded(t, "destroy", func(ctx context.Context) error { return d.Destroy(ctx, "n") }))
				nothingLeft(t, d, when)
			})
		})
	}
}

// TestKillWhileDestroying does the same while a node with a pod is destroyed.
func TestKillWhileDestroying(t *testing.T) {
	for _, v := range victims {
		t.Run(v.name, func(t *testing.T) {
			d := sandboxtest.Start(t)
			sweep(deleteEnd, func(at time.Duration) {
				when := fmt.Sprintf("%s killed %v after the call to destroy", v.name, at)
				node := d.Node(t, sandbox.NodeSpec{ID: "n"})
				_, err := d.Agent(node).Apply(t.Context(), [][]byte{[]byte(demo)})
				must(t, err)
				destroyed := make(chan error, 1)
				go func() {
					destroyed <- bounded(t, "destroy", func(ctx context.Context) error { return d.Destroy(ctx, "n") })
				}()
				time.Sleep(at)
				v.kill(t, d)
				if err := <-destroyed; err != nil && v.name != "daemon" {
					t.Errorf("%s: %v", when, err)
				}
				v.back(t, d)
				wholeOrGone(t, d, when)
				must(t, bounded(t, "destroy", func(ctx context.Context) error { return d.Destroy(ctx, "n") }))
				nothingLeft(t, d, when)
			})
		})
	}
}
