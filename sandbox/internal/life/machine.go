// Package life is one life of a node: from the disk and the root that it is put together on, by its init and its groups, to the last of what
// it leaves. A node that is powered off and on again has a second life, on the disk that was held for it.
//
// A life has a place: the name of its control group, of its directory of state and of its socket. It knows nothing of a node's name, owner,
// links or room; whoever begins it keeps that book.
//
//	machine.Begin(plan)  root, groups, socket, init, agent: all of it, or nothing is left
//	machine.Find(…)      one that an earlier daemon began
//	life.Wait()          until its init has ended, however that came about
//	life.Bury()          removes what is left: the one way in which lives end
package life

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/cgroup"
	"podlab/sandbox/internal/disk"
	"podlab/sandbox/internal/isolation"
	"podlab/sandbox/internal/rootfs"
	"podlab/sandbox/internal/settings"
)

// ClearTime is how long it may take from the death of node init to the end of the last of its groups: a learner can make 30,000 in 4 s on v1.
const ClearTime = 30 * time.Second

// Machine is what lives stand on: directories, control groups, disks, the filter of system calls.
type Machine struct {
	Groups *cgroup.Tree

	set    *settings.Settings
	log    *slog.Logger
	disks  *disk.Maker
	lock   *os.File      // one daemon for one run directory
	filter *os.File      // of every node, compiled
	making chan struct{} // as many lives begin at a time as it holds
}

// Open makes a machine ready, for one process at a time.
func Open(set *settings.Settings, log *slog.Logger) (*Machine, error) {
	if err := prepare(); err != nil {
		return nil, err
	}
	if err := set.MakeDirectories(); err != nil {
		return nil, err
	}
	m := &Machine{set: set, log: log, disks: &disk.Maker{Dir: set.Disks()}, making: make(chan struct{}, 1+runtime.NumCPU())}
	var err error
	if m.lock, err = set.Lock(); err != nil {
		return nil, err
	}
	if err := errors.Join(rootfs.MountWork(set.Work()), m.disks.RemoveUnfinished()); err != nil {
		return nil, err
	}
	if m.Groups, err = cgroup.Open(set.Groups()); err != nil {
		return nil, err
	}
	m.filter, err = isolation.NewFilter()
	return m, err
}

// Close lets another process open the machine. What lives goes on.
func (m *Machine) Close() { m.lock.Close() }

// prepare sets what is one for the whole process, and what nodes inherit.
func prepare() error {
	unix.Umask(0o022)                                                                         // ids of nodes must reach the mounts
	path := os.Setenv("PATH", os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin")           // mkfs.ext4
	core := os.NewSyscallError("setrlimit", unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})) // core_pattern would take a node's dumps to the host
	return errors.Join(path, core)
}

// Places lists the places of lives that an earlier daemon began, and those where only groups or a socket are left, of whatever.
func (m *Machine) Places() (lives, rests []string, err error) {
	states, err := os.ReadDir(m.set.States())
	if err != nil {
		return nil, nil, err
	}
	sockets, err := filepath.Glob(m.set.NodeSocket("*"))
	if err != nil {
		return nil, nil, err
	}
	for _, state := range states {
		lives = append(lives, state.Name())
	}
	rests = m.Groups.Nodes()
	for _, socket := range sockets {
		rests = append(rests, strings.TrimSuffix(filepath.Base(socket), ".sock"))
	}
	slices.Sort(rests)
	rests = slices.DeleteFunc(slices.Compact(rests), func(place string) bool { return slices.Contains(lives, place) })
	return lives, rests, nil
}

// Clear removes whatever may be left at a place, destroyed, dead or half made.
func (m *Machine) Clear(place string) {
	ctx, cancel := context.WithTimeout(context.Background(), ClearTime)
	defer cancel()
	failed := m.Groups.Remove(ctx, place)
	if err := os.Remove(m.set.NodeSocket(place)); err != nil && !errors.Is(err, os.ErrNotExist) {
		failed = errors.Join(failed, err)
	}
	if failed = errors.Join(failed, os.RemoveAll(m.set.State(place))); failed != nil {
		m.log.Error("something of a node stays until the next start", "node", place, "error", failed)
	}
}

// Remove takes down what Open made, when all lives are over: the groups' parents, and directories of RUN.
func (m *Machine) Remove() error {
	failed := m.Groups.RemoveParent()
	_ = unix.Unmount(m.set.Work(), unix.MNT_DETACH)
	for _, dir := range []string{m.set.States(), m.set.Sockets(), m.set.LockFile(), m.set.Work()} {
		if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}
