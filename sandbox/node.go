package sandbox

import (
	"context"
	"io"
	"time"
)

// NodeSpec is what a node is made from. ID is 1–40 of [a-z0-9-] and begins with a letter or digit.
// A zero size means the daemon's default; a size above the daemon's maximum is refused.
type NodeSpec struct {
	ID       string `json:"id"`
	Hostname string `json:"hostname,omitempty"` // default "node"
	Memory   int64  `json:"memory,omitempty"`   // bytes, swap excluded
	CPU      int64  `json:"cpu,omitempty"`      // thousandths of a core
	PIDs     int64  `json:"pids,omitempty"`     // processes and threads
	Disk     int64  `json:"disk,omitempty"`     // bytes
	// Owner says whose the node is: 1–40 of [a-z0-9-]. Only nodes with the same, and with one at all, can be linked.
	Owner string `json:"owner,omitempty"`
	// Subnet of its pods, a /24 below 10.88.0.0/16; default 10.88.0.0/24. Linked nodes have different ones.
	Subnet string `json:"subnet,omitempty"`
}

// Link is a cable from a node to another of the same owner.
type Link struct {
	Node string `json:"node"` // the other's id
	Cut  bool   `json:"cut,omitempty"`
}

// Node is a node that the daemon knows.
type Node struct {
	Spec    NodeSpec `json:"spec"`
	PID     int      `json:"pid"`     // of node init, on the host; for operators, never shown to learners
	Started int64    `json:"started"` // Unix milliseconds
	Frozen  bool     `json:"frozen"`
	Socket  string   `json:"socket"` // path of the agent's socket on the host
	PIDNS   uint64   `json:"pidns"`  // inode of its pid namespace
	Links   []Link   `json:"links,omitempty"`
	Stopped bool     `json:"stopped,omitempty"` // nothing runs on it; PID and PIDNS are 0
}

// HostInfo is what the daemon says of its host.
type HostInfo struct {
	Tracer   string   `json:"tracer"`           // ebpf, proc, poll: where kernel moments come from
	Untold   []string `json:"untold,omitempty"` // kinds of moments that it cannot tell of here: UntoldTCP …
	Cgroup   int      `json:"cgroup"`           // 1 or 2
	Kernel   string   `json:"kernel"`
	MaxNodes int      `json:"maxNodes"`
	Nodes    int      `json:"nodes"`
	Absent   []string `json:"absent,omitempty"`  // names of images that scripts/images could make here, and has not
	Missing  []*Error `json:"missing,omitempty"` // missing_feature: what this host lacks, and how to get it
}

// Nodes is what the root daemon can be asked. *Daemon implements it over the daemon's socket.
type Nodes interface {
	Info(ctx context.Context) (HostInfo, error)
	// Create makes a node and returns when its agent can be reached. Errors: name_taken, machine_full, bad_request, missing_feature.
	Create(ctx context.Context, spec NodeSpec) (Node, error)
	List(ctx context.Context) ([]Node, error)
	// Destroy removes a node and all that is on it. Destroying a node that is not there is no error.
	Destroy(ctx context.Context, id string) error
	// Freeze stops every process of a node where it stands; Thaw lets them go on.
	Freeze(ctx context.Context, id string) error
	Thaw(ctx context.Context, id string) error
	// PowerOff ends everything on a node at once, as the loss of its power does: its pods are gone, its files stay, and whoever asks its agent
	// is told unavailable or that the socket is not there. A stopped node keeps its name, its room and its cables, as long as the daemon
	// lives. PowerOn boots it again, with the same files, moments numbered on, and no pods. Either is no error when it is so already.
	PowerOff(ctx context.Context, id string) error
	PowerOn(ctx context.Context, id string) (Node, error)
	// Link joins two nodes of one owner by a cable, so that their pods reach each other by address; two that are joined stay so. Errors:
	// not_found, denied (of different owners, or of none), bad_request (the same node, or pods' subnets that overlap).
	Link(ctx context.Context, a, b string) error
	// Cut cuts the cable between two nodes: nothing passes until Restore. Errors: not_found (a node, or the cable).
	Cut(ctx context.Context, a, b string) error
	Restore(ctx context.Context, a, b string) error
	// Moments calls fn with the kernel moments of a node with Seq > after, then with new ones as they come, until ctx ends, fn
	// fails, or the node is gone (node_gone).
	Moments(ctx context.Context, id string, after uint64, fn func(Moments) error) error
	// Agent returns the way to a node's agent.
	Agent(node Node) Agent
}

// Update is one message of Agent.Watch: a snapshot, moments, or both.
type Update struct {
	Snapshot *Snapshot `json:"snapshot,omitempty"`
	Moments  *Moments  `json:"moments,omitempty"` // the agent's own
}

// Ref names an object on a node. Kind is Pod, Container, ConfigMap or Secret.
type Ref struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// Applied says what became of one manifest: Action is created, configured or unchanged.
type Applied struct {
	Ref
	Action string `json:"action"`
}

// Size of a terminal in character cells.
type Size struct {
	Cols uint16 `json:"cols"`
	Rows uint16 `json:"rows"`
}

// ExecSpec says what to run where. Container is a Container.ID or empty for the node's shell environment.
type ExecSpec struct {
	Container string   `json:"container"`
	Argv      []string `json:"argv"`
	TTY       bool     `json:"tty,omitempty"`
	Size      Size     `json:"size,omitzero"`
	Stdin     bool     `json:"stdin,omitempty"`
	Hidden    bool     `json:"hidden,omitempty"` // a check's probe: left out of snapshots and moments
}

// AttachSpec says whose standard streams are wanted: those of a container's own first process, which runs already.
type AttachSpec struct {
	Container string `json:"container"`           // Container.ID
	Stdin     bool   `json:"stdin,omitempty"`     // Streams.In goes to it, if its manifest has stdin; the input's end is passed on with stdinOnce only
	Size      Size   `json:"size,omitzero"`       // of the caller's window, for a container with tty
	FromStart bool   `json:"fromStart,omitempty"` // what it printed before comes first, as far as its log has it
}

// Streams are the three standard streams of a command; nil ones are empty or dropped. Resize may be nil.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	Resize   <-chan Size
}

// Exit says how a command ended: Code is 128+Signal when a signal ended it.
type Exit struct {
	Code   int `json:"code"`
	Signal int `json:"signal,omitempty"`
}

// LogOptions selects what of a container's log is sent.
type LogOptions struct {
	Container string `json:"container"` // Container.ID
	Previous  bool   `json:"previous,omitempty"`
	Tail      int    `json:"tail,omitempty"`   // last lines; 0 all, below 0 none
	Follow    bool   `json:"follow,omitempty"` // until this run of the container ends
	// Since leaves out what was logged before: Unix nanoseconds; 0 nothing.
	Since      int64 `json:"since,omitempty"`
	Timestamps bool  `json:"timestamps,omitempty"` // RFC 3339 with nanoseconds, before each line
	Limit      int64 `json:"limit,omitempty"`      // bytes that are sent at most; 0 all
}

// TerminalSpec names a terminal and, if it is not there yet, what it shall run. Argv empty means a login shell.
type TerminalSpec struct {
	ID     string   `json:"id"`     // 1–80 of [a-z0-9._/#-]
	Target string   `json:"target"` // "node" or a Container.ID
	Argv   []string `json:"argv,omitempty"`
	Size   Size     `json:"size"`
	Lang   string   `json:"lang,omitempty"` // the learner's language, en or zh: what the node's own commands speak
	// Watch only looks at a terminal that is there, and leaves its size: not_found when it is not, or ended. What it types is denied.
	Watch bool `json:"watch,omitempty"`
}

// Terminal is one attachment to a terminal that the node keeps.
type Terminal interface {
	// Read gives output: first Replay() bytes that rebuild the screen as it was, then what is new. An unread terminal blocks its
	// program, it never costs more than a bounded buffer. io.EOF when the program ended: Exit then tells how.
	io.Reader
	io.Writer // what is typed
	// Answer types what a screen says by itself because its program asked it: where the cursor is, which terminal it is, its colours. Where
	// several are attached, each says so: the one that typed last is heard, or, when nobody did, the one that came first; the others are not,
	// nor who only watches.
	Answer(p []byte) error
	io.Closer // detaches; the program goes on
	Replay() int
	Resize(Size) error
	Exit() (Exit, bool)
}

// Agent is what a node's agent can be asked. *NodeClient implements it over the node's socket.
type Agent interface {
	// Apply makes or changes the objects: JSON of Pod, PlainContainer, ConfigMap or Secret, in order. It returns when each is recorded and its start
	// has begun; errors name the first that failed. A pod may name images that are not there: it waits for them (ErrImagePull). Errors:
	// unknown_image (of a plain or ephemeral container, or one that the machine's operator could make), name_taken, over_capacity,
	// immutable, bad_value …
	Apply(ctx context.Context, objects [][]byte) ([]Applied, error)
	// Get returns the JSON of an object, or, by name, of every one of its kind if ref names none. Kinds: Pod, ConfigMap, Secret.
	// Errors: not_found, bad_request.
	Get(ctx context.Context, ref Ref) ([][]byte, error)
	// Delete stops an object and returns when it is gone. grace < 0 means the object's own termination grace period (seconds).
	Delete(ctx context.Context, ref Ref, grace int64) error
	Snapshot(ctx context.Context) (Snapshot, error)
	// Watch calls fn with a whole snapshot at once and after each change (two at once, then at most ten a second), and with every moment of the
	// agent. A value on poke says that something happened that the agent may not have seen: it looks again.
	Watch(ctx context.Context, poke <-chan struct{}, fn func(Update) error) error
	Exec(ctx context.Context, spec ExecSpec, streams Streams) (Exit, error)
	// Attach joins a running container's own standard streams until its run ends, and says how it ended. The end of ctx detaches; the
	// container goes on. Errors: not_found, not_running; unavailable when the agent starts again, after which one can attach anew.
	Attach(ctx context.Context, spec AttachSpec, streams Streams) (Exit, error)
	Logs(ctx context.Context, opt LogOptions, out io.Writer) error
	Terminal(ctx context.Context, spec TerminalSpec) (Terminal, error)
	// CloseTerminal hangs up a terminal's program.
	CloseTerminal(ctx context.Context, id string) error
	// Dial opens a TCP connection to a port of a pod (or, with an empty pod, of the node), from inside.
	Dial(ctx context.Context, pod string, port int) (io.ReadWriteCloser, error)
	// Rest ends the agent, which gives its memory back, and reports whether it did: not while another call runs or something on the node is
	// being made or removed. Whoever calls next starts it again; so does RestTime of the node's time, which a frozen node has not.
	Rest(ctx context.Context) (bool, error)
	// ReadFile and WriteFile reach the files below the node's /root; at most MaxFile bytes.
	ReadFile(ctx context.Context, path string) ([]byte, error)
	WriteFile(ctx context.Context, path string, data []byte) error
}

// RestTime is how long an agent rests at most on a node that is not frozen.
const RestTime = 5 * time.Second

// Limits that both sides of a socket hold to.
const (
	MaxFile     = 256 << 10
	MaxManifest = 256 << 10
)
