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
	MomentOOM      = "oom"      // PID is the kernel's victim; from the agent: Container is the one whose limit it was
	MomentReparent = "reparent" // PID has lost its parent; PPID is its new one

	// Of sockets: Params "proto" tcp, udp or unix, "net" inode of the network, "local" and "remote" 0.0.0.0:80, a path or @name; a Unix
	// socket may have neither. Of UDP and Unix, PID is the process that did it; of TCP the one that listened or connected. Of Unix,
	// "net" of both ends is who connected's. "error" is the name of the kernel's error where a connect failed: ECONNREFUSED.
	MomentBind    = "bind"    // a socket for datagrams has an address: UDP and Unix
	MomentListen  = "listen"  // TCP and Unix
	MomentConnect = "connect" // Reason Failed: refused, no answer, or no way there; Params "error", unless a TCP socket was closed before that
	MomentAccept  = "accept"  // the other end of a connection, of the process that listens: TCP and Unix
	MomentClose   = "close"   // what was told of is gone: nobody has it open any more. Of UDP and Unix, PID had it last; Reason Accepted: Unix's accept gave it
)

// What a tracer may be unable to tell of (HostInfo.Untold).
const (
	UntoldShort      = "short"      // processes that are gone before anybody looks
	UntoldNamespaces = "namespaces" // setns, unshare
	UntoldMounts     = "mounts"     // mount, unmount
	UntoldTCP        = "tcp"        // listen, connect, accept, close of TCP
	UntoldSockets    = "sockets"    // bind, listen, connect, accept, close of UDP and Unix sockets
	UntoldReparent   = "reparent"
	UntoldOOM        = "oom" // whom the kernel chose; the agent's word of a container's limit is always told
)

// Kinds of Moment from the agent, besides MomentOOM and MomentMount (a volume's). The finer word is in Reason: Kubernetes' event
// reasons (Scheduled, Pulled, Created, Started, Killing, BackOff, SandboxChanged …).
const (
	MomentPod       = "pod"
	MomentContainer = "container"
	MomentNetwork   = "network"
	// MomentThrottle: Container, or the node where that is empty, has used its share of CPU and is made to wait (Reason Began; Params
	// "periods" so far), or has not been for two seconds (Ended; "periods" and "ms" since it began). While somebody watches.
	MomentThrottle = "throttle"
	MomentAgent    = "agent" // the agent started, or found again what it had made in an earlier life
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
