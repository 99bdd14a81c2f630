package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/runc/libcontainer/configs"

	"podlab/sandbox"
	"podlab/sandbox/internal/boot"
	"podlab/sandbox/internal/features"
	"podlab/sandbox/internal/isolation"
	"podlab/sandbox/internal/moments"
	"podlab/sandbox/internal/rootfs"
	"podlab/sandbox/internal/socket"
	"podlab/sandbox/internal/undo"
	"podlab/sandbox/internal/userns"
)

// create makes a node and returns when its agent answers.
func (h *host) create(spec sandbox.NodeSpec) (sandbox.Node, error) {
	spec, err := h.set.Complete(spec)
	if err != nil {
		return sandbox.Node{}, err
	}
	for _, missing := range h.missing {
		if features.Essential[missing.Params["feature"]] {
			return sandbox.Node{}, missing
		}
	}
	began := time.Now()
	n, err := h.reserve(spec, false)
	if err != nil {
		return sandbox.Node{}, err
	}
	if closed(n.ready) { // it was a spare
		err = n.Write(h.set.State(n.place))
	} else {
		err = h.make(n)
	}
	if err != nil {
		return sandbox.Node{}, errors.Join(err, n.kill())
	}
	h.log.Info("node", "node", spec.ID, "pid", n.PID, "took", time.Since(began).Round(time.Millisecond))
	return h.public(n), nil
}

// make makes a reserved node, and waits for its end in a goroutine.
func (h *host) make(n *node) error {
	h.making <- struct{}{}
	defer func() { <-h.making }()
	defer close(n.ready)
	if err := h.start(n); err != nil {
		h.forget(n)
		close(n.gone)
		return err
	}
	h.live(n)
	return nil
}

// start brings a node to life. What is only needed while it is made goes in any case, what shall stay goes when a step fails.
func (h *host) start(n *node) error {
	var needed, made undo.Steps
	defer needed.Undo()
	defer made.Undo()

	users, err := userns.New(n.Base)
	if err != nil {
		return err
	}
	needed.Add(func() { users.Close() })
	root, err := h.root(n, users)
	if err != nil {
		return err
	}
	n.Disk = root.Device
	lives := false
	needed.Add(func() { h.dismantle(root, n.again && !lives) })
	made.Add(func() { h.clear(n.place) })
	listener, err := h.listen(n.place)
	if err != nil {
		return err
	}
	config := isolation.Config(n.Spec, h.groups.Path(n.place), root.Path, n.Base, users)
	err = h.startInit(n, config, root.Log, listener, &made)
	listener.Close() // node init has it now: when that ends, callers shall know
	if err == nil {
		err = boot.Await(h.set.NodeSocket(n.place))
	}
	if err != nil {
		return fmt.Errorf("%w; the node's log ends: %q", err, root.LogEnd())
	}
	if !n.spare {
		if err := n.Write(h.set.State(n.place)); err != nil {
			return err
		}
	}
	made.Keep()
	lives = true
	return nil
}

// source is what roots of nodes are made of.
func (h *host) source() rootfs.Source {
	return rootfs.Source{Images: h.set.Images(), Programs: h.set.Programs(), Disk: h.disks.Mount}
}

// root makes a node's root, or that of a node that was stopped again, on the disk that is held for it.
func (h *host) root(n *node, users *os.File) (*rootfs.Root, error) {
	if n.again {
		return rootfs.Again(h.source(), h.work(n), n.Base, users)
	}
	return rootfs.Make(h.source(), h.work(n), n.Spec.Disk, n.Base, users)
}

func (h *host) work(n *node) string { return filepath.Join(h.set.Work(), n.place) }

func (h *host) dismantle(root *rootfs.Root, holdDisk bool) {
	take := root.Close
	if holdDisk {
		take = root.Drop
	}
	if err := take(); err != nil {
		h.log.Error("a node's mount point stays", "error", err)
	}
}

// listen makes the socket that the agent will accept from.
func (h *host) listen(place string) (*os.File, error) {
	path := h.set.NodeSocket(place)
	listener, err := socket.Listen(path, h.set.Group)
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false)
	defer listener.Close() // the file is a copy
	return listener.File()
}

// startInit starts node init; its program runs when its groups and its moments are in place.
func (h *host) startInit(n *node, config *configs.Config, log, listener *os.File, made *undo.Steps) error {
	files := boot.Files{Log: log, Listener: listener, Filter: h.filter}
	init, err := boot.Start(h.set.States(), n.place, n.Spec.Subnet, config, files)
	if err != nil {
		return err
	}
	made.Add(init.Kill)
	if err := n.identify(init.PID); err != nil {
		return err
	}
	made.Add(func() { n.pidfd.Close() })
	n.container, n.process = init.Container, init.Process
	if err := h.groups.Delegate(n.place, n.Base); err != nil {
		return err
	}
	if err := h.trace(n); err != nil {
		return err
	}
	return init.Run()
}

// trace begins to number the kernel's moments of a node.
func (h *host) trace(n *node) (err error) {
	if n.moments, err = moments.Open(h.set.State(n.place), n.moments); err != nil {
		return err
	}
	h.moments.Add(n.PIDNS, n.moments)
	return h.tracer.Add(n.PIDNS, n.PID)
}
