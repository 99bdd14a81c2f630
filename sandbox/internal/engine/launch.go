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
	"golang.org/x/sync/errgroup"
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

// launch makes and starts the container's next run. It only reads the unit, so that containers of one pod can start side by side.
func (c *container) launch() (*launched, error) {
	var steps undo.Steps
	defer steps.Undo()
	img, err := c.unit.engine.cfg.Images.Lookup(c.imageName())
	if err != nil {
		return nil, err
	}
	c.unit.emit(sandbox.MomentContainer, "Pulled", c, "image", c.imageName()) // it is on the node already
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
	config, mounts, err := c.config(root.merged(), vars)
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
	if err := c.begin(made, config, streams, &steps); err != nil {
		return nil, err
	}
	steps.Keep()
	return made, nil
}

func (c *container) imageName() string {
	if c.spec == nil {
		return pauseImage
	}
	return c.spec.Image
}

// config is the container's configuration, and its volumes' mounts as observers see them. vars are its variables.
func (c *container) config(root string, vars map[string]string) (*configs.Config, []sandbox.Mount, error) {
	if c.spec == nil {
		return c.unit.infraConfig(root), nil, nil
	}
	namespaces, err := c.namespaces()
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
func (c *container) namespaces() (configs.Namespaces, error) {
	if c.kind == sandbox.KindPlain {
		return c.unit.plainNamespaces()
	}
	spec, infra := &c.unit.object.Spec, c.unit.record.Infra.PID
	list := configs.Namespaces{{Type: configs.NEWNS}}
	join := func(kind configs.NamespaceType) {
		list = append(list, configs.Namespace{Type: kind, Path: fmt.Sprintf("/proc/%d/ns/%s", infra, configs.NsName(kind))})
	}
	if !spec.HostNetwork {
		join(configs.NEWNET)
		join(configs.NEWUTS)
	}
	if !spec.HostIPC {
		join(configs.NEWIPC)
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

// begin starts the process: first up to the point where its namespaces are there, then, with its network, for good.
func (c *container) begin(made *launched, config *configs.Config, streams *stdio, steps *undo.Steps) error {
	lc, err := libcontainer.Create(c.unit.engine.runtimeDir(), c.lcID(), config)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	made.lc = lc
	c.unit.emit(sandbox.MomentContainer, "Created", c)
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
	if err := c.letGo(made); err != nil {
		return err
	}
	made.at, made.boot = time.Now(), bootTime()
	return nil
}

// letGo gives the container its network and has its program run. Pause needs no network, which mostly waits for the kernel: it runs meanwhile.
func (c *container) letGo(made *launched) error {
	var connecting errgroup.Group
	connecting.Go(func() (err error) {
		made.mac, err = c.network(made.pid)
		return err
	})
	if c.kind != sandbox.KindInfra {
		if err := connecting.Wait(); err != nil {
			return err
		}
	}
	if err := made.lc.Exec(); err != nil {
		return errors.Join(err, connecting.Wait())
	}
	awaitProgram(made.pid)
	return connecting.Wait()
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

// network connects a container that has a network namespace of its own: infra, or a plain one that joins none.
func (c *container) network(pid int) (mac string, err error) {
	u := c.unit
	if c.kind == sandbox.KindApp || u.record.Cable == "" {
		return "", nil
	}
	addr, err := netip.ParseAddr(u.record.Address)
	if err != nil {
		return "", err
	}
	cable, err := u.engine.bridge.Attach(pid, u.record.Cable, addr)
	return cable.MAC, err
}

// bootTime is now on CLOCK_BOOTTIME, in µs.
func bootTime() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // cannot fail: the clock exists since Linux 2.6.39
	return t.Nano() / 1000
}
