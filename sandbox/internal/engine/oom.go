package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// oomKillTime is how long after the kernel said that a group is out of memory its kill is counted, at the latest.
const oomKillTime = 100 * time.Millisecond

// memoryAlarm opens a file that can be read whenever the group at path ran out of memory. Closing it ends a read. libcontainer's own
// (NotifyOOM) costs a thread for each container, and does not always end with it.
func memoryAlarm(path string) (*os.File, error) {
	if cgroups.IsCgroup2UnifiedMode() {
		fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
		if err != nil {
			return nil, os.NewSyscallError("inotify_init1", err)
		}
		alarm := os.NewFile(uintptr(fd), "memory.events")
		if _, err := unix.InotifyAddWatch(fd, filepath.Join(cgroupRoot, path, "memory.events"), unix.IN_MODIFY); err != nil {
			alarm.Close()
			return nil, os.NewSyscallError("inotify_add_watch", err)
		}
		return alarm, nil
	}
	return oomEvent(filepath.Join(cgroupRoot, "memory", path))
}

// oomEvent registers an eventfd with a group of cgroup v1 (Documentation/admin-guide/cgroup-v1/memory.rst, 10. OOM Control).
func oomEvent(dir string) (*os.File, error) {
	control, err := os.Open(filepath.Join(dir, "memory.oom_control"))
	if err != nil {
		return nil, err
	}
	defer control.Close()
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	alarm := os.NewFile(uintptr(fd), "memory.oom_control")
	if err := os.WriteFile(filepath.Join(dir, "cgroup.event_control"), fmt.Appendf(nil, "%d %d", fd, control.Fd()), 0); err != nil {
		alarm.Close()
		return nil, err
	}
	return alarm, nil
}

// watchMemory looks at the group's count of kills whenever the alarm rings, until the container is released.
func (c *container) watchMemory() {
	alarm, err := memoryAlarm(c.cgroup())
	if err != nil {
		return // no memory controller: then there is no limit either
	}
	c.alive.alarm = alarm
	attempt := c.run.Attempt
	go func() {
		buf := make([]byte, 4096)
		for {
			if _, err := alarm.Read(buf); err != nil {
				return
			}
			c.unit.post(func() { c.lookForOOM(attempt) })
			// On cgroup v1 the word comes before the kill.
			time.AfterFunc(oomKillTime, func() { c.unit.post(func() { c.lookForOOM(attempt) }) })
		}
	}()
}

func (c *container) lookForOOM(attempt int) {
	if c.run.Attempt == attempt && c.run.State == running && c.countOOM() {
		c.unit.publish()
	}
}

// countOOM reports processes that the kernel killed for want of memory since it was last asked.
func (c *container) countOOM() bool {
	kills := oomKills(c.cgroup())
	if kills <= c.run.OOM {
		return false
	}
	c.unit.emit(sandbox.MomentOOM, reasonOOM, c, "kills", strconv.FormatInt(kills-c.run.OOM, 10))
	c.run.OOM = kills
	return true
}
