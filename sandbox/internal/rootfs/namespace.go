package rootfs

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// OwnNamespace gives the daemon a mount namespace of its own: what it mounts, nobody else sees, and it goes when the daemon
// goes, however that happens. What the host mounts and unmounts still reaches it. A thread can change its namespace only for itself,
// so the program is executed again by the thread that did.
func OwnNamespace() error {
	const done = "PODLAB_MOUNTS"
	if os.Getenv(done) != "" {
		return os.Unsetenv(done)
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return os.NewSyscallError("mount", err)
	}
	return os.NewSyscallError("execve", unix.Exec("/proc/self/exe", os.Args, append(os.Environ(), done+"=1")))
}

// MountWork mounts a small tmpfs of its own at dir, the place where roots are put together.
func MountWork(dir string) error {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return err
	}
	if err := unix.Mount("podlab", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0711,size=4m"); err != nil {
		return &os.PathError{Op: "mount", Path: dir, Err: err}
	}
	return os.NewSyscallError("mount", unix.Mount("", dir, "", unix.MS_PRIVATE, ""))
}
