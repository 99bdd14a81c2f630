// Package engine makes pods and plain containers inside a node: a small kubelet over libcontainer.
package engine

import (
	"context"
	"log/slog"
	"os"
	"syscall"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/image"
)

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

// State is everything the engine knows, copied: the caller may keep and change it.
type State struct {
	Pods       []sandbox.Pod    // with status, in the order they were applied
	Containers []Subject        // infra, app and plain, in the order they were made
	Volumes    []sandbox.Volume // Pod (or a plain container's ID), Name, Kind and Path are set
	Hidden     []int            // pids of running hidden execs; their cgroup's last element is HiddenCgroup too
}

// HiddenCgroup is the last element of the cgroup path of hidden execs: /pods/demo/web/_probe.
const HiddenCgroup = "_probe"

// Process is a command to run in a living container.
type Process struct {
	Argv     []string
	Env      []string // added to the container's own
	Cwd      string   // default: the container's
	Stdin    *os.File // nil is /dev/null; with Terminal all three are ignored
	Stdout   *os.File
	Stderr   *os.File
	Terminal bool // a pty: see Running.Console
	Size     sandbox.Size
	Hidden   bool
}

// Running is a command started by Exec. Wait must be called once.
type Running struct {
	PID     int
	Start   uint64   // field 22 of /proc/PID/stat: for Keeper.WaitOrphan in a later life of the agent
	Console *os.File // pty master, when asked for; the caller owns it
	wait    func() (syscall.WaitStatus, error)
}
