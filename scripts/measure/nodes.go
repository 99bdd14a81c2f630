package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/client"
)

const class = 30 // learners who begin at once

// benchNodes30 makes a class's nodes at once and a pod of infra and two more containers on each, on daemons of their own: one that has
// nothing ready, and one that has a spare for each.
func benchNodes30(ctx context.Context, b *bench) error {
	for _, way := range []struct {
		name   string
		spares int
	}{{"cold", 0}, {"spares", class}} {
		if err := b.begin(ctx, way.name, way.spares); err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
	}
	return nil
}

func (b *bench) begin(ctx context.Context, name string, spares int) error {
	daemon, stop, err := b.ownDaemon(ctx, "nodes30-"+name, "--spares", fmt.Sprint(spares), "--max-nodes", fmt.Sprint(2*class))
	if err != nil {
		return err
	}
	defer stop()
	if err := awaitSpares(ctx, filepath.Dir(daemon.Socket), spares); err != nil {
		return err
	}
	start := time.Now()
	nodes := make([]sandbox.Node, class)
	created, err := atOnce(func(i int) (err error) {
		nodes[i], err = daemon.Create(ctx, sandbox.NodeSpec{ID: fmt.Sprintf("n%d", i)})
		return err
	})
	if err != nil {
		return err
	}
	figure("nodes30."+name+".created", time.Since(start).Seconds()*1e3, "ms")
	created.print("nodes30." + name + ".create")
	if _, err := atOnce(func(i int) error { return applyReady(ctx, daemon.Agent(nodes[i]), "demo") }); err != nil {
		return err
	}
	figure("nodes30."+name+".ready", time.Since(start).Seconds()*1e3, "ms")
	return nil
}

// atOnce does a thing for each learner of a class, and takes the time of each.
func atOnce(do func(i int) error) (times, error) {
	took := make(times, class)
	var group errgroup.Group
	for i := range class {
		group.Go(func() error {
			start := time.Now()
			defer func() { took[i] = time.Since(start) }()
			return do(i)
		})
	}
	return took, group.Wait()
}

// ownDaemon starts a daemon besides the one that most benchmarks share. stop ends it with all its nodes.
func (b *bench) ownDaemon(ctx context.Context, name string, args ...string) (client.Daemon, func(), error) {
	run := filepath.Join(b.run, name)
	daemon := client.Daemon{Socket: filepath.Join(run, "sandboxd.sock")}
	cmd := exec.Command(filepath.Join(b.data, "bin/podlab-sandboxd"), append([]string{"--data", b.data, "--run", run}, args...)...)
	cmd.Stdout, cmd.Stderr = b.host.log, b.host.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGINT}
	runtime.LockOSThread() // the signal comes when the thread that started it ends: this one stays until stop
	if err := cmd.Start(); err != nil {
		return daemon, nil, err
	}
	stop := func() {
		_ = cmd.Process.Signal(unix.SIGINT)
		if err := cmd.Wait(); err != nil {
			remark("the daemon of %s ended: %v", name, err)
		}
		runtime.UnlockOSThread()
	}
	if err := wait(ctx, func() error { _, err := daemon.Info(ctx); return err }); err != nil {
		stop()
		return daemon, nil, err
	}
	return daemon, stop, nil
}

// awaitSpares waits until so many nodes that nobody asked for have an agent that answers.
func awaitSpares(ctx context.Context, run string, want int) error {
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		sockets, _ := filepath.Glob(filepath.Join(run, "nodes", "_*.sock"))
		ready := 0
		for _, socket := range sockets {
			short, cancel := context.WithTimeout(ctx, time.Second)
			if _, err := (client.Agent{Socket: socket}).Snapshot(short); err == nil {
				ready++
			}
			cancel()
		}
		if ready == want {
			time.Sleep(time.Second) // what making them took is given back
			return nil
		}
	}
	return errors.New("the spares do not come")
}
