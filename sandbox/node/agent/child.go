package agent

import (
	"context"
	"os"
	"syscall"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/procstat"
)

// hangupGrace is how long a command whose client is gone has between SIGHUP and SIGKILL.
const hangupGrace = 2 * time.Second

// child is a command that this life of the agent started. One goroutine waits for it and ends with it.
type child struct {
	pid   int
	start uint64
	done  chan struct{}
	exit  sandbox.Exit // when done is closed
	err   error
}

func newChild(pid int, start uint64, wait func() (sandbox.Exit, error)) *child {
	c := &child{pid: pid, start: start, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.exit, c.err = wait()
	}()
	return c
}

// wait returns how it ended.
func (c *child) wait(ctx context.Context) (sandbox.Exit, error) {
	select {
	case <-c.done:
		return c.exit, c.err
	case <-ctx.Done():
		return sandbox.Exit{}, ctx.Err()
	}
}

// signal sends a signal to it, and to its process group if it leads one.
func (c *child) signal(number syscall.Signal) {
	if start, err := procstat.Start(c.pid); err != nil || start != c.start {
		return
	}
	if group, err := syscall.Getpgid(c.pid); err == nil && group == c.pid {
		_ = syscall.Kill(-c.pid, number) // gone meanwhile
	}
	_ = syscall.Kill(c.pid, number)
}

// hangup ends it as the loss of its terminal would.
func (c *child) hangup() {
	c.signal(syscall.SIGHUP)
	c.signal(syscall.SIGCONT)
	select {
	case <-c.done:
	case <-time.After(hangupGrace):
		c.signal(syscall.SIGKILL)
	}
}

func exitOf(status syscall.WaitStatus) sandbox.Exit {
	if status.Signaled() {
		return sandbox.Exit{Code: 128 + int(status.Signal()), Signal: int(status.Signal())}
	}
	return sandbox.Exit{Code: status.ExitStatus()}
}

// startProcess starts a program of the node itself. With a terminal, files are three times its slave.
func startProcess(argv, env []string, files []*os.File, terminal bool) (*child, error) {
	process, err := os.StartProcess(argv[0], argv, &os.ProcAttr{
		Dir: "/", Env: env, Files: files, Sys: &syscall.SysProcAttr{Setsid: true, Setctty: terminal},
	})
	if err != nil {
		return nil, err
	}
	start, err := procstat.Start(process.Pid)
	if err != nil {
		start = 0 // it is a zombie at worst, which has one: /proc is broken, and signals will not reach it
	}
	return newChild(process.Pid, start, func() (sandbox.Exit, error) {
		state, err := process.Wait()
		if err != nil {
			return sandbox.Exit{}, err
		}
		status, _ := state.Sys().(syscall.WaitStatus)
		return exitOf(status), nil
	}), nil
}
