package sandbox

// Snapshot is everything observed on one node at one moment. It is always whole: a reader that missed ten of them needs only
// the newest. All process ids are the node's own (as its PID 1 sees them) unless a field says otherwise.
type Snapshot struct {
	Agent string `json:"agent"` // identifies one life of the agent; a new value means that the agent restarted
	Seq   uint64 `json:"seq"`   // rises by one with each snapshot of one agent life
	Time  int64  `json:"time"`  // microseconds since boot (CLOCK_BOOTTIME), the clock of Moment.Time

	Node       NodeView         `json:"node"`
	Pods       []Pod            `json:"pods"`       // in the order they were applied
	Containers []Container      `json:"containers"` // infra, pod and plain containers, in the order they were made
	Processes  []Process        `json:"processes"`  // by PID
	Networks   []Network        `json:"networks"`   // one for each network namespace; the node's own first
	Volumes    []Volume         `json:"volumes"`
	IPC        []IPCObject      `json:"ipc"`
	Terminals  []TerminalStatus `json:"terminals"`
	Truncated  []string         `json:"truncated,omitempty"` // names of the lists above that were cut at their limit
}

// NodeView is the node itself: the learner's host.
type NodeView struct {
	Hostname string     `json:"hostname"`
	Kernel   string     `json:"kernel"` // uname -r
	NS       Namespaces `json:"ns"`     // of node init
	InitPID  int        `json:"initPid"`
	AgentPID int        `json:"agentPid"`
	Usage    Cgroup     `json:"usage"` // of the whole node
	Disk     Disk       `json:"disk"`  // of the node's own disk
}

// Disk is the size of a file system, in bytes and inodes (statfs(2)).
type Disk struct {
	Total      int64 `json:"total"`
	Used       int64 `json:"used"`
	Inodes     int64 `json:"inodes"`
	InodesUsed int64 `json:"inodesUsed"`
}

// Kinds of Container.
const (
	KindInfra = "infra" // a pod's pause container
	KindApp   = "app"   // a container of a pod
	KindPlain = "plain" // a container on its own, outside any pod
)

// Roles of a pod's containers that are not listed in its spec.containers.
const (
	RoleInit      = "init"      // runs to its end before the others start
	RoleSidecar   = "sidecar"   // an init container with restartPolicy Always (KEP-753)
	RoleEphemeral = "ephemeral" // added to look into the pod (KEP-277)
)

// States of Container.
const (
	StateWaiting = "waiting"
	StateRunning = "running"
	StateExited  = "exited"
)

// Container is one container as it stands on the node. A restart keeps ID and counts in Restarts.
type Container struct {
	ID       string     `json:"id"`             // "POD/NAME", infra "POD/_infra", plain "NAME": unique on the node
	Name     string     `json:"name"`           // as in the manifest; "pause" for infra
	Pod      string     `json:"pod"`            // empty for plain containers
	Kind     string     `json:"kind"`           // infra, app, plain
	Role     string     `json:"role,omitempty"` // of an app container: init, sidecar, ephemeral; empty for the pod's own containers
	Image    string     `json:"image"`
	State    string     `json:"state"`    // waiting, running, exited
	Reason   string     `json:"reason"`   // Kubernetes' reason word: CrashLoopBackOff, Error, Completed, OOMKilled …
	ExitCode int        `json:"exitCode"` // of the last exit; 128+n when killed by signal n
	Signal   int        `json:"signal"`   // of the last exit; 0 when it exited by itself
	Restarts int        `json:"restarts"`
	PID      int        `json:"pid"`     // of its first process; 0 when not running
	Started  int64      `json:"started"` // microseconds since boot; 0 when never
	NS       Namespaces `json:"ns"`      // of its first process; zero when not running
	Usage    Cgroup     `json:"usage"`
	Layers   []Layer    `json:"layers"`          // lowest first; the last is the container's own writable layer
	Mounts   []Mount    `json:"mounts"`          // volumes and host paths mounted into it, not the engine's own mounts
	Stdin    bool       `json:"stdin,omitempty"` // as in the manifest: what attaching to it gives
	TTY      bool       `json:"tty,omitempty"`
}

// Layer is one directory of a container's overlay root.
type Layer struct {
	Digest   string `json:"digest"` // of the image layer; empty for the writable one
	Path     string `json:"path"`   // on the node
	Bytes    int64  `json:"bytes"`
	Writable bool   `json:"writable"`

	CreatedBy string   `json:"createdBy,omitempty"` // the command that made it, as the image's history says
	Images    []string `json:"images,omitempty"`    // the node's images that stand on it: with more than one, its bytes are shared
	Changes   []Change `json:"changes,omitempty"`   // of the writable one: what it lays over the image; the first ones, breadth first
}

// Kinds of Change.
const (
	ChangeAdded   = "added"   // no layer below has this path
	ChangeCopied  = "copied"  // copy-up: a lower layer has it, and it was written to here
	ChangeDeleted = "deleted" // a whiteout hides what a lower layer has
	ChangeOpaque  = "opaque"  // a directory made anew: it hides all that lower layers have in it
)

// Change is one path of a container's writable layer. A directory that is only on the way to one is none.
type Change struct {
	Path  string `json:"path"` // in the container
	Kind  string `json:"kind"`
	Dir   bool   `json:"dir"`
	Bytes int64  `json:"bytes"` // of a regular file
}

// Mount is a directory or file of the node that a container sees at Path.
type Mount struct {
	Volume   string `json:"volume"` // the volume's name in the manifest
	Source   string `json:"source"` // path on the node
	Path     string `json:"path"`   // path in the container
	ReadOnly bool   `json:"readOnly"`
	Dev      uint64 `json:"dev"`   // device and inode as seen through this mount point:
	Inode    uint64 `json:"inode"` // the same pair means the same directory
}

// Process is one thread group (what ps calls a process).
type Process struct {
	PID       int        `json:"pid"`
	PPID      int        `json:"ppid"`
	Inside    int        `json:"inside"`    // its pid in its own, innermost pid namespace (NSpid of /proc/PID/status)
	Start     int64      `json:"start"`     // microseconds since boot; PID and Start together name a process for ever
	Name      string     `json:"name"`      // /proc/PID/comm
	Args      []string   `json:"args"`      // /proc/PID/cmdline, cut at 1 KiB; empty for zombies
	State     string     `json:"state"`     // one letter of proc_pid_stat(5): R S D Z T t I
	UID       int        `json:"uid"`       // in the node's user namespace
	Container string     `json:"container"` // Container.ID; empty for the node's own processes
	Role      string     `json:"role"`      // for the node's own processes: init, agent, shell, exec; else empty
	NS        Namespaces `json:"ns"`
	RSS       int64      `json:"rss"`     // bytes
	Threads   []Thread   `json:"threads"` // all tasks but the leader
}

// Thread is one task of a process.
type Thread struct {
	TID    int    `json:"tid"`
	Inside int    `json:"inside"` // in its innermost pid namespace
	Name   string `json:"name"`
	State  string `json:"state"`
}

// Network is what one network namespace holds.
type Network struct {
	Inode      uint64      `json:"inode"`
	Owner      string      `json:"owner"` // pod name, plain container's ID, or empty for the node
	Interfaces []Interface `json:"interfaces"`
	Routes     []Route     `json:"routes"`
	Sockets    []Socket    `json:"sockets"`
}

// Interface is a network card, real or virtual.
type Interface struct {
	Name    string   `json:"name"`
	Kind    string   `json:"kind"` // loopback, veth, bridge, other
	Index   int      `json:"index"`
	Peer    int      `json:"peer"`   // a veth's other end: its index in the other namespace
	Master  string   `json:"master"` // the bridge it is a port of
	MAC     string   `json:"mac"`
	Addrs   []string `json:"addrs"` // CIDR
	Up      bool     `json:"up"`
	MTU     int      `json:"mtu"`
	RXBytes int64    `json:"rxBytes"`
	TXBytes int64    `json:"txBytes"`

	RXPackets int64 `json:"rxPackets"`
	TXPackets int64 `json:"txPackets"`
}

// Route is one entry of a routing table.
type Route struct {
	Dst     string `json:"dst"` // CIDR or "default"
	Gateway string `json:"gateway"`
	Dev     string `json:"dev"`
}

// Socket is one TCP, UDP or Unix socket with whoever holds it open.
type Socket struct {
	Proto     string `json:"proto"`          // tcp tcp6 udp udp6 unix
	Type      string `json:"type,omitempty"` // of unix: stream, dgram, seqpacket
	Local     string `json:"local"`          // ADDR:PORT, or a path, or @name
	Remote    string `json:"remote"`
	State     string `json:"state"` // LISTEN ESTABLISHED …
	Inode     uint64 `json:"inode"`
	PIDs      []int  `json:"pids"`
	Container string `json:"container"` // Container.ID of the holder

	Peer uint64 `json:"peer,omitempty"` // unix: inode of the other end

	// Of a TCP connection (tcp(7), TCP_INFO): bytes that came, bytes that were sent, each once; segments, with the empty ones.
	RXBytes   int64 `json:"rxBytes,omitempty"`
	TXBytes   int64 `json:"txBytes,omitempty"`
	RXPackets int64 `json:"rxPackets,omitempty"`
	TXPackets int64 `json:"txPackets,omitempty"`
}

// Volume is a pod's volume: one directory, however many places it is mounted at.
type Volume struct {
	Pod   string `json:"pod"`
	Name  string `json:"name"`
	Kind  string `json:"kind"` // emptyDir, emptyDir/Memory, hostPath, configMap, secret, downwardAPI, projected
	Path  string `json:"path"` // on the node
	Dev   uint64 `json:"dev"`
	Inode uint64 `json:"inode"`
	Bytes int64  `json:"bytes"`
	Files []File `json:"files"` // the first ones, breadth first; see limits in sandbox/internal/observe
}

// File is one entry below a volume.
type File struct {
	Path  string `json:"path"` // relative to the volume
	Dir   bool   `json:"dir"`
	Size  int64  `json:"size"`
	Inode uint64 `json:"inode"`
	MTime int64  `json:"mtime"` // Unix milliseconds
}

// Cgroup is limit and use of one control group, the same on cgroup v1 and v2. A limit of 0 means none.
type Cgroup struct {
	Memory      int64 `json:"memory"` // bytes
	MemoryLimit int64 `json:"memoryLimit"`
	PIDs        int64 `json:"pids"`
	PIDsLimit   int64 `json:"pidsLimit"`
	CPU         int64 `json:"cpu"`       // microseconds used since it was made
	CPULimit    int64 `json:"cpuLimit"`  // thousandths of a core
	Throttled   int64 `json:"throttled"` // periods in which it was throttled, since it was made
	OOMKills    int64 `json:"oomKills"`

	ThrottledTime int64 `json:"throttledTime,omitempty"` // microseconds that it waited in them, on all processors together
}

// IPCObject is a System V shared memory segment, message queue or semaphore set (sysvipc(7)).
type IPCObject struct {
	NS    uint64 `json:"ns"`   // inode of the IPC namespace it lives in
	Kind  string `json:"kind"` // shm, msg, sem
	ID    int    `json:"id"`
	Key   int64  `json:"key"`
	Bytes int64  `json:"bytes"`
}

// TerminalStatus is a terminal that the node keeps, whether or not anyone is attached.
type TerminalStatus struct {
	ID       string `json:"id"`
	Target   string `json:"target"` // "node", or a Container.ID
	PID      int    `json:"pid"`
	Attached int    `json:"attached"` // how many are looking
	Size     Size   `json:"size"`
}
