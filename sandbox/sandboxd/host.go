package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/trace"
	"podlab/sandbox/internal/userns"
)

// How long things may take.
const (
	answerTime = 10 * time.Second // from the start of node init to the agent's first answer
	clearTime  = 30 * time.Second // from the death of node init to the last of its groups: a learner can make 30,000 in 4 s on v1
)

// Ids of nodes come from here: beyond ids of people and of /etc/subuid, below what signed 32 bits hold.
const (
	firstBase = 0x1000_0000
	bases     = 0x6000 // ranges of userns.Size
)

// host makes, knows and removes the nodes of one machine.
type host struct {
	set     *settings
	log     *slog.Logger
	tracer  *trace.Tracer
	groups  *groups
	disks   *disks
	filter  *os.File         // of every node, compiled
	missing []*sandbox.Error // what this machine lacks; without an essential one no node can be made
	making  chan struct{}    // as many creations at a time as it holds
	lock    *os.File         // one daemon for one run directory

	mu       sync.RWMutex
	nodes    map[string]*node
	rings    map[uint64]*ring // by pid namespace
	nextBase uint32
	waiting  sync.WaitGroup // one goroutine for each node that lives
}

func openHost(set *settings, tracer *trace.Tracer, log *slog.Logger) (_ *host, err error) {
	h := &host{
		set: set, log: log, tracer: tracer, disks: &disks{dir: set.disks()},
		making: make(chan struct{}, 1+runtime.NumCPU()),
		nodes:  make(map[string]*node), rings: make(map[uint64]*ring),
		nextBase: startBase(set.run),
	}
	if err := h.makeDirectories(); err != nil {
		return nil, err
	}
	if h.lock, err = lockFile(filepath.Join(set.run, "lock")); err != nil {
		return nil, err
	}
	if err := mountWork(set.work()); err != nil {
		return nil, err
	}
	if h.groups, err = openGroups(set.run); err != nil {
		return nil, err
	}
	if h.filter, err = newFilter(); err != nil {
		return nil, err
	}
	h.missing = h.findMissing()
	for _, missing := range h.missing {
		log.Warn("this machine lacks a feature", "feature", missing.Params["feature"], "remedy", missing.Params["remedy"])
	}
	return h, errors.Join(lowerLimits(), h.adoptAll())
}

// startBase spreads daemons with different run directories over the ids.
func startBase(run string) uint32 {
	sum := fnv.New32a()
	sum.Write([]byte(run))
	return sum.Sum32() % bases
}

// makeDirectories makes those of RUN and DATA. The sockets' one is the group's to enter.
func (h *host) makeDirectories() error {
	for _, dir := range []string{h.set.run, h.set.states(), h.set.sockets(), h.set.disks()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return errors.Join(os.Chmod(h.set.run, 0o755), os.Chmod(h.set.states(), 0o700), os.Chmod(h.set.disks(), 0o700),
		os.Chmod(h.set.sockets(), 0o750), os.Chown(h.set.sockets(), 0, h.set.group))
}

func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: another daemon has it: %w", path, err)
	}
	return f, nil
}

// lowerLimits sets what nodes inherit: no core dumps, which the host's core_pattern would take to the host.
func lowerLimits() error {
	return os.NewSyscallError("setrlimit", unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}))
}

// close lets go of the nodes; they live on.
func (h *host) close() {
	h.mu.Lock()
	for _, n := range h.nodes {
		if n.pidfd != nil {
			n.pidfd.Close()
		}
	}
	h.mu.Unlock()
	h.waiting.Wait()
	h.lock.Close()
}

// removeDirectories removes those of RUN, when all nodes are gone, and the groups' parents.
func (h *host) removeDirectories() error {
	failed := h.groups.removeParents()
	for _, dir := range []string{h.set.states(), h.set.sockets(), filepath.Join(h.set.run, "lock")} {
		if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	_ = unix.Unmount(h.set.work(), unix.MNT_DETACH)
	return errors.Join(failed, os.Remove(h.set.work()))
}

func (h *host) info() sandbox.HostInfo {
	info := sandbox.HostInfo{Tracer: h.tracer.Kind(), Cgroup: 1, Kernel: kernelRelease(), MaxNodes: h.set.maxNodes, Missing: h.missing}
	if h.groups.unified {
		info.Cgroup = 2
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	info.Nodes = len(h.nodes)
	return info
}

// list returns the living nodes, oldest first.
func (h *host) list() []sandbox.Node {
	h.mu.RLock()
	defer h.mu.RUnlock()
	nodes := []sandbox.Node{}
	for id, n := range h.nodes {
		if n.alive {
			nodes = append(nodes, n.public(h.set.nodeSocket(id)))
		}
	}
	slices.SortFunc(nodes, func(a, b sandbox.Node) int {
		return cmp.Or(cmp.Compare(a.Started, b.Started), cmp.Compare(a.Spec.ID, b.Spec.ID))
	})
	return nodes
}

// reserve takes a name, room and ids for a node.
func (h *host) reserve(spec sandbox.NodeSpec) (*node, error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(h.set.disks(), &disk); err != nil {
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
	taken := h.set.places(spec)
	for _, other := range h.nodes {
		taken += h.set.places(other.Spec)
	}
	if taken > h.set.maxNodes {
		return nil, sandbox.Errorf(sandbox.CodeMachineFull, "limit", fmt.Sprint(h.set.maxNodes))
	}
	n := newNode(record{Spec: spec, Base: h.freeBase(), Started: time.Now().UnixMilli()})
	h.nodes[spec.ID] = n
	return n, nil
}

// freeBase returns the first of ids that no living node has, and that none had for long.
func (h *host) freeBase() uint32 {
	for {
		base := firstBase + h.nextBase%bases*userns.Size
		h.nextBase++
		inUse := false
		for _, n := range h.nodes {
			inUse = inUse || n.Base == base
		}
		if !inUse {
			return base
		}
	}
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

// live makes a node known and waits for its end in a goroutine.
func (h *host) live(n *node) {
	h.mu.Lock()
	h.nodes[n.Spec.ID], n.alive = n, true
	h.mu.Unlock()
	h.waiting.Go(func() {
		if n.wait() == nil { // else the daemon ends first
			h.bury(n)
		}
	})
}

// bury removes what is left of a node whose init has ended.
func (h *host) bury(n *node) {
	h.mu.Lock()
	n.alive = false
	h.mu.Unlock()
	if n.process != nil {
		_, _ = n.process.Wait() // killed, mostly: that is no error here
	}
	n.removing.Lock()
	h.clear(n.Spec.ID)
	n.removing.Unlock()
	h.forget(n)
	n.pidfd.Close()
	close(n.gone)
	h.log.Info("node is gone", "node", n.Spec.ID)
}

// forget frees a node's name and room, and ends its moments.
func (h *host) forget(n *node) {
	if n.PIDNS != 0 {
		h.tracer.Remove(n.PIDNS)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.nodes, n.Spec.ID)
	delete(h.rings, n.PIDNS)
	if n.moments != nil {
		n.moments.close()
	}
}

// clear removes whatever may be left of a node by that name. It is the one way in which nodes go: destroyed, dead or half made.
func (h *host) clear(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), clearTime)
	defer cancel()
	failed := h.groups.remove(ctx, id)
	if err := os.Remove(h.set.nodeSocket(id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		failed = errors.Join(failed, err)
	}
	if failed = errors.Join(failed, os.RemoveAll(h.set.state(id))); failed != nil {
		h.log.Error("something of a node stays until the next start", "node", id, "error", failed)
	}
}

// destroy removes a node. One that is not there is no error.
func (h *host) destroy(ctx context.Context, id string) error {
	n, ok := h.find(ctx, id)
	if n == nil {
		return ctx.Err()
	}
	if ok {
		if err := n.kill(); err != nil && !errors.Is(err, os.ErrClosed) {
			return err
		}
		n.removing.Lock()
		err := h.groups.remove(ctx, id) // now, since it thaws too, and what is frozen does not die
		n.removing.Unlock()
		if err != nil {
			return err
		}
	}
	select {
	case <-n.gone:
		return nil
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
			if err := h.destroy(ctx, n.Spec.ID); err != nil {
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
	n, ok := h.find(ctx, id)
	if !ok {
		return errNoNode(id)
	}
	n.freezing.Lock()
	defer n.freezing.Unlock()
	if n.frozen == freeze {
		return nil
	}
	change := (*libcontainer.Container).Resume
	if freeze {
		change = (*libcontainer.Container).Pause
	}
	if err := change(n.container); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	n.frozen = freeze
	return nil
}

func errNoNode(id string) error {
	return sandbox.Errorf(sandbox.CodeNotFound, "kind", "node", "name", id)
}
