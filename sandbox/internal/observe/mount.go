package observe

import (
	"strconv"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// mounts fills in device and inode of a container's mount points, as its first process sees them.
func (o *Observer) mounts(c *sandbox.Container) {
	if c.PID == 0 || len(c.Mounts) == 0 {
		return
	}
	// The link is the kernel's own, it leads to the process's root directory.
	root, err := unix.Open(o.Proc+"/"+strconv.Itoa(c.PID)+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(root)
	for i := range c.Mounts {
		m := &c.Mounts[i]
		m.Dev, m.Inode = statIn(root, m.Path)
	}
}

// statIn returns device and inode of a path below a root that is a learner's: its links are resolved as they are inside, and none
// leads out. Nothing is opened but the path itself.
func statIn(root int, path string) (dev, inode uint64) {
	fd, err := unix.Openat2(root, path, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return 0, 0
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return 0, 0
	}
	return st.Dev, st.Ino
}
