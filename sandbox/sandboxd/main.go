// Command podlab-sandboxd is the root daemon: it makes and removes learners' nodes and reports what the kernel did in them. It
// knows twelve verbs (package wire), no pod, no image archive, no path that a learner chose.
//
// What a node holds, the kernel holds for the node's own processes: its mounts live in its mount namespace only, its disk is a file
// without a name behind a loop device that frees itself. So when a node's PID 1 ends, however that comes about, what is left to
// remove is control groups, a socket and a directory of state. The daemon's own mounts are in a mount namespace of its own, which
// the kernel takes down with the daemon.
//
// Who owns what: main owns the host and the server. The host owns nodes, and which life each has (package life), and has one goroutine for
// each, which waits for its PID 1 to end and then buries it; Destroy only kills. The server (package verbs) owns connections.
//
//	SIGTERM  ends the daemon; nodes live on, and the next daemon finds them again
//	SIGINT   destroys all nodes first and leaves nothing behind
package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/boot"
	"podlab/sandbox/internal/rootfs"
	"podlab/sandbox/internal/settings"
	"podlab/sandbox/internal/spare"
	"podlab/sandbox/internal/tables"
	"podlab/sandbox/internal/trace"
	"podlab/sandbox/internal/verbs"
)

// This program is also the first stage of a node's init (package boot).
//
// Only main may run on the main thread, in the daemon too. libcontainer (goCreateMountSources) and package cable send a goroutine with its
// thread into a node's namespaces; the thread ends with it, but the main one cannot end: it would stay there, and hold the node's mounts
// and disk until the daemon ends.
func init() {
	runtime.LockOSThread()
	boot.Stage()
}

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(log); err != nil {
		log.Error("ends", "error", err)
		os.Exit(1)
	}
}

func run(log *slog.Logger) error {
	set, err := settings.Parse(flag.CommandLine, os.Args[1:])
	if err != nil {
		return err
	}
	if err := rootfs.OwnNamespace(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	interrupt := make(chan os.Signal, 1)
	signal.Notify(interrupt, unix.SIGINT)

	tracer, err := trace.Open(ctx, log, set.MaxNodes)
	if err != nil {
		return err
	}
	defer tracer.Close()
	host, err := openHost(set, tracer, log)
	if err != nil {
		return err
	}
	defer host.close()
	server, err := verbs.Listen(set.Socket(), set.Group, host, log)
	if err != nil {
		return err
	}
	nodes, _ := host.List(ctx) // never fails
	log.Info("ready", "socket", set.Socket(), "tracer", tracer.Kind(), "nodes", len(nodes))
	return serve(ctx, interrupt, server, host, tracer)
}

// serve runs until a signal comes or one of its parts fails, and waits for all of them.
func serve(ctx context.Context, interrupt <-chan os.Signal, server *verbs.Server, host *host, tracer *trace.Tracer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var parts sync.WaitGroup
	failed := make(chan error, 2)
	start := func(part func(context.Context) error) {
		parts.Go(func() {
			failed <- part(ctx)
			cancel()
		})
	}
	start(server.Run)
	start(func(ctx context.Context) error { return tracer.Run(ctx, host.moments.Sink()) })
	parts.Go(func() { spare.Keep(ctx, host.spares, host, host.log) })
	parts.Go(func() { host.machine.Groups.Watch(ctx, host.destroyOvergrown) })
	parts.Go(func() { tables.WatchTerminals(ctx, host.nodeOf, host.destroyHoarder) })

	ending := false
	select {
	case <-ctx.Done():
	case <-interrupt:
		ending = true
	}
	cancel()
	parts.Wait()
	err := errors.Join(<-failed, <-failed)
	if ending {
		err = errors.Join(err, host.destroyAll(), host.machine.Remove())
	}
	return err
}
