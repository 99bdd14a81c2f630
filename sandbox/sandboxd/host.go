package main

import (
	"errors"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/cgroup"
	"podlab/sandbox/internal/disk"
	"podlab/sandbox/internal/ending"
	"podlab/sandbox/internal/features"
	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/isolation"
	"podlab/sandbox/internal/moments"
	"podlab/sandbox/internal/rootfs"
	"podlab/sandbox/internal/settings"
	"podlab/sandbox/internal/spare"
	"podlab/sandbox/internal/trace"
	"podlab/sandbox/internal/userns"
)

// How long things may take.
const (
	freezeTime = 5 * time.Second  // until all processes of a node have stopped
	clearTime  = 30 * time.Second // from the death of node init to the last of its groups: a learner can make 30,000 in 4 s on v1
)

// host makes, knows and removes the nodes of one machine.
type host struct {
	set     *settings.Settings
	log     *slog.Logger
	tracer  *trace.Tracer
	groups  *cgroup.Tree
	disks   *disk.Maker
	filter  *os.File         // of every node, compiled
	missing []*sandbox.Error // what this machine lacks; without an essential one no node can be made
	making  chan struct{}    // as many creations at a time as it holds
	lock    *os.File         // one daemon for one run directory

	cabling sync.Mutex // one change of the nodes' links at a time; before mu

	mu      sync.RWMutex
	nodes   map[string]*node
	moments moments.Logs
	ids     *userns.Pool
	ended   ending.Book
	spares  spare.Plan
	waiting sync.WaitGroup // one goroutine for each node that lives
}

func openHost(set *settings.Settings, tracer *trace.Tracer, log *slog.Logger) (_ *host, err error) {
	h := &host{
		set: set, log: log, tracer: tracer, disks: &disk.Maker{Dir: set.Disks()},
		making: make(chan struct{}, 1+runtime.NumCPU()),
		nodes:  make(map[string]*node),
		ids:    userns.NewPool(set.Run),
	}
	if err := set.MakeDirectories(); err != nil {
		return nil, err
	}
	if h.lock, err = set.Lock(); err != nil {
		return nil, err
	}
	if err := rootfs.MountWork(set.Work()); err != nil {
		return nil, err
	}
	if h.groups, err = cgroup.Open(set.Groups()); err != nil {
		return nil, err
	}
	if h.filter, err = isolation.NewFilter(); err != nil {
		return nil, err
	}
	h.missing = features.Missing(h.groups, set.Disks(), set.Work(), userns.Trial)
	for _, missing := range h.missing {
		log.Warn("this machine lacks a feature", "feature", missing.Params["feature"], "remedy", missing.Params["remedy"])
	}
	return h, errors.Join(h.expect(), lowerLimits(), h.adoptAll())
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
	failed := h.groups.RemoveParent()
	for _, dir := range []string{h.set.States(), h.set.Sockets(), h.set.LockFile()} {
		if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	_ = unix.Unmount(h.set.Work(), unix.MNT_DETACH)
	return errors.Join(failed, os.Remove(h.set.Work()))
}

func (h *host) info() sandbox.HostInfo {
	info := sandbox.HostInfo{Tracer: h.tracer.Kind(), Cgroup: 1, Kernel: features.KernelRelease(), MaxNodes: h.set.MaxNodes, Missing: h.missing}
	info.Absent = image.Buildable(h.set.Images())
	if h.groups.Unified {
		info.Cgroup = 2
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, n := range h.nodes {
		if !n.spare {
			info.Nodes++
		}
	}
	return info
}
