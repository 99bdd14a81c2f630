package life

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/cable"
	"podlab/sandbox/internal/disk"
	"podlab/sandbox/internal/pidfd"
	"podlab/sandbox/internal/record"
	"podlab/sandbox/internal/rootfs"
)

// Life is safe for use by many goroutines. Its exported fields do not change.
type Life struct {
	Place string
	PID   int    // of its init
	PIDNS uint64 // inode of its pid namespace
	Disk  uint64 // number of its device

	machine   *Machine
	pods      string // their subnet
	init      *os.File
	container *libcontainer.Container
	process   *libcontainer.Process // nil when an earlier daemon started it
	over      chan struct{}

	removing sync.Mutex // what is kept at its place changes, or goes
	removed  bool       // under removing
}

// Find finds the life again that an earlier daemon began: the same process, in the same pid namespace. frozen says whether it stands still.
func (m *Machine) Find(place string, r record.Node) (_ *Life, frozen bool, err error) {
	l := &Life{Place: place, Disk: r.Disk, machine: m, pods: r.Spec.Subnet, over: make(chan struct{})}
	if err := l.identify(r.PID); err != nil {
		return nil, false, err
	}
	status := libcontainer.Stopped
	if l.PIDNS != r.PIDNS {
		err = errors.New("its init has ended")
	} else if l.container, err = libcontainer.Load(m.set.States(), place); err == nil {
		status, err = l.container.Status()
	}
	if err != nil {
		l.init.Close()
		return nil, false, err
	}
	return l, status == libcontainer.Paused, nil
}

// identify opens the init and reads which pid namespace it is in. Both together hold for ever, however pids are used again.
func (l *Life) identify(pid int) (err error) {
	l.PID = pid
	if l.init, err = pidfd.Open(pid); err != nil {
		return err
	}
	if l.PIDNS, err = pidfd.Namespace(pid); err != nil {
		l.init.Close()
	}
	return err
}

// Lives reports whether its init has not ended.
func (l *Life) Lives() bool { return pidfd.Lives(l.init) }

// Wait returns when its init has ended, or with an error after Leave.
func (l *Life) Wait() error { return pidfd.Wait(l.init) }

// Leave lets go of it: it lives on.
func (l *Life) Leave() { l.init.Close() }

// Kill ends its init, and so all of it that is not frozen. One that has ended is no error.
func (l *Life) Kill() error {
	if err := pidfd.Signal(l.init, unix.SIGKILL); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// End kills all of it, frozen or not.
func (l *Life) End(ctx context.Context) error {
	if err := l.Kill(); err != nil {
		return err
	}
	l.removing.Lock()
	defer l.removing.Unlock()
	return l.machine.Groups.Remove(ctx, l.Place) // which thaws too: what is frozen does not die
}

// Bury removes what is left after Wait, but for a disk that is held. Over is closed then.
func (l *Life) Bury() {
	if l.process != nil {
		_, _ = l.process.Wait() // killed, mostly: that is no error here
	}
	l.removing.Lock()
	l.machine.Clear(l.Place)
	l.removed = true
	l.removing.Unlock()
	l.init.Close()
	close(l.over)
}

// Over is closed when nothing is left.
func (l *Life) Over() <-chan struct{} { return l.over }

// Write writes the node's record to its place, unless that goes or has gone.
func (l *Life) Write(r *record.Node) error {
	if !l.removing.TryLock() {
		return nil
	}
	defer l.removing.Unlock()
	if l.removed {
		return nil
	}
	return r.Write(l.machine.set.State(l.Place))
}

// Cable opens its end of a cable (cable.ErrGone). The caller closes the end's network.
func (l *Life) Cable() (cable.End, error) { return cable.Open(l.PID, l.init, l.pods) }

// Hold keeps its disk beyond its end, for another life at its place. The life may have ended meanwhile, and its disk with it: whoever finds
// that it still lives afterwards knows that it was its disk.
func (l *Life) Hold() error {
	return rootfs.Hold(l.machine.work(l.Place), func(at string) error { return disk.Again(l.Disk, at) })
}

// Release lets go of the disk.
func (l *Life) Release() error { return rootfs.Release(l.machine.work(l.Place)) }

const freezeTime = 5 * time.Second // until all processes of a node have stopped

// Freeze stops all its processes where they are. On cgroup v1 that is done only when each has come to where it can stop, and libcontainer gives
// up and thaws them after a quarter of a second, in which on a busy machine some did not run at all: so it is tried again.
func (l *Life) Freeze(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, freezeTime)
	defer cancel()
	for {
		err := l.container.Pause()
		if err == nil || ctx.Err() != nil {
			return err
		}
		if status, gone := l.container.Status(); gone != nil || status != libcontainer.Running {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Thaw lets them go on.
func (l *Life) Thaw() error { return l.container.Resume() }
