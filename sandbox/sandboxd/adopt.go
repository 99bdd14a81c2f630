package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/runc/libcontainer"

	"podlab/sandbox"
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
		if err := h.adopt(entry.Name()); err != nil {
			h.log.Warn("a node of an earlier daemon is removed", "node", entry.Name(), "error", err)
			h.ended.add(entry.Name(), sandbox.GoneInitEnded)
			left = append(left, entry.Name())
		}
	}
	h.pruneLinks()
	for _, id := range left {
		if h.nodes[id] == nil {
			h.clear(id)
		}
	}
	return h.disks.RemoveUnfinished()
}

// adopt finds one node again, by its record. The node must still be the one recorded: same process, same pid namespace.
func (h *host) adopt(id string) (err error) {
	data, err := os.ReadFile(filepath.Join(h.set.State(id), recordFile))
	if err != nil {
		return fmt.Errorf("half made: %w", err)
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return err
	}
	n := newNode(r)
	if err := n.identify(r.PID); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			n.pidfd.Close()
		}
	}()
	if n.PIDNS != r.PIDNS || r.Spec.ID != id {
		return errors.New("its init has ended")
	}
	if n.container, err = libcontainer.Load(h.set.States(), id); err != nil {
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
	h.log.Info("node found again", "node", id, "pid", n.PID)
	return nil
}
