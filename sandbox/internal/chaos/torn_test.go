package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// tears calls fn for places at which a file may be torn: some, or 200 in the full run.
func tears(size int64, fn func(at int64)) {
	most := int64(4)
	if full {
		most = 200
	}
	step := max(1, size/most)
	for at := int64(0); at < size; at += step {
		fn(at)
	}
}

func sizeOf(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	return info.Size()
}

// TestTornStateOfANode tears each file that the daemon keeps of a node, while it is away. The next daemon has the node whole, or not at all.
func TestTornStateOfANode(t *testing.T) {
	for file, lives := range map[string]bool{"node.json": false, "state.json": false, "moments": true} {
		t.Run(file, func(t *testing.T) {
			d := sandboxtest.Start(t)
			path := filepath.Join(d.Run, "sandboxd", "n", file)
			node := d.Node(t, sandbox.NodeSpec{ID: "n"})
			must(t, answers(t.Context(), d, node)) // there are moments now
			tears(sizeOf(t, path), func(at int64) {
				when := fmt.Sprintf("%s torn at byte %d", file, at)
				d.Stop(t, unix.SIGKILL)
				must(t, os.Truncate(path, at))
				d.Restart(t)
				nodes := wholeOrGone(t, d, when)
				if lives && len(nodes) != 1 {
					t.Errorf("%s: the node is gone", when)
				}
				if len(nodes) == 0 {
					nothingLeft(t, d, when)
					gone := d.Moments(t.Context(), "n", 0, func(sandbox.Moments) error { return nil })
					if sandbox.CodeOf(gone) != sandbox.CodeNodeGone {
						t.Errorf("%s: %v", when, gone)
					}
					d.Node(t, sandbox.NodeSpec{ID: "n"})
				}
			})
			must(t, d.Destroy(t.Context(), "n"))
			nothingLeft(t, d, file)
		})
	}
}

// TestTornStateOfAPod tears what the agent keeps of a pod, and kills it. The next one has the pod, or nothing of it.
func TestTornStateOfAPod(t *testing.T) {
	for _, pattern := range []string{"engine/objects/*.json", "engine/*/*/state.json"} {
		t.Run(filepath.Base(pattern), func(t *testing.T) {
			d := sandboxtest.Start(t)
			var size int64 = 1000
			torn := func(at int64) {
				when := fmt.Sprintf("%s torn at byte %d", pattern, at)
				node := d.Node(t, sandbox.NodeSpec{ID: "n"})
				l := life{t, d, node, d.Agent(node)}
				l.run(when)
				l.end(when)
				before := inNode(t, d, node)
				l.run(when)
				found, err := filepath.Glob(filepath.Join(fmt.Sprintf("/proc/%d/root/run/podlab/agent", node.PID), pattern))
				if err != nil || len(found) == 0 {
					t.Fatalf("no %s: %v", pattern, err)
				}
				size = sizeOf(t, found[0])
				must(t, os.Truncate(found[0], min(at, size-1)))
				kill(d.PID(), agentNames...)
				must(t, bounded(t, when, func(ctx context.Context) error { return answers(ctx, d, node) }))
				l.run(when)
				l.end(when)
				asBefore(t, d, node, before, when)
				must(t, d.Destroy(t.Context(), "n"))
			}
			torn(0)
			tears(size, torn)
		})
	}
}

// TestTornTemplate tears the formatted image that disks are copies of, as a machine does that loses its power.
func TestTornTemplate(t *testing.T) {
	d := sandboxtest.Start(t)
	d.Node(t, sandbox.NodeSpec{ID: "n"})
	must(t, d.Destroy(t.Context(), "n"))
	templates, err := filepath.Glob(filepath.Join(d.Data, "nodes", "template-*.img"))
	if err != nil || len(templates) != 1 {
		t.Fatal(templates, err)
	}
	size := sizeOf(t, templates[0])
	for _, tear := range []func() error{
		func() error { return os.Truncate(templates[0], 0) },
		func() error { return os.Truncate(templates[0], size/2) },
		func() error { return errors.Join(os.Truncate(templates[0], 0), os.Truncate(templates[0], size)) }, // its blocks were never written
	} {
		d.Stop(t, unix.SIGKILL)
		must(t, tear())
		d.Restart(t)
		must(t, answers(t.Context(), d, d.Node(t, sandbox.NodeSpec{ID: "n"})))
		must(t, d.Destroy(t.Context(), "n"))
		nothingLeft(t, d, "a torn template")
	}
}

// TestMachineRestarted takes away what a restart takes: every process, and RUN. What is in DATA stays.
func TestMachineRestarted(t *testing.T) {
	d := sandboxtest.Start(t)
	for _, id := range []string{"one", "two"} {
		node := d.Node(t, sandbox.NodeSpec{ID: id})
		l := life{t, d, node, d.Agent(node)}
		must(t, l.apply(t.Context()))
	}
	d.Stop(t, unix.SIGKILL)
	kill(0, initNames...)
	must(t, os.RemoveAll(d.Run))
	must(t, os.WriteFile(filepath.Join(d.Data, "nodes", "template-1.img.new"), []byte("half"), 0o600))
	d.Restart(t)
	nothingLeft(t, d, "after the restart")
	if nodes, err := d.List(t.Context()); err != nil || len(nodes) != 0 {
		t.Errorf("nodes %v, %v", nodes, err)
	}
	gone := d.Moments(t.Context(), "one", 0, func(sandbox.Moments) error { return nil })
	if sandbox.Public(gone).Params["reason"] != sandbox.GoneMachineStopped {
		t.Errorf("one: %v", gone)
	}
	must(t, answers(t.Context(), d, d.Node(t, sandbox.NodeSpec{ID: "one"})))
}
