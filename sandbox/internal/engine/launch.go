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
	config, err := c.config(root.merged())
	if err != nil {
		return nil, err
	}
	process, err := c.process(img.Config)
	if err != nil {
		return nil, err
	}
	made.process = process
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

func (c *container) config(root string) (*configs.Config, error) {
	if c.spec == nil {
		return c.unit.infraConfig(root), nil
	}
	namespaces, err := c.namespaces()
	if err != nil {
		return nil, err
	}
	return c.unit.appConfig(c.spec, root, namespaces)
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
	case !spec.HostPID:
		list = append(list, configs.Namespace{Type: configs.NEWPID})
	}
	return list, nil
}

// process says what runs in the container, as whom and with which environment.
func (c *container) process(img image.Config) (*libcontainer.Process, error) {
	p := &libcontainer.Process{Init: true, Cwd: "/"}
	if c.spec == nil {
		p.Args = append(append([]string(nil), img.Entrypoint...), img.Cmd...)
		p.Env = []string{defaultPath}
		return p, requireArgs(p.Args)
	}
	env, vars := environment(img, c.spec.Env, c.unit.hostname())
	p.Env, p.Args = env, argv(img, c.spec, vars)
	if img.WorkingDir != "" {
		p.Cwd = img.WorkingDir
	}
	if c.spec.WorkingDir != "" {
		p.Cwd = c.spec.WorkingDir
	}
	uid, gid, err := c.unit.user(img.User, c.spec.SecurityContext)
	p.UID, p.GID = uid, gid
	if c.spec.TTY {
		p.Env = set(p.Env, "TERM", "xterm")
	}
	return p, errors.Join(err, requireArgs(p.Args))
}

func requireArgs(args []string) error {
	if len(args) == 0 || args[0] == "" {
		return errors.New("no command specified")
	}
	return nil
}

// user is whom a container runs as: the container's securityContext, then the pod's, then the image's.
func (u *unit) user(fromImage string, sc *sandbox.SecurityContext) (uid, gid int, err error) {
	if fromImage != "" {
		user, group, _ := strings.Cut(fromImage, ":")
		if uid, err = strconv.Atoi(user); err != nil {
			return 0, 0, fmt.Errorf("image's user %q is no number", fromImage)
		}
		if group != "" {
			if gid, err = strconv.Atoi(group); err != nil {
				return 0, 0, fmt.Errorf("image's group %q is no number", fromImage)
			}
		}
	}
	if pod := u.object.Spec.SecurityContext; pod != nil {
		uid, gid = override(uid, gid, pod.RunAsUser, pod.RunAsGroup)
	}
	if sc != nil {
		uid, gid = override(uid, gid, sc.RunAsUser, sc.RunAsGroup)
	}
	return uid, gid, nil
}

func override(uid, gid int, user, group *int64) (int, int) {
	if user != nil {
		uid = int(*user)
	}
	if group != nil {
		gid = int(*group)
	}
	return uid, gid
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
	if made.mac, err = c.network(made.pid); err != nil {
		return err
	}
	if err := lc.Exec(); err != nil {
		return err
	}
	awaitProgram(made.pid)
	made.at, made.boot = time.Now(), bootTime()
	return nil
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
