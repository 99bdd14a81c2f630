package engine

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/configs"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/pidfd"
	"podlab/sandbox/internal/undo"
)

// launched is a container that was just started.
type launched struct {
	alive
	process *libcontainer.Process
	attempt int
	pid     int
	start   uint64
	boot    int64
	at      time.Time
	imageID string
	mac     string // of the network it was given
	mounts  []sandbox.Mount
}

// launch makes and starts the container's next run. It only reads the unit, so that containers of one pod can start side by side, and
// beside infra: in is their sandbox while it is in the making, nil for one that is there.
func (c *container) launch(in *making) (*launched, error) {
	told := telling{c: c, making: in}
	if c.kind == sandbox.KindInfra {
		told.making = nil // it waits for nothing
	}
	var steps undo.Steps
	defer steps.Undo()
	made, err := c.assemble(in, &told, &steps)
	if err != nil {
		return nil, errors.Join(told.wait(), err)
	}
	steps.Keep()
	return made, nil
}

func (c *container) assemble(in *making, told *telling, steps *undo.Steps) (*launched, error) {
	img, err := c.lookup(told)
	if err != nil {
		return nil, err
	}
	root := newRootfs(c.overlayDir(c.run.Attempt), c.unit.engine.cfg.Images, img)
	steps.Add(func() { _ = root.remove() }) // its error would hide the first one's
	if err := root.mount(); err != nil {
		return nil, err
	}
	made := &launched{attempt: c.run.Attempt, imageID: img.Digest, alive: alive{rootfs: root}}
	process, vars, err := c.process(img.Config, root.merged())
	if err != nil {
		return nil, err
	}
	made.process = process
	config, mounts, err := c.config(root.merged(), vars, in)
	if err != nil {
		return nil, err
	}
	made.mounts = mounts
	streams, err := c.connect(process)
	if err != nil {
		return nil, err
	}
	steps.Add(streams.close)
	defer streams.closeTheirs()
	if err := c.begin(made, config, streams, told, steps); err != nil {
		return nil, err
	}
	if err := c.letGo(made, in); err != nil {
		return nil, err
	}
	made.at, made.boot = time.Now(), bootTime()
	return made, nil
}

func (c *container) imageName() string {
	if c.spec == nil {
		return pauseImage
	}
	return c.spec.Image
}

// config is the container's configuration, and its volumes' mounts as observers see them. vars are its variables.
func (c *container) config(root string, vars map[string]string, in *making) (*configs.Config, []sandbox.Mount, error) {
	if c.spec == nil {
		return c.unit.infraConfig(root, in.namespaces), nil, nil
	}
	namespaces, err := c.namespaces(in)
	if err != nil {
		return nil, nil, err
	}
	volumes, seen, err := c.volumeMounts(vars)
	if err != nil {
		return nil, nil, err
	}
	config, err := c.unit.appConfig(c.spec, root, namespaces, volumes)
	if err != nil || c.kind == sandbox.KindPlain {
		return config, seen, err
	}
	message, err := c.messageMount()
	if err != nil {
		return nil, nil, err
	}
	config.Mounts = append(config.Mounts, message)
	return config, seen, nil
}

// namespaces says what an app or plain container has of its own, and what it joins.
func (c *container) namespaces(in *making) (configs.Namespaces, error) {
	if c.kind == sandbox.KindPlain {
		return c.unit.plainNamespaces()
	}
	spec, infra := &c.unit.object.Spec, c.unit.record.Infra.PID
	list := configs.Namespaces{{Type: configs.NEWNS}}
	join := func(kind configs.NamespaceType) {
		path := fmt.Sprintf("/proc/%d/ns/%s", infra, configs.NsName(kind))
		if in != nil && in.namespaces[kind] != nil {
			path = in.namespaces.path(kind)
		}
		list = append(list, configs.Namespace{Type: kind, Path: path})
	}
	for _, kind := range c.unit.sharedTypes() {
		join(kind)
	}
	switch {
	case c.unit.object.sharesPID():
		join(configs.NEWPID)
	case !spec.HostPID && c.target != "":
		pid, err := c.unit.targetPID(c.target)
		if err != nil {
			return nil, err
		}
		list = append(list, configs.Namespace{Type: configs.NEWPID, Path: fmt.Sprintf("/proc/%d/ns/pid", pid)})
	case !spec.HostPID:
		list = append(list, configs.Namespace{Type: configs.NEWPID})
	}
	return list, nil
}

// process says what runs in the container, as whom and with which environment. vars are the manifest's variables. root is where
// the container's files are.
func (c *container) process(img image.Config, root string) (p *libcontainer.Process, vars map[string]string, err error) {
	p = &libcontainer.Process{Init: true, Cwd: "/"}
	if c.spec == nil {
		p.Args = append(append([]string(nil), img.Entrypoint...), img.Cmd...)
		p.Env = []string{defaultPath}
		return p, nil, requireArgs(p.Args)
	}
	if p.Env, vars, err = c.environment(img); err != nil {
		return nil, nil, err
	}
	id, err := c.identity(img.User, root)
	if err != nil {
		return nil, nil, err
	}
	p.UID, p.GID, p.AdditionalGroups = id.uid, id.gid, id.groups
	p.Args = argv(img, c.spec, vars)
	if img.WorkingDir != "" {
		p.Cwd = img.WorkingDir
	}
	if c.spec.WorkingDir != "" {
		p.Cwd = c.spec.WorkingDir
	}
	if c.spec.TTY {
		p.Env = set(p.Env, "TERM", "xterm")
	}
	return p, vars, requireArgs(p.Args)
}

func requireArgs(args []string) error {
	if len(args) == 0 || args[0] == "" {
		return errors.New("no command specified")
	}
	return nil
}

// stdio is what a container's standard streams are made of: our ends, theirs, or the socket that its pty comes by.
type stdio struct {
	ours    []*os.File
	theirs  []*os.File
	console *consoleSocket
}

func (s *stdio) close() {
	closeAll(s.ours)
	s.closeTheirs()
}

func (s *stdio) closeTheirs() {
	closeAll(s.theirs)
	if s.console != nil {
		s.console.close()
	}
}

// connect gives the process its standard streams.
func (c *container) connect(p *libcontainer.Process) (s *stdio, err error) {
	s = &stdio{}
	if c.spec == nil {
		return s, nil // pause says nothing
	}
	if c.spec.TTY {
		if s.console, err = newConsoleSocket(); err == nil {
			p.ConsoleSocket = s.console.theirs
		}
		return s, err
	}
	for _, to := range []*io.Writer{&p.Stdout, &p.Stderr} {
		read, write, err := newPipe()
		if err != nil {
			s.close()
			return nil, err
		}
		s.ours, s.theirs, *to = append(s.ours, read), append(s.theirs, write), write
	}
	if c.spec.Stdin {
		// Input that is open and silent lets a shell wait until somebody attaches.
		read, write, err := newInput()
		if err != nil {
			s.close()
			return nil, err
		}
		s.ours, s.theirs, p.Stdin = append(s.ours, write), append(s.theirs, read), read
	}
	return s, nil
}

// keep has node init hold our ends, and starts the log. It comes before the container's program runs.
func (c *container) keep(made *launched, s *stdio) error {
	if s.console != nil {
		master, err := s.console.receive()
		if err != nil {
			return err
		}
		s.ours = []*os.File{master}
	}
	if len(s.ours) == 0 {
		return nil
	}
	if err := c.unit.engine.keeper.Keep(c.keepKey(), s.ours...); err != nil {
		return fmt.Errorf("streams not kept: %w", err)
	}
	var err error
	made.recorder, err = newRecorder(c.unit.logPath(c.name(), made.attempt), s.ours, c.spec)
	return err
}

// begin starts the process, up to the point where only its program is missing, and waits for its sandbox.
func (c *container) begin(made *launched, config *configs.Config, streams *stdio, told *telling, steps *undo.Steps) error {
	lc, err := libcontainer.Create(c.unit.engine.runtimeDir(), c.lcID(), config)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	made.lc = lc
	told.say("Created")
	steps.Add(func() { _ = lc.Destroy() })
	if err := lc.Start(made.process); err != nil {
		return err
	}
	steps.Add(func() {
		_ = lc.Signal(unix.SIGKILL)
		_, _ = made.process.Wait() // it was killed: how it ended says nothing
	})
	state, err := lc.State()
	if err != nil {
		return err
	}
	made.pid, made.start = state.InitProcessPid, state.InitProcessStartTime
	if made.pidfd, err = pidfd.Open(made.pid); err != nil {
		return err
	}
	steps.Add(func() { made.pidfd.Close() })
	steps.Add(func() { _ = c.unit.engine.keeper.Drop(c.keepKey()) }) // node init is away: nothing is kept
	if err := c.keep(made, streams); err != nil {
		return err
	}
	return told.wait()
}

// letGo has the container's program run, a plain container's once it has its network. Pause needs none, and making one mostly is waiting
// for the kernel: it runs meanwhile.
func (c *container) letGo(made *launched, in *making) (err error) {
	if c.kind == sandbox.KindPlain {
		if made.mac, err = c.unit.connect(fmt.Sprintf("/proc/%d/ns/net", made.pid)); err != nil {
			return err
		}
	}
	if err := made.lc.Exec(); err != nil {
		return err
	}
	awaitProgram(made.pid)
	if c.kind == sandbox.KindInfra {
		made.mac, err = in.connected()
	}
	return err
}

// firstStage is the name of libcontainer's first stage, as nsexec.c sets it, until it executes the container's program.
const firstStage = "runc:[2:INIT]"

// awaitProgram returns when the container's own program runs: libcontainer lets go of its first stage some 2 ms before. Whoever is
// told that a container runs may at once signal it, or look for it by its name.
func awaitProgram(pid int) {
	for deadline := time.Now().Add(500 * time.Millisecond); time.Now().Before(deadline); time.Sleep(200 * time.Microsecond) {
		name, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
		if err != nil || strings.TrimSpace(string(name)) != firstStage {
			return
		}
	}
}

// connect gives the unit's network namespace, to which path leads, its address; a unit without one of its own needs none.
func (u *unit) connect(path string) (mac string, err error) {
	if u.record.Cable == "" {
		return "", nil
	}
	addr, err := netip.ParseAddr(u.record.Address)
	if err != nil {
		return "", err
	}
	cable, err := u.engine.bridge.Attach(path, u.record.Cable, addr)
	return cable.MAC, err
}

// bootTime is now on CLOCK_BOOTTIME, in µs.
func bootTime() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // cannot fail: the clock exists since Linux 2.6.39
	return t.Nano() / 1000
}
