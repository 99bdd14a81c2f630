package chaos

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// fill writes a file until there is no room, and returns how to make room again.
func fill(t testing.TB, dir string) (empty func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	for size := 1 << 20; size > 0; { // ever smaller pieces, to the last byte
		if _, err = f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	_ = f.Sync()
	return func() { must(t, os.Remove(path)) }
}

// onSmallDisks starts a daemon whose DATA is an ext4 file system of that size, and whose RUN is a tmpfs.
func onSmallDisks(t *testing.T, data, run string) *sandboxtest.Daemon {
	t.Helper()
	sandboxtest.Root(t)
	dir, err := os.MkdirTemp("", "full-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	image, at, runAt := filepath.Join(dir, "image"), filepath.Join(dir, "data"), filepath.Join(dir, "run")
	must(t, errors.Join(os.Mkdir(at, 0o755), os.Mkdir(runAt, 0o755)))
	for _, command := range [][]string{
		{"truncate", "-s", data, image}, {"mkfs.ext4", "-q", "-F", image}, {"mount", "-o", "loop", image, at}, {"mount", "-t", "tmpfs", "-o", "size=" + run, "tmpfs", runAt},
	} {
		if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", command, err, out)
		}
	}
	t.Cleanup(func() { _, _ = unix.Unmount(at, unix.MNT_DETACH), unix.Unmount(runAt, unix.MNT_DETACH) })
	return sandboxtest.Start(t, sandboxtest.Directories(filepath.Join(runAt, "r"), filepath.Join(at, "d")))
}

// TestDiskOfANodeFull fills a node's own disk: its pods are told so by their own writes, the agent lives and a new pod starts once there is room.
func TestDiskOfANodeFull(t *testing.T) {
	d := sandboxtest.Start(t)
	node := d.Node(t, sandbox.NodeSpec{ID: "n", Disk: 32 << 20})
	l := life{t, d, node, d.Agent(node)}
	inside := func(script string) (exit sandbox.Exit) {
		t.Helper()
		must(t, bounded(t, script, func(ctx context.Context) (err error) {
			exit, err = l.agent.Exec(ctx, sandbox.ExecSpec{Argv: []string{"sh", "-c", script}}, sandbox.Streams{})
			return err
		}))
		return exit
	}
	l.run("before")
	l.end("before")
	before := inNode(t, d, node)
	if exit := inside("cat /dev/zero > /root/ballast 2>/dev/null"); exit.Code == 0 {
		t.Error("the disk has no end")
	}
	inside("i=0; while : > /root/f$i && [ $i -lt 5000 ]; do i=$((i+1)); done 2>/dev/null") // its inodes too
	applied := bounded(t, "apply on a full disk", l.apply)
	t.Logf("a pod on a full disk: %v", applied)
	must(t, bounded(t, "exec", func(ctx context.Context) error { return answers(ctx, d, node) }))
	kill(d.PID(), agentNames...) // the next agent must come up on a full disk, too
	must(t, bounded(t, "exec", func(ctx context.Context) error { return answers(ctx, d, node) }))
	l.end("on the full disk")
	inside("rm -f /root/ballast /root/f*")
	l.run("with room again")
	l.end("with room again")
	asBefore(t, d, node, before, "after a full disk")
}

// TestDataFull fills the host's disk: a new node is refused in words, those that there are can be destroyed, and with room all is well.
func TestDataFull(t *testing.T) {
	d := onSmallDisks(t, "128M", "8M")
	small := sandbox.NodeSpec{ID: "n", Disk: 32 << 20}
	create := func(ctx context.Context) error {
		_, err := d.Create(ctx, small)
		return err
	}
	empty := fill(t, d.Data)
	if err := bounded(t, "create", create); sandbox.CodeOf(err) != sandbox.CodeMachineFull {
		t.Errorf("with the first node's template to make: %v", err)
	}
	nothingLeft(t, d, "on a full disk")
	empty()
	node := d.Node(t, small)
	empty = fill(t, d.Data)
	exit, err := d.Agent(node).Exec(t.Context(), sandbox.ExecSpec{Argv: []string{"sh", "-c", "cat /dev/zero | head -c 16000000 > /root/f; sync"}}, sandbox.Streams{})
	t.Logf("a node that writes to a disk without room behind it: %+v, %v", exit, err)
	must(t, bounded(t, "exec", func(ctx context.Context) error { return answers(ctx, d, node) }))
	d.Stop(t, unix.SIGKILL) // the next daemon comes up on a full disk
	d.Restart(t)
	wholeOrGone(t, d, "on a full disk")
	must(t, bounded(t, "destroy", func(ctx context.Context) error { return d.Destroy(ctx, "n") }))
	nothingLeft(t, d, "on a full disk")
	empty()
	must(t, answers(t.Context(), d, d.Node(t, small)))
}

// TestRunFull fills the tmpfs that RUN is on.
func TestRunFull(t *testing.T) {
	d := onSmallDisks(t, "256M", "1M")
	small := sandbox.NodeSpec{ID: "n", Disk: 32 << 20}
	empty := fill(t, filepath.Dir(d.Run))
	err := bounded(t, "create", func(ctx context.Context) error {
		_, err := d.Create(ctx, small)
		return err
	})
	if err == nil {
		t.Error("a node without a record was made")
	}
	nothingLeft(t, d, "with RUN full")
	empty()
	node := d.Node(t, small)
	empty = fill(t, filepath.Dir(d.Run))
	d.Stop(t, unix.SIGKILL)
	d.Restart(t)
	wholeOrGone(t, d, "with RUN full")
	must(t, bounded(t, "exec", func(ctx context.Context) error { return answers(ctx, d, node) }))
	must(t, bounded(t, "destroy", func(ctx context.Context) error { return d.Destroy(ctx, "n") }))
	nothingLeft(t, d, "with RUN full")
	empty()
	must(t, answers(t.Context(), d, d.Node(t, small)))
}
