package engine

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
	"unsafe"

	"github.com/opencontainers/runc/libcontainer/configs"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// errNoSandbox is why a container was not started that was prepared beside its infra.
var errNoSandbox = errors.New("the pod's infra cannot start")

// making is a sandbox in the making. Its namespaces are there before its infra, as a CRI's network namespace is, so that the pod's first
// containers are prepared beside infra. Their programs wait: until it runs, nothing is told of them either.
type making struct {
	namespaces fresh
	connecting errgroup.Group // of its network
	mac        string         // of the pod's card, once that is done
	over       chan struct{}  // closed when infra runs and is connected, or cannot
	err        error          // why it cannot; to be read once over is closed
}

// connected waits for the network.
func (m *making) connected() (mac string, err error) {
	err = m.connecting.Wait()
	return m.mac, err
}

// end lets go of what waits for the sandbox. Infra and what joined it hold the namespaces from now on.
func (m *making) end(err error) {
	m.err = err
	close(m.over)
}

// fresh are the namespaces of a sandbox; until something is started in them, nothing holds them but these files.
type fresh map[configs.NamespaceType]*os.File

// freshNamespaces makes namespaces of the given types.
func freshNamespaces(types ...configs.NamespaceType) (fresh, error) {
	if len(types) == 0 {
		return nil, nil
	}
	made := fresh{}
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread, which is in the new namespaces, ends with its goroutine
		result <- made.unshare(types)
	}()
	if err := <-result; err != nil {
		made.close()
		return nil, fmt.Errorf("namespaces: %w", err)
	}
	return made, nil
}

// unshare moves this thread into new namespaces and opens them.
func (f fresh) unshare(types []configs.NamespaceType) error {
	var list configs.Namespaces
	for _, t := range types {
		list.Add(t, "")
	}
	name := append([]byte(firstStage), 0)
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0) // only looks, and what the tracer leaves out
	if err := unix.Unshare(int(list.CloneFlags())); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	for _, t := range types {
		file, err := os.Open("/proc/thread-self/ns/" + configs.NsName(t))
		if err != nil {
			return err
		}
		f[t] = file
	}
	return nil
}

// path leads any process of the node to a namespace; empty for one that is not among them.
func (f fresh) path(t configs.NamespaceType) string {
	if f[t] == nil {
		return ""
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f[t].Fd())
}

func (f fresh) close() {
	for _, file := range f {
		file.Close()
	}
}

// holdSandbox opens what the sandbox of a living infra is made of.
func (u *unit) holdSandbox(pid int) {
	u.shared = fresh{}
	for _, t := range u.sharedTypes() {
		if file, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, configs.NsName(t))); err == nil { // else it has just ended
			u.shared[t] = file
		}
	}
}

// releaseSandbox lets the kernel remove what is left of the sandbox.
func (u *unit) releaseSandbox() {
	u.shared.close()
	u.shared = nil
}

// sharedTypes are the namespaces that the pod's containers share, apart from the node.
func (u *unit) sharedTypes() (types []configs.NamespaceType) {
	spec := &u.object.Spec
	if !spec.HostNetwork {
		types = append(types, configs.NEWNET, configs.NEWUTS) // hostNetwork takes the node's host name too, as in Kubernetes
	}
	if !spec.HostIPC {
		types = append(types, configs.NEWIPC)
	}
	return types
}

// telling holds back what there is to tell of a container until its sandbox is there. Without one in the making it holds back nothing.
type telling struct {
	c      *container
	making *making
	held   [][]string
}

func (t *telling) say(reason string, params ...string) {
	if t.making != nil {
		t.held = append(t.held, append([]string{reason}, params...))
		return
	}
	t.c.unit.emit(sandbox.MomentContainer, reason, t.c, params...)
}

// wait returns when the sandbox is there, and tells what was held back; an error if there will be none.
func (t *telling) wait() error {
	if t.making == nil {
		return nil
	}
	<-t.making.over
	if t.making.err != nil {
		return errNoSandbox
	}
	held := t.held
	t.making, t.held = nil, nil
	for _, h := range held {
		t.say(h[0], h[1:]...)
	}
	return nil
}

// makeSandbox makes the pod's network and infra, and beside it starts the containers whose turn comes with it.
func (u *unit) makeSandbox() error {
	shared, err := freshNamespaces(u.sharedTypes()...)
	if err != nil {
		return err
	}
	u.releaseSandbox()
	u.shared = shared
	in := &making{namespaces: shared, over: make(chan struct{})}
	u.infra.run.Name, u.infra.run.Image = infraName, pauseImage
	first := u.besideInfra()
	for _, c := range append([]*container{u.infra}, first...) {
		c.run.Attempt++
	}
	u.save() // an agent that finds this finds what was being made, too
	in.connecting.Go(func() (err error) {
		in.mac, err = u.connect(shared.path(configs.NEWNET))
		return err
	})
	beside := launchAll(first, in)
	made, err := u.infra.launch(in)
	_, _ = in.connected() // infra has its error, if it came so far
	if err == nil {
		u.infra.started(made)
		u.publish()
	}
	in.end(err)
	if err != nil {
		u.abandon(beside)
		u.tearDownSandbox()
		return err
	}
	u.take(beside)
	return nil
}

// besideInfra are the containers to be prepared while infra is: none in a pod whose containers are in infra's own process namespace.
func (u *unit) besideInfra() []*container {
	if u.object.sharesPID() {
		return nil
	}
	return u.due(time.Now())
}

// abandon waits until nothing is left of what was launched in a sandbox that there will not be.
func (u *unit) abandon(launched *outcomes) {
	for r, ok := launched.next(); ok; r, ok = launched.next() {
		r.c.run.Attempt-- // it was none
	}
}
