// Package engine makes pods and plain containers inside a node: a small kubelet over libcontainer.
//
// It runs in the agent, as root of the node's user namespace. Each pod and each plain container is a unit with one goroutine that
// owns it; it starts and stops containers, restarts them by policy, and makes a new sandbox when the infra container dies. Others
// read what the unit published last. ConfigMaps and Secrets (data.go) are the engine's own; units are told when they change.
// Everything a later agent needs is in the unit's record (record.go), beside it in data, in libcontainer's state directories, or with
// node init (Keeper).
//
// Goroutines: one for each unit until it is gone or the engine closes; one for each process that this agent started, one for its
// memory events, and one for each of its probes and running hooks, until it ends; two for each log, until its writers are gone; a short
// one at the beginning (learnTypes).
//
// Files, by what they are about:
//
//	what comes in     apply; object, configured, lifecycle: what is valid on a node, beyond package manifest; data: ConfigMaps and Secrets
//	a unit            unit: its goroutine; pod, plain: the two sorts; making, namespaces, telling: its sandbox; init: whose turn it is;
//	                  ephemeral; stop, deadline, evict: its end
//	a container       container: its state; launch: from nothing until it runs; config and what goes into it: rootfs, cgroup, capability,
//	                  seccomp, syscalls, user, environment, files, console; pull: an image that is not there yet
//	its volumes       volume, subpath; projection, fieldref, atomic: those that are written from data
//	while it runs     probe, hook, and what both do: command, request, askprogram; exec, attach, output, past; log, logread, logtext; oom
//	what is told      status, condition, qos, message
//	the next agent    record, adopt, stray: what an earlier life left
package engine

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/network"
)

// errClosed answers calls to an engine that is closing.
var errClosed = sandbox.Errorf(sandbox.CodeUnavailable)

// keepPrefix begins the keys of everything that node init keeps for the engine.
const keepPrefix = "engine/"

// Keeper holds what must outlive the agent: descriptors by key, and the exit status of processes whose parent, an earlier
// agent, is gone. Node init implements it.
type Keeper interface {
	// Keep stores duplicates of files under key, in place of what was there. The caller still owns its files.
	Keep(key string, files ...*os.File) error
	// Drop closes what is stored under key; an unknown key is no error.
	Drop(key string) error
	// Kept returns fresh duplicates of everything stored under keys that begin with prefix.
	Kept(prefix string) (map[string][]*os.File, error)
	// WaitOrphan returns how a process that was adopted by node init ended: at once if it has ended, else when it does. start is
	// field 22 of /proc/PID/stat; fs.ErrNotExist when no such process was ever seen.
	WaitOrphan(ctx context.Context, pid int, start uint64) (syscall.WaitStatus, error)
}

// Config says where the engine keeps things and how big its node is. Empty fields take the defaults named here.
type Config struct {
	Images   *image.Store  // required
	State    string        // /run/podlab/agent/engine: state of objects, tmpfs
	Disk     string        // /var/lib/podlab/disk: upper directories, volumes, logs
	Hostname string        // of the node; default os.Hostname
	Bridge   string        // name of the pods' bridge, default cni0
	Subnet   string        // of the pods, default 10.88.0.0/24; the bridge has its first address
	BackOff  time.Duration // first delay of CrashLoopBackOff, default 10 s; doubles up to 30 times itself (5 min)
	Second   time.Duration // what probes, hooks' sleep and active deadlines count as one second, default 1 s; shorter in tests
	Measure  time.Duration // how often disk volumes with a size limit are measured, default 10 s
	Capacity Capacity      // of the node; zero fields are read from its cgroup
	Log      *slog.Logger  // default slog.Default()
}

// Capacity is what the node has to give. Zero means not limited.
type Capacity struct {
	Memory int64 // bytes
	CPU    int64 // thousandths of a core
	PIDs   int64
}

// Subject is a container with its cgroup's path below the node's cgroup root (/pods/demo/web). Usage and NS are left to
// package observe; its Subject has the same shape.
type Subject struct {
	sandbox.Container
	Cgroup string
}

// State is everything the engine knows at one moment. What it refers to is shared: it may be kept, not changed.
type State struct {
	Pods       []sandbox.Pod    // with status, in the order they were applied
	Containers []Subject        // infra, app and plain, in the order they were made
	Volumes    []sandbox.Volume // Pod (or a plain container's ID), Name, Kind and Path are set
	Hidden     []int            // pids of running hidden execs; the last element of their cgroup is HiddenCgroup
}

// HiddenCgroup is the last element of the cgroup path of hidden execs: /pods/demo/web/_probe.
const HiddenCgroup = "_probe"

// Engine makes and keeps pods and plain containers. Its methods may be called from any goroutine.
type Engine struct {
	cfg    Config
	keeper Keeper
	sink   func(sandbox.Moment)
	bridge *network.Bridge
	pool   *network.Pool

	changed chan struct{}
	closing chan struct{}   // closed by Close
	life    context.Context // of the units; cancel ends it
	cancel  context.CancelFunc
	owners  sync.WaitGroup // of the units' goroutines, and of their containers' probes and hooks
	reaping atomic.Bool    // reapStrays is at work

	mu     sync.Mutex // guards what follows, never held over work
	units  map[sandbox.Ref]*unit
	data   map[sandbox.Ref]*data // ConfigMaps and Secrets
	order  uint64
	hidden map[int]bool
}

// Open starts the engine and adopts what lived through the death of an earlier one. sink gets moments, without Source and Seq,
// from many goroutines, and must not block.
func Open(cfg Config, keeper Keeper, sink func(sandbox.Moment)) (*Engine, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	subnet, err := netip.ParsePrefix(cfg.Subnet)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		cfg: cfg, keeper: keeper, sink: sink, pool: network.NewPool(subnet),
		changed: make(chan struct{}, 1), closing: make(chan struct{}),
		units: map[sandbox.Ref]*unit{}, data: map[sandbox.Ref]*data{}, hidden: map[int]bool{},
	}
	for _, dir := range []string{filepath.Join(cfg.State, "objects"), e.runtimeDir(), e.emptyDir(), cfg.Disk} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return nil, err
		}
	}
	if e.bridge, err = network.Open(cfg.Bridge, subnet); err != nil {
		return nil, err
	}
	if err := e.readData(); err != nil {
		e.bridge.Close()
		return nil, err
	}
	e.life, e.cancel = context.WithCancel(context.Background()) // the units outlive the call; Close ends them
	e.owners.Go(e.learnTypes)
	e.adopt()
	return e, nil
}

func (c *Config) defaults() error {
	if c.Images == nil {
		return errors.New("engine: no images")
	}
	if c.Hostname == "" {
		name, err := os.Hostname()
		if err != nil {
			return err
		}
		c.Hostname = name
	}
	fallback(&c.State, "/run/podlab/agent/engine")
	fallback(&c.Disk, "/var/lib/podlab/disk")
	fallback(&c.Bridge, "cni0")
	fallback(&c.Subnet, "10.88.0.0/24")
	fallback(&c.BackOff, 10*time.Second)
	fallback(&c.Second, time.Second)
	fallback(&c.Measure, 10*time.Second)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	has := nodeCapacity()
	fallback(&c.Capacity.Memory, has.Memory)
	fallback(&c.Capacity.CPU, has.CPU)
	fallback(&c.Capacity.PIDs, has.PIDs)
	return nil
}

func fallback[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// emptyDir is where nothing is.
func (e *Engine) emptyDir() string { return filepath.Join(e.cfg.State, "empty") }

// runtimeDir is libcontainer's state directory.
func (e *Engine) runtimeDir() string { return filepath.Join(e.cfg.State, "runtime") }

// Close ends the engine's goroutines and leaves containers as they are.
func (e *Engine) Close() error {
	e.cancel()
	close(e.closing)
	e.owners.Wait()
	e.bridge.Close()
	return nil
}

// start runs the unit's goroutine.
func (e *Engine) start(ctx context.Context, u *unit) {
	e.owners.Go(func() { u.run(ctx) })
}

// Delete stops an object and returns when nothing of it is left. grace in seconds; negative means the object's own.
func (e *Engine) Delete(ctx context.Context, ref sandbox.Ref, grace int64) error {
	if _, isData := dataPrefix[ref.Kind]; isData {
		return e.deleteData(ref)
	}
	e.mu.Lock()
	u, ok := e.units[ref]
	e.mu.Unlock()
	if !ok {
		return sandbox.Errorf(sandbox.CodeNotFound, "kind", ref.Kind, "name", ref.Name)
	}
	if err := u.do(ctx, func() error { u.delete(grace); return nil }); err != nil {
		return err
	}
	select {
	case <-u.done:
		return nil
	case <-e.closing:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// forget takes a unit that is gone out of the engine.
func (e *Engine) forget(u *unit) {
	if err := os.Remove(u.recordPath()); err != nil {
		u.log.Error("record not removed", "err", err)
	}
	e.mu.Lock()
	delete(e.units, u.object.Ref)
	e.mu.Unlock()
	u.emit(sandbox.MomentPod, "Deleted", nil)
	close(u.done)
	e.notify()
}

// State returns what there is now.
func (e *Engine) State() State {
	var s State
	for _, v := range e.views() {
		if v.pod != nil {
			s.Pods = append(s.Pods, *v.pod)
		}
		s.Containers = append(s.Containers, v.subject...)
		s.Volumes = append(s.Volumes, v.volumes...)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for pid := range e.hidden {
		s.Hidden = append(s.Hidden, pid)
	}
	return s
}

// Settled reports whether nothing is being made or removed, and no hidden exec runs: then the engine's end loses nothing.
func (e *Engine) Settled() bool {
	s := e.State()
	making := func(c Subject) bool { return c.State == sandbox.StateWaiting && c.Reason == reasonCreating }
	leaving := func(p sandbox.Pod) bool { return p.Metadata.DeletionTimestamp != "" }
	return len(s.Hidden) == 0 && !slices.ContainsFunc(s.Containers, making) && !slices.ContainsFunc(s.Pods, leaving)
}

// views lists what the units published, in the order they were applied.
func (e *Engine) views() []*view {
	e.mu.Lock()
	defer e.mu.Unlock()
	var views []*view
	for _, u := range e.units {
		views = append(views, u.view.Load())
	}
	slices.SortFunc(views, func(a, b *view) int { return int(a.record.Order) - int(b.record.Order) })
	return views
}

// find returns a container by its ID, with what its unit published.
func (e *Engine) find(id string) (*view, Subject, bool) {
	for _, v := range e.views() {
		for _, s := range v.subject {
			if s.ID == id {
				return v, s, true
			}
		}
	}
	return nil, Subject{}, false
}

// Changed has a value after State may have changed. It has room for one: for one reader.
func (e *Engine) Changed() <-chan struct{} { return e.changed }

func (e *Engine) notify() {
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

func (e *Engine) emit(m sandbox.Moment) {
	m.Time = bootTime()
	e.sink(m)
}
