// Package observe reads what there is on a node from the kernel and makes a sandbox.Snapshot of it. One file for each kernel file:
// parseX takes its bytes, so that tests need no kernel.
//
// An Observer runs in the agent, as root of the node's user namespace and in the node's own namespaces. It starts nothing and keeps
// no descriptor open between snapshots (an open netlink socket would keep a dead pod's network namespace alive); for namespaces
// that can only be read from within it sends a thread there, which is back or dead before Snapshot returns.
//
// Everything read is hostile: a learner names processes, files, sockets and interfaces. Every list is bounded (limits.go), every
// string cleaned (clean.go), and no path below a learner's directory is resolved outside of it.
package observe

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/text"
)

// staleSnapshots is for how many snapshots a size is kept that was not asked for.
const staleSnapshots = 100

// Input is what cannot be read from the kernel: what the agent made, and under which names.
type Input struct {
	Pods       []sandbox.Pod
	Containers []Subject
	Volumes    []sandbox.Volume // Pod, Name, Kind and Path are set
	Terminals  []sandbox.TerminalStatus
	InitPID    int
	AgentPID   int
	Roles      map[int]string // pid → Process.Role, for the node's own processes; init and agent are known by their pids
	// Hidden says that a process belongs to a check's probe; it and its descendants are left out. May be nil.
	Hidden func(pid int, cgroup string) bool
}

// Subject is a container as the engine knows it: NS, Usage and the Dev and Inode of Mounts are filled in here.
type Subject struct {
	sandbox.Container
	Cgroup string // path below the node's cgroup root, such as /pods/demo/web
}

// Observer makes snapshots of one node. Its methods may be called from any goroutine; one snapshot is made at a time.
type Observer struct {
	Life   string // Snapshot.Agent: names this life of the agent
	Proc   string // the node's procfs, usually /proc
	Cgroup string // where the node's cgroup root is mounted, usually /sys/fs/cgroup
	Disk   string // a path on the node's disk, usually /var/lib/podlab/disk

	mu  sync.Mutex
	seq uint64
	r   *reader
	at  controllers

	// What is kept from one snapshot for the next.
	known         map[int]*process
	limits        map[string]groupLimits
	sizes         map[string]sized
	joined        map[string]joined // by Container.ID
	uppers        map[string]upper  // by path of the writable layer
	orphans       map[uint64]bool   // inodes of sockets that nobody visible holds
	uninteresting map[uint64]bool   // inodes of held sockets that are no TCP connections
}

// scan is one snapshot being made.
type scan struct {
	in        Input
	now       time.Time
	sinceBoot time.Duration
	all       []running
	groups    map[string]string // cgroup → Container.ID
	owners    map[string]string // Container.ID → owner of its namespaces
	// So far: threads, sockets, bytes of arguments, bytes of files' paths.
	threads, sockets, args, paths int

	truncated []string
}

// Snapshot reads the whole node. What cannot be read is left out; a process that ends meanwhile is not in it. Nothing of in is
// changed.
func (o *Observer) Snapshot(in Input) sandbox.Snapshot {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.begin()
	s := newScan(in)
	s.all = o.processes(s)
	shot := sandbox.Snapshot{
		Agent:      o.Life,
		Seq:        o.seq,
		Time:       s.sinceBoot.Microseconds(),
		Node:       o.node(s),
		Pods:       append([]sandbox.Pod{}, in.Pods...),
		Containers: o.containers(s),
		Volumes:    o.volumes(s),
		Terminals:  append([]sandbox.TerminalStatus{}, cut(s, "terminals", in.Terminals, maxTerminals)...),
	}
	shot.Networks, shot.IPC = o.inside(s)
	shot.Processes = s.processes()
	shot.Truncated = s.truncated
	o.forget()
	return shot
}

func (o *Observer) begin() {
	o.seq++
	if o.r != nil {
		return
	}
	o.r, o.at = newReader(), findControllers(o.Cgroup)
	o.known, o.limits, o.sizes = map[int]*process{}, map[string]groupLimits{}, map[string]sized{}
	o.joined = map[string]joined{}
	o.uppers = map[string]upper{}
	o.orphans, o.uninteresting = map[uint64]bool{}, map[uint64]bool{}
}

// forget drops what the last snapshot did not ask for. Processes are dropped where they are read.
func (o *Observer) forget() {
	maps.DeleteFunc(o.limits, func(_ string, g groupLimits) bool { return g.seen != o.seq })
	maps.DeleteFunc(o.joined, func(_ string, j joined) bool { return j.seen != o.seq })
	maps.DeleteFunc(o.uppers, func(_ string, u upper) bool { return u.seen+staleSnapshots < o.seq })
	maps.DeleteFunc(o.sizes, func(_ string, z sized) bool { return z.seen+staleSnapshots < o.seq })
}

func newScan(in Input) *scan {
	s := &scan{in: in, now: time.Now(), groups: map[string]string{}, owners: map[string]string{}}
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) == nil {
		s.sinceBoot = time.Duration(ts.Nano())
	}
	for _, c := range in.Containers {
		if c.Cgroup != "" {
			s.groups[c.Cgroup] = c.ID
		}
		s.owners[c.ID] = ownerOf(c.Container)
	}
	return s
}

// truncate notes that a list was cut.
func (s *scan) truncate(list string) {
	if !slices.Contains(s.truncated, list) {
		s.truncated = append(s.truncated, list)
	}
}

// cut keeps a list to its limit.
func cut[T any](s *scan, list string, all []T, limit int) []T {
	if len(all) <= limit {
		return all
	}
	s.truncate(list)
	return all[:limit]
}

// container finds whose cgroup a path is: the container's own, or one that was made below it.
func (s *scan) container(group string) string {
	for group != "" && group != "/" {
		if id, ok := s.groups[group]; ok {
			return id
		}
		group = group[:max(strings.LastIndexByte(group, '/'), 0)]
	}
	return ""
}

func (s *scan) processes() []sandbox.Process {
	all := make([]sandbox.Process, len(s.all))
	for i, p := range s.all {
		all[i] = p.Process
	}
	return all
}

func (o *Observer) node(s *scan) sandbox.NodeView {
	v := sandbox.NodeView{InitPID: s.in.InitPID, AgentPID: s.in.AgentPID, Usage: o.group(s, ""), Disk: disk(o.Disk)}
	v.Usage.OOMKills += o.killsBelow(s)
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		v.Hostname = text.Clean(unix.ByteSliceToString(u.Nodename[:]), maxShortName)
		v.Kernel = text.Clean(unix.ByteSliceToString(u.Release[:]), maxShortName)
	}
	if p, ok := byPID(s.all, s.in.InitPID); ok {
		v.NS = p.NS
	}
	return v
}

// joined is what a container's first process was in when it was last seen alive.
type joined struct {
	pid  int
	ns   sandbox.Namespaces
	seen uint64
}

// namespaces are those of a container's first process. Between its death and the engine's word of it, it is a zombie or not there at
// all; then they are what they were: a zero would look like another namespace.
func (o *Observer) namespaces(s *scan, c sandbox.Container) sandbox.Namespaces {
	if c.PID == 0 {
		return sandbox.Namespaces{}
	}
	last := o.joined[c.ID]
	if p, ok := byPID(s.all, c.PID); ok && (p.NS.Net != 0 || last.pid != c.PID) {
		last = joined{pid: c.PID, ns: p.NS}
	}
	if last.pid != c.PID {
		return sandbox.Namespaces{}
	}
	last.seen = o.seq
	o.joined[c.ID] = last
	return last.ns
}

// containers fills in namespaces, use, layers and mounts. The lists in the input are shared, so they are copied first.
func (o *Observer) containers(s *scan) []sandbox.Container {
	all := []sandbox.Container{}
	for _, c := range cut(s, "containers", s.in.Containers, maxContainers) {
		c.Layers = append([]sandbox.Layer{}, cut(s, "layers", c.Layers, maxLayers)...)
		c.Mounts = append([]sandbox.Mount{}, cut(s, "mounts", c.Mounts, maxMounts)...)
		c.NS = o.namespaces(s, c.Container)
		if c.Cgroup != "" {
			c.Usage = o.group(s, c.Cgroup)
		}
		o.layers(s, c)
		o.mounts(&c.Container)
		all = append(all, c.Container)
	}
	return all
}
