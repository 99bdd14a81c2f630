package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/client"
)

// host is the daemon and the server under test.
type host struct {
	daemon client.Daemon
	server *exec.Cmd
	root   *exec.Cmd
	addr   string
	log    *os.File
	ended  chan struct{} // closed when both have ended
}

// startHost starts both on directories of their own; serve are more arguments for the server.
func startHost(ctx context.Context, data, run string, serve ...string) (h *host, err error) {
	h = &host{daemon: client.Daemon{Socket: filepath.Join(run, "sandboxd.sock")}, ended: make(chan struct{})}
	if h.log, err = os.CreateTemp(run, "log-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			h.dumpLog()
			err = errors.Join(err, h.stop())
		}
	}()
	if h.addr, err = freeAddress(); err != nil {
		return nil, err
	}
	if h.root, err = h.start(unix.SIGINT, filepath.Join(data, "bin/podlab-sandboxd"), "--data", data, "--run", run, "--spares", "0"); err != nil {
		return nil, err
	}
	if err := wait(ctx, func() error { _, err := h.daemon.Info(ctx); return err }); err != nil {
		return nil, fmt.Errorf("the daemon does not answer: %w", err)
	}
	args := []string{"serve", "--addr", h.addr, "--admin-addr", "127.0.0.1:0", "--data", filepath.Join(run, "server"), "--run", run}
	h.server, err = h.start(unix.SIGTERM, filepath.Join(data, "bin/podlab"), append(args, serve...)...)
	if err != nil {
		return nil, err
	}
	return h, wait(ctx, func() error {
		c, err := net.Dial("tcp", h.addr)
		if err == nil {
			err = c.Close()
		}
		return err
	})
}

// start starts a program that the kernel ends by a signal when this one dies: after a panic or a kill too, no daemon with nodes is left.
func (h *host) start(end syscall.Signal, name string, args ...string) (*exec.Cmd, error) {
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = h.log, h.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: end} // Ctrl-C is for measure, which ends them in order
	started := make(chan error)
	go func() { // PR_SET_PDEATHSIG goes by the thread that started it: this one stays
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		started <- cmd.Start()
		<-h.ended
	}()
	return cmd, <-started
}

// stop ends the server, then the daemon by SIGINT, which removes all nodes.
func (h *host) stop() error {
	var err error
	for _, p := range []struct {
		cmd *exec.Cmd
		sig syscall.Signal
	}{{h.server, syscall.SIGTERM}, {h.root, syscall.SIGINT}} {
		if p.cmd == nil || p.cmd.Process == nil {
			continue
		}
		_ = p.cmd.Process.Signal(p.sig)
		if e := p.cmd.Wait(); e != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", filepath.Base(p.cmd.Path), e))
		}
	}
	close(h.ended)
	h.log.Close()
	return err
}

func (h *host) dumpLog() {
	data, _ := os.ReadFile(h.log.Name())
	_, _ = os.Stderr.Write(data)
}

// node makes a node that is destroyed by the returned function.
func (h *host) node(ctx context.Context, id string) (sandbox.Node, func(), error) {
	n, err := h.daemon.Create(ctx, sandbox.NodeSpec{ID: id})
	if err != nil {
		return n, nil, err
	}
	return n, func() { _ = h.daemon.Destroy(context.WithoutCancel(ctx), id) }, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// wait tries f every 10 ms, for ten seconds.
func wait(ctx context.Context, f func() error) error {
	var err error
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		if err = f(); err == nil {
			return nil
		}
	}
	return err
}
