// Package agent is a node's agent: it makes pods, keeps terminals, runs commands, and tells what is on the node, over the node's
// socket and over one inside the node for the pod command.
//
// It may be killed at any moment. What must survive is in node init's store (package keep) or in StateDir, a tmpfs; the next life
// takes both over.
//
// Owners: Run owns everything; engine, terminals, watch and the two servers each end before Run returns. Commands that run
// when it ends live on under node init.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"podlab/sandbox"
	"podlab/sandbox/internal/engine"
	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/observe"
	"podlab/sandbox/internal/procstat"
	"podlab/sandbox/internal/serve"
	"podlab/sandbox/internal/terminal"
	"podlab/sandbox/node/keep"
	"podlab/sandbox/node/shell"
)

// Places in the node.
const (
	StateDir  = "/run/podlab/agent"
	Socket    = "/run/podlab/agent.sock"
	ImagesDir = "/var/lib/podlab/images"
	DiskDir   = "/var/lib/podlab/disk"

	LocalImagesDir = DiskDir + "/images" // what was built or pulled on this node (sandbox/node/image)
	Home           = "/root"
)

// processors is how many an agent uses at a time: a node's share (sandbox.NodeSpec, CPU) is seldom more.
const processors = 2

// Connections at a time.
const (
	maxOutside = 128 // by the node's socket
	maxInside  = 64  // by the pod command's
)

// reservedPIDs is how many of the node's processes and threads node shells cannot take, so that the agent can go on.
const reservedPIDs = 64

// Config is what Run needs from its starter.
type Config struct {
	Binary   string // of podlab-node
	Keep     *keep.Client
	Listener net.Listener // the node's socket; nil for none
	Life     int          // 1 for the node's first agent
	Ahead    bool         // nobody has asked for the node yet
	Log      *slog.Logger
}

// Agent implements sandbox.Agent.
type Agent struct {
	cfg       Config
	log       *slog.Logger
	engine    *engine.Engine
	terminals *terminal.Set
	moments   *moments
	watch     *watch
	home      *home
	trim      trim
	end       context.CancelCauseFunc // of this life

	mu    sync.Mutex
	execs map[int]bool // by pid: commands that run in the node, and whether they are checks'
}

var _ serve.Agent = (*Agent)(nil)

// Run is one life of the agent. It returns when ctx ends or something that it cannot do without fails.
func Run(ctx context.Context, cfg Config) error {
	debug.SetGCPercent(growthAtRest)
	runtime.GOMAXPROCS(min(processors, runtime.NumCPU()))
	_ = os.Setenv("GOMAXPROCS", "1") // of first stages, which do one thing after the other: libcontainer hands it on. It cannot fail
	handleSignals()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	a := &Agent{cfg: cfg, log: cfg.Log, end: end, execs: map[int]bool{}}
	endProbes()
	if err := prepareCgroups(); err != nil {
		cfg.Log.Warn("cgroups of node shells", "err", err)
	}
	var err error
	if a.moments, err = openMoments(filepath.Join(StateDir, "moments")); err != nil {
		return err
	}
	defer a.moments.close()
	if a.home, err = openHome(Home); err != nil {
		return err
	}
	defer a.home.close()
	images, err := image.Open(ImagesDir, LocalImagesDir)
	if err != nil {
		return err
	}
	if cfg.Ahead && cfg.Life == 1 {
		if err := rehearse(ctx, cfg.Keep, images); err != nil {
			cfg.Log.Warn("rehearsal", "err", err)
		}
	}
	a.engine, err = engine.Open(engine.Config{
		Images: images, State: filepath.Join(StateDir, "engine"), Disk: DiskDir, Subnet: os.Getenv("PODLAB_SUBNET"), Log: cfg.Log,
	}, cfg.Keep, a.moments.add)
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	defer func() { _ = a.engine.Close() }()
	a.watch = newWatch(a.look, a.engine.Changed(), a.moments)
	a.terminals, err = terminal.Open(ctx, terminal.Config{
		Keeper: cfg.Keep, Start: a.startTerminal, Adopt: a.adoptTerminal, Changed: a.watch.poke, Log: cfg.Log,
	})
	if err != nil {
		return err
	}
	defer a.terminals.Close()
	a.tellStart()
	a.trim.soon()
	return a.serve(ctx)
}

// handleSignals keeps a broken pipe or a lost terminal from ending the agent. Ignoring them would be inherited by commands.
func handleSignals() {
	nowhere := make(chan os.Signal, 1)
	signal.Notify(nowhere, syscall.SIGPIPE, syscall.SIGHUP)
}

func prepareCgroups() error {
	limit := nodePIDs()
	if limit > 2*reservedPIDs {
		limit -= reservedPIDs
	}
	return errors.Join(shell.MakeCgroup(shell.CgroupRoot, shell.Cgroup, limit), shell.MakeCgroup(shell.CgroupRoot, shell.ProbeCgroup, 0))
}

// endProbes ends what checks of an earlier life left running: nobody waits for their answer.
func endProbes() {
	for _, pid := range shell.Processes(shell.CgroupRoot, shell.ProbeCgroup) {
		_ = syscall.Kill(pid, syscall.SIGKILL) // gone meanwhile
	}
}

// nodePIDs reads the node's own limit of processes; 0 when there is none.
func nodePIDs() int64 {
	for _, file := range []string{"pids.max", "pids/pids.max"} {
		text, err := os.ReadFile(filepath.Join(shell.CgroupRoot, file))
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			return n
		}
	}
	return 0
}

// tellStart makes the moment of this life's beginning.
func (a *Agent) tellStart() {
	m := sandbox.Moment{Kind: sandbox.MomentAgent, Reason: "Started", PID: os.Getpid(), PPID: os.Getppid()}
	if a.cfg.Life > 1 {
		state := a.engine.State()
		running := 0
		for _, c := range state.Containers {
			if c.State == sandbox.StateRunning {
				running++
			}
		}
		m.Reason = "Restarted"
		m.Params = map[string]string{
			"life": strconv.Itoa(a.cfg.Life), "pods": strconv.Itoa(len(state.Pods)), "containers": strconv.Itoa(running),
			"terminals": strconv.Itoa(len(a.terminals.List())),
		}
	}
	a.moments.add(m)
}

// serve answers on both sockets until ctx ends or one of them fails.
func (a *Agent) serve(ctx context.Context) error {
	inside, err := listen(Socket)
	if err != nil {
		return err
	}
	server := &serve.Server{Agent: a, Log: a.log}
	var run sync.WaitGroup
	start := func(fn func() error) { run.Go(func() { a.end(fn()) }) }
	start(func() error { return a.watch.run(ctx) })
	start(func() error { return server.Serve(ctx, inside, maxInside) })
	if a.cfg.Listener != nil {
		start(func() error { return server.Serve(ctx, a.cfg.Listener, maxOutside) })
	}
	a.log.Info("agent is up", "pid", os.Getpid(), "life", a.cfg.Life)
	run.Wait()
	return context.Cause(ctx)
}

// ErrRests ends a life that gives its memory back: node init starts the next with the first call.
var ErrRests = errors.New("at rest")

// BeginRest reports whether this life can end without anybody's noticing; end ends it.
func (a *Agent) BeginRest() (end func(), ok bool) {
	return func() { a.end(ErrRests) }, a.engine.Settled()
}

func (a *Agent) Rest(context.Context) (bool, error) {
	end, ok := a.BeginRest()
	if ok {
		end()
	}
	return ok, nil
}

func listen(socket string) (net.Listener, error) {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(socket, 0o600)
}

func (a *Agent) Apply(ctx context.Context, objects [][]byte) ([]sandbox.Applied, error) {
	defer a.trim.soon()
	applied := []sandbox.Applied{}
	for _, object := range objects {
		done, err := a.engine.Apply(ctx, object)
		if err != nil {
			return applied, err
		}
		applied = append(applied, done)
	}
	return applied, nil
}

func (a *Agent) Get(_ context.Context, ref sandbox.Ref) ([][]byte, error) { return a.engine.Get(ref) }

func (a *Agent) Delete(ctx context.Context, ref sandbox.Ref, grace int64) error {
	defer a.trim.soon()
	return a.engine.Delete(ctx, ref, grace)
}

func (a *Agent) Logs(ctx context.Context, opt sandbox.LogOptions, out io.Writer) error {
	return a.engine.Logs(ctx, opt, out)
}

func (a *Agent) CloseTerminal(_ context.Context, id string) error { return a.terminals.Hangup(id) }

func (a *Agent) Terminal(ctx context.Context, spec sandbox.TerminalSpec) (sandbox.Terminal, error) {
	defer a.trim.soon()
	return a.terminals.Attach(ctx, spec)
}

// look reads the whole node.
func (a *Agent) look(o *observe.Observer) sandbox.Snapshot {
	defer a.trim.soon()
	state := a.engine.State()
	in := input(state)
	in.Terminals = a.terminals.List()
	for _, t := range in.Terminals {
		if t.Target == targetNode {
			in.Roles[t.PID] = "shell"
		}
	}
	a.mu.Lock()
	probes := state.Hidden
	for pid, isProbe := range a.execs {
		if isProbe {
			probes = append(probes, pid)
		} else {
			in.Roles[pid] = "exec"
		}
	}
	a.mu.Unlock()
	in.Hidden = hidden(probes)
	return o.Snapshot(in)
}

// input is what an observer is to know of an engine's pods and containers.
func input(state engine.State) observe.Input {
	in := observe.Input{Pods: state.Pods, Volumes: state.Volumes, InitPID: 1, AgentPID: os.Getpid(), Roles: map[int]string{}}
	for _, c := range state.Containers {
		in.Containers = append(in.Containers, observe.Subject{Container: c.Container, Cgroup: c.Cgroup})
	}
	return in
}

// hidden tells the processes of checks by their cgroup, and by pid until they are in it.
func hidden(pids []int) func(int, string) bool {
	known := make(map[int]bool, len(pids))
	for _, pid := range pids {
		known[pid] = true
	}
	return func(pid int, cgroup string) bool {
		return known[pid] || path.Base(cgroup) == engine.HiddenCgroup || cgroup == "/"+shell.ProbeCgroup
	}
}

// life names this life: a pid and its start time are never the same twice.
func life() string {
	start, err := procstat.Start(os.Getpid())
	if err != nil {
		start = uint64(now())
	}
	return fmt.Sprintf("%d-%d", os.Getpid(), start)
}
