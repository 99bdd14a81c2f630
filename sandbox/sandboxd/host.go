package main

import (
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/trace"
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
