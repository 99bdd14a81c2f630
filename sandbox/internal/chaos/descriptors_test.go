package chaos

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// allow sets how many descriptors a process may have, more than it has now. The function it returns sets it back.
func allow(t testing.TB, pid, more int) (restore func()) {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	must(t, err)
	var before unix.Rlimit
	limit := unix.Rlimit{Cur: uint64(len(entries) + more)}
	prlimit(t, pid, nil, &before)
	limit.Max = before.Max
	prlimit(t, pid, &limit, nil)
	return func() { prlimit(t, pid, &before, nil) }
}

// prlimit is asked by a thread that has become who the process is: without CAP_SYS_RESOURCE root may not (prlimit(2)).
func prlimit(t testing.TB, pid int, limit, old *unix.Rlimit) {
	t.Helper()
	var is unix.Stat_t
	must(t, unix.Stat(fmt.Sprintf("/proc/%d", pid), &is))
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		unix.RawSyscall(unix.SYS_SETRESGID, uintptr(is.Gid), uintptr(is.Gid), uintptr(is.Gid))
		unix.RawSyscall(unix.SYS_SETRESUID, uintptr(is.Uid), uintptr(is.Uid), uintptr(is.Uid))
		done <- unix.Prlimit(pid, unix.RLIMIT_NOFILE, limit, old)
	}()
	must(t, <-done)
}

// crowd opens connections that say nothing, and closes them.
func crowd(t testing.TB, socket string, n int) (leave func()) {
	t.Helper()
	var conns []net.Conn
	for range n {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "unix", socket)
		if err != nil {
			break // its queue is full
		}
		conns = append(conns, conn)
	}
	return func() {
		for _, conn := range conns {
			conn.Close()
		}
	}
}

// TestDaemonWithoutDescriptors makes nodes with ever more descriptors left to the daemon: each creation succeeds or leaves nothing. Then
// callers take all that there are: the daemon lives, and answers once they have gone.
func TestDaemonWithoutDescriptors(t *testing.T) {
	d := sandboxtest.Start(t)
	d.Node(t, sandbox.NodeSpec{ID: "n"})
	must(t, d.Destroy(t.Context(), "n"))
	nothingLeft(t, d, "before")
	step := 4
	if full {
		step = 1
	}
	made := 0
	for more := 1; more < 40; more += step {
		restore := allow(t, d.PID(), more)
		err := bounded(t, "create", func(ctx context.Context) error {
			_, err := d.Create(ctx, sandbox.NodeSpec{ID: "n"})
			return err
		})
		restore()
		if err == nil {
			made++
		}
		must(t, bounded(t, "destroy", func(ctx context.Context) error { return d.Destroy(ctx, "n") }))
		nothingLeft(t, d, fmt.Sprintf("%d descriptors to spare (creation: %v)", more, err))
	}
	if made == 0 {
		t.Error("40 descriptors are not enough")
	}
	restore := allow(t, d.PID(), 10)
	leave := crowd(t, d.Socket, 100)
	time.Sleep(200 * time.Millisecond) // as long as it takes to run out of them
	leave()
	must(t, bounded(t, "info", func(ctx context.Context) error {
		_, err := d.Info(ctx)
		return err
	}))
	restore()
	d.Node(t, sandbox.NodeSpec{ID: "n"})
	must(t, d.Destroy(t.Context(), "n"))
	nothingLeft(t, d, "after a crowd")
}

// TestAgentWithoutDescriptors does the same with pods and the agent.
func TestAgentWithoutDescriptors(t *testing.T) {
	d := sandboxtest.Start(t)
	node := d.Node(t, sandbox.NodeSpec{ID: "n"})
	l := life{t, d, node, d.Agent(node)}
	l.run("first")
	l.end("first")
	before := inNode(t, d, node)
	agent := agentOf(t, node)
	step := 9
	if full {
		step = 1
	}
	for more := 1; more < 40; more += step {
		when := fmt.Sprintf("%d descriptors to spare", more)
		restore := allow(t, agent, more)
		ctx, cancel := context.WithTimeout(t.Context(), callTime)
		applied := l.apply(ctx)
		cancel()
		time.Sleep(100 * time.Millisecond) // what the pod comes to in the meantime
		restore()
		if applied == nil {
			l.run(when)
		}
		l.end(when)
		asBefore(t, d, node, before, when)
	}
	restore := allow(t, agent, 8)
	leave := crowd(t, node.Socket, 100)
	time.Sleep(200 * time.Millisecond)
	leave()
	_ = bounded(t, "exec", func(ctx context.Context) error { return answers(ctx, d, node) }) // it may fail, but at once
	restore()
	must(t, bounded(t, "exec", func(ctx context.Context) error { return answers(ctx, d, node) }))
	if now := agentOf(t, node); now != agent {
		t.Errorf("the agent ended meanwhile: %d, now %d", agent, now)
	}
}
