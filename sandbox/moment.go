package sandbox

// Sources of Moment: each numbers its own.
const (
	SourceKernel = "kernel" // from the root daemon's tracer
	SourceAgent  = "agent"  // from the node's agent
)

// Kinds of Moment from the kernel.
const (
	MomentFork = "fork"
	MomentExec = "exec"
	MomentExit = "exit"

	// By eBPF only. PID is the process, whichever of its threads did it.
	MomentSetns    = "setns"    // it joined namespaces: Params "kinds" ("ipc net", empty: the descriptor's), and the inode of each by its kind
	MomentUnshare  = "unshare"  // it made namespaces of its own: the same Params
	MomentMount    = "mount"    // Path as the process named it; Params "type" of a file system, or Reason Bind, Move, Remount, Propagation, PivotRoot
	MomentUnmount  = "unmount"  // Path
	MomentListen   = "listen"   // TCP: Params "net" inode of the network, "local" 0.0.0.0:80
	MomentConnect  = "connect"  // also "remote"; Reason Failed: refused, or nobody answered
	MomentAccept   = "accept"   // the other end of a connection, of the process that listens
	MomentClose    = "close"    // a connection, or who listened, is gone
	MomentOOM      = "oom"      // PID is the kernel's victim; from the agent: Container is the one whose limit it was
	MomentReparent = "reparent" // PID has lost its parent; PPID is its new one
)

// Kinds of Moment from the agent, besides MomentOOM and MomentMount (a volume's). The finer word is in Reason: Kubernetes' event
// reasons (Scheduled, Pulled, Created, Started, Killing, BackOff, SandboxChanged …).
const (
	MomentPod       = "pod"
	MomentContainer = "container"
	MomentNetwork   = "network"
	MomentAgent     = "agent" // the agent started, or found again what it had made in an earlier life
	// MomentHidden says that PID is a check's probe (ExecSpec.Hidden): readers leave out what the kernel tells of it and of what it
	// forks. It is sent before the probe's program starts, or as soon as its pid is known.
	MomentHidden = "hidden"
)

// Moment is one thing that happened on a node. Seq rises by one for each source of one node; a gap means lost moments.
type Moment struct {
	Source string `json:"source"`
	Seq    uint64 `json:"seq"`
	Time   int64  `json:"time"` // microseconds since boot (CLOCK_BOOTTIME)
	Kind   string `json:"kind"`

	PID       int    `json:"pid,omitempty"`       // the node's pid of the process it is about
	PPID      int    `json:"ppid,omitempty"`      // its parent (fork: the one that forked); of a thread: the process it belongs to
	PIDInside int    `json:"pidInside,omitempty"` // in its innermost pid namespace
	PIDNS     uint64 `json:"pidns,omitempty"`     // inode of that namespace
	Thread    bool   `json:"thread,omitempty"`    // the task is a thread, not a new process
	Name      string `json:"name,omitempty"`      // comm
	Path      string `json:"path,omitempty"`      // exec: the file, cut at 255 bytes
	Code      int    `json:"code,omitempty"`      // exit: exit status; 128+Signal when a signal ended it
	Signal    int    `json:"signal,omitempty"`    // exit: the signal that ended it

	Pod       string            `json:"pod,omitempty"`
	Container string            `json:"container,omitempty"` // Container.ID
	Reason    string            `json:"reason,omitempty"`
	Params    map[string]string `json:"params,omitempty"` // what the words in the page need
}

// Moments is a run of moments of one source, oldest first, with how many before them were lost to this reader.
type Moments struct {
	Lost  uint64   `json:"lost,omitempty"`
	Items []Moment `json:"items"`
}
