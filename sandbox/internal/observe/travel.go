package observe

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// visit is something to be read from within another namespace.
type visit struct {
	pid   int    // a process in it
	file  string // net or ipc
	inode uint64
	read  func()
}

// travel makes the visits, one after the other, on a thread of its own. The thread is back in its own namespaces before it is
// given back; if it cannot return it ends.
func (o *Observer) travel(visits []visit) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err := o.tour(visits); err == nil {
			runtime.UnlockOSThread()
		}
	}()
	<-done
}

// tour returns an error when the thread is not in its own namespaces at the end.
func (o *Observer) tour(visits []visit) error {
	homes := map[string]int{}
	defer func() {
		for _, fd := range homes {
			_ = unix.Close(fd)
		}
	}()
	for _, v := range visits {
		if _, ok := homes[v.file]; ok {
			continue
		}
		fd, err := unix.Open("/proc/thread-self/ns/"+v.file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil // nothing visited: still at home
		}
		homes[v.file] = fd
	}
	for _, v := range visits {
		o.visit(v)
	}
	var errs []error
	for _, fd := range homes {
		errs = append(errs, unix.Setns(fd, 0))
	}
	return errors.Join(errs...)
}

func (o *Observer) visit(v visit) {
	fd, err := unix.Open(fmt.Sprintf("%s/%d/ns/%s", o.Proc, v.pid, v.file), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	// The pid may be another process's by now.
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Ino != v.inode || unix.Setns(fd, 0) != nil {
		return
	}
	v.read()
}
