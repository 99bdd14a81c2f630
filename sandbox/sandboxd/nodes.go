package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/pidfd"
	"podlab/sandbox/internal/record"
)

// list returns the living nodes, oldest first.
func (h *host) list() []sandbox.Node {
	h.mu.RLock()
	defer h.mu.RUnlock()
	nodes := []sandbox.Node{}
	for _, n := range h.nodes {
		if n.alive {
			nodes = append(nodes, h.publicLocked(n))
		}
	}
	slices.SortFunc(nodes, func(a, b sandbox.Node) int {
		return cmp.Or(cmp.Compare(a.Started, b.Started), cmp.Compare(a.Spec.ID, b.Spec.ID))
	})
	return nodes
}

// public is what others may know of the node.
func (h *host) public(n *node) sandbox.Node {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.publicLocked(n)
}

func (h *host) publicLocked(n *node) sandbox.Node {
	node := sandbox.Node{
		Spec: n.Spec, PID: n.PID, Started: n.Started, Frozen: n.frozen, Socket: h.set.NodeSocket(n.place), PIDNS: n.PIDNS,
		Links: slices.Clone(n.Links), Stopped: n.stopped,
	}
	if n.stopped {
		node.PID, node.PIDNS, node.Frozen = 0, 0, false
	}
	return node
}

// reserve takes a name, room and ids for a node. It may be a spare, which is ready; one that is to be a spare gets room that is left.
func (h *host) reserve(spec sandbox.NodeSpec, spare bool) (*node, error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(h.set.Disks(), &disk); err != nil {
		return nil, err
	}
	if int64(disk.Bavail)*disk.Bsize < spec.Disk {
		return nil, sandbox.Errorf(sandbox.CodeMachineFull, "limit", "disk")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.nodes[spec.ID] != nil {
		return nil, sandbox.Errorf(sandbox.CodeNameTaken, "kind", "node", "name", spec.ID)
	}
	if h.set.Places(spec)+h.places(spare) > h.set.MaxNodes {
		return nil, sandbox.Errorf(sandbox.CodeMachineFull, "limit", fmt.Sprint(h.set.MaxNodes))
	}
	if !spare {
		if n := h.take(spec); n != nil {
			return n, nil
		}
	}
	n := newNode(record.Node{Spec: spec, Base: h.ids.Take(h.hasBase), Started: time.Now().UnixMilli()})
	n.spare = spare
	h.nodes[spec.ID] = n
	return n, nil
}

// places is how many are taken, by spares too or without. The caller holds the lock.
func (h *host) places(spares bool) (taken int) {
	for _, n := range h.nodes {
		if spares || !n.spare {
			taken += h.set.Places(n.Spec)
		}
	}
	return taken
}

// hasBase reports whether some node has the ids from base on. The caller holds the lock.
func (h *host) hasBase(base uint32) bool {
	for _, n := range h.nodes {
		if n.Base == base {
			return true
		}
	}
	return false
}

// find returns a living node, after its creation if that is going on. ok is false when there is none.
func (h *host) find(ctx context.Context, id string) (n *node, ok bool) {
	h.mu.RLock()
	n = h.nodes[id]
	h.mu.RUnlock()
	if n == nil {
		return nil, false
	}
	select {
	case <-n.ready:
	case <-ctx.Done():
		return nil, false
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	return n, n.alive
}

// live makes a node known, unless it is a spare, and waits for its end in a goroutine.
func (h *host) live(n *node) {
	h.mu.Lock()
	h.nodes[n.Spec.ID], n.alive = n, !n.spare
	h.mu.Unlock()
	h.waiting.Go(func() {
		if pidfd.Wait(n.pidfd) == nil { // else the daemon ends first
			h.bury(n)
		}
	})
}

// bury removes what is left of a node whose init has ended.
func (h *host) bury(n *node) {
	h.mu.Lock()
	if n.stopped {
		h.mu.Unlock()
		h.halt(n)
		return
	}
	n.alive, n.dying = false, true // it keeps its name from here on
	h.mu.Unlock()
	if !n.spare {
		h.ended.Add(n.Spec.ID, n.why())
	}
	if n.process != nil {
		_, _ = n.process.Wait() // killed, mostly: that is no error here
	}
	n.removing.Lock()
	h.clear(n.place)
	n.removing.Unlock()
	h.unlink(n)
	h.forget(n)
	n.pidfd.Close()
	close(n.gone)
	h.log.Info("node is gone", "node", n.Spec.ID, "reason", n.why())
}

// forget frees a node's name and room, and ends its moments.
func (h *host) forget(n *node) {
	if n.PIDNS != 0 {
		h.tracer.Remove(n.PIDNS)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.nodes, n.Spec.ID)
	h.moments.Remove(n.PIDNS)
	if n.moments != nil {
		n.moments.Close()
	}
}

// clear removes whatever may be left of a node in that place. It is the one way in which nodes go: destroyed, dead or half made.
func (h *host) clear(place string) {
	ctx, cancel := context.WithTimeout(context.Background(), clearTime)
	defer cancel()
	failed := h.groups.Remove(ctx, place)
	if err := os.Remove(h.set.NodeSocket(place)); err != nil && !errors.Is(err, os.ErrNotExist) {
		failed = errors.Join(failed, err)
	}
	if failed = errors.Join(failed, os.RemoveAll(h.set.State(place))); failed != nil {
		h.log.Error("something of a node stays until the next start", "node", place, "error", failed)
	}
}

// destroy removes a node for a reason, of which the first counts. One that is not there is no error.
func (h *host) destroy(ctx context.Context, id, reason string) error {
	n, ok := h.find(ctx, id)
	if n == nil {
		return ctx.Err()
	}
	if ok && h.isStopped(n) {
		if h.discard(n, reason) {
			return nil
		}
		return h.destroy(ctx, id, reason) // it was started again
	}
	if ok {
		n.reason.CompareAndSwap(nil, &reason)
		if err := n.kill(); err != nil {
			return err
		}
		n.removing.Lock()
		err := h.groups.Remove(ctx, n.place) // now, since it thaws too, and what is frozen does not die
		n.removing.Unlock()
		if err != nil {
			return err
		}
	}
	select {
	case <-n.gone:
		return nil
	case <-n.halted: // PowerOff was faster
		return h.destroy(ctx, id, reason)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *host) destroyAll() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*clearTime)
	defer cancel()
	var all sync.WaitGroup
	for _, n := range h.list() {
		all.Go(func() {
			if err := h.destroy(ctx, n.Spec.ID, sandbox.GoneDestroyed); err != nil {
				h.log.Error("node stays", "node", n.Spec.ID, "error", err)
			}
		})
	}
	all.Wait()
	if left := len(h.list()); left > 0 {
		return fmt.Errorf("%d nodes stay", left)
	}
	return nil
}

// freeze stops a node's processes, or lets them go on.
func (h *host) freeze(ctx context.Context, id string, freeze bool) error {
	n, unlock, err := h.change(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	if n.frozen == freeze || h.isStopped(n) {
		return nil
	}
	if freeze {
		err = pause(ctx, n.container)
	} else {
		err = n.container.Resume()
	}
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	n.frozen = freeze
	return nil
}

// pause freezes a container. On cgroup v1 that is done only when each of its processes has come to where it can stop, and libcontainer gives
// up and thaws it after a quarter of a second, in which on a busy machine some did not run at all.
func pause(ctx context.Context, c *libcontainer.Container) error {
	ctx, cancel := context.WithTimeout(ctx, freezeTime)
	defer cancel()
	for {
		err := c.Pause()
		if err == nil || ctx.Err() != nil {
			return err
		}
		if status, gone := c.Status(); gone != nil || status != libcontainer.Running {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func errNoNode(id string) error {
	return sandbox.Errorf(sandbox.CodeNotFound, "kind", "node", "name", id)
}
