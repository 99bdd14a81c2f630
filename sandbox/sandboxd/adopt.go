package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/opencontainers/runc/libcontainer"

	"podlab/sandbox"
	"podlab/sandbox/internal/record"
)

// adoptAll finds the nodes of an earlier daemon again and removes everything else that it left.
func (h *host) adoptAll() error {
	entries, err := os.ReadDir(h.set.States())
	if err != nil {
		return err
	}
	sockets, err := filepath.Glob(filepath.Join(h.set.Sockets(), "*.sock"))
	if err != nil {
		return err
	}
	left := h.groups.Nodes()
	for _, socket := range sockets {
		left = append(left, filepath.Base(socket[:len(socket)-len(".sock")]))
	}
	for _, entry := range entries {
		if id, err := h.adopt(entry.Name()); err != nil {
			h.log.Warn("a node of an earlier daemon is removed", "node", id, "error", err)
			h.ended.Add(id, sandbox.GoneInitEnded)
			left = append(left, entry.Name())
		}
	}
	h.pruneLinks()
	places := make(map[string]bool)
	for _, n := range h.nodes {
		places[n.place] = true
	}
	for _, id := range left {
		if !places[id] {
			h.clear(id)
		}
	}
	return h.disks.RemoveUnfinished()
}

// adopt finds one node again, by its record. The node must still be the one recorded: same process, same pid namespace.
func (h *host) adopt(place string) (id string, err error) {
	r, err := record.Read(h.set.State(place))
	if err != nil {
		return place, err
	}
	return r.Spec.ID, h.follow(newNode(r), place)
}

// follow takes up a node whose record was found.
func (h *host) follow(n *node, place string) (err error) {
	r := n.Node
	n.place = place
	if err := n.identify(r.PID); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			n.pidfd.Close()
		}
	}()
	if n.PIDNS != r.PIDNS || h.nodes[r.Spec.ID] != nil {
		return errors.New("its init has ended")
	}
	if n.container, err = libcontainer.Load(h.set.States(), place); err != nil {
		return err
	}
	status, err := n.container.Status()
	if err != nil {
		return err
	}
	n.frozen = status == libcontainer.Paused
	if err := h.trace(n); err != nil {
		return err
	}
	close(n.ready)
	h.live(n)
	h.log.Info("node found again", "node", r.Spec.ID, "pid", n.PID)
	return nil
}
