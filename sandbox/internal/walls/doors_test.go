package walls

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// doors are what a filter lets through in part: by an argument that says which.
var doors = makeDoors()

type doorway struct {
	name string
	try  func() error
}

func makeDoors() (all []doorway) {
	add := func(name string, try func() error) { all = append(all, doorway{name, try}) }
	for family := range unix.AF_MAX + 2 {
		add(fmt.Sprintf("socket family %d", family), func() error { return anySocket(family) })
	}
	for protocol := range 24 {
		add(fmt.Sprintf("netlink protocol %d", protocol), func() error { return socket(unix.AF_NETLINK, unix.SOCK_RAW, protocol) })
	}
	for _, name := range slices.Sorted(maps.Keys(namespaces)) {
		flag := namespaces[name]
		add("unshare "+name, func() error { return unix.Unshare(flag) })
		if name != "time" { // clone(2) takes that bit for the signal's number
			add("clone "+name, func() error { return cloned(flag) })
		}
	}
	for _, level := range []struct{ family, level int }{{unix.AF_INET, unix.SOL_IP}, {unix.AF_INET6, unix.SOL_IPV6}} {
		for _, option := range []int{64, 65, 96, 97, 128, 129} { // IPT_, IP6T_, ARPT_ and EBT_BASE_CTL, and what adds counters
			add(fmt.Sprintf("setsockopt family %d netfilter %d", level.family, option), func() error { return setOption(level.family, level.level, option) })
		}
	}
	add("ioctl TIOCSTI", func() error { return typeInto(unix.TIOCSTI) })
	add("ioctl TIOCSTI with high bits", func() error { return typeInto(unix.TIOCSTI | 1<<32) })
	for _, option := range []int{unix.SO_ATTACH_FILTER, unix.SO_ATTACH_BPF, unix.SO_ATTACH_REUSEPORT_CBPF, unix.SO_ATTACH_REUSEPORT_EBPF} {
		add(fmt.Sprintf("setsockopt filter %d", option), func() error { return setOption(unix.AF_INET, unix.SOL_SOCKET, option) })
	}
	add("32-bit entry", func() error { return through("32") })
	add("x32 entry", func() error { return through("x32") })
	for _, name := range fileSystems {
		add("fsopen "+name, func() error { return none(superblock(name)) })
		add("mount "+name, func() error { return none(mount(name)) })
	}
	add("syncfs", func() error {
		if unix.Syncfs(-1) == nil {
			return unix.EPERM // the filter answered; the kernel would have looked at the descriptor
		}
		return nil
	})
	return all
}

var namespaces = map[string]int{
	"user": unix.CLONE_NEWUSER, "pid": unix.CLONE_NEWPID, "mnt": unix.CLONE_NEWNS, "net": unix.CLONE_NEWNET, "ipc": unix.CLONE_NEWIPC,
	"uts": unix.CLONE_NEWUTS, "cgroup": unix.CLONE_NEWCGROUP, "time": unix.CLONE_NEWTIME,
}

// fileSystems that kernels have; those of them that may be mounted in a user namespace are few.
var fileSystems = []string{
	"9p", "autofs", "bdev", "binfmt_misc", "bpf", "btrfs", "cgroup", "cgroup2", "ceph", "cifs", "configfs", "cpuset", "debugfs", "devpts", "devtmpfs",
	"ecryptfs", "efivarfs", "erofs", "exfat", "ext2", "ext4", "f2fs", "fuse", "fuseblk", "fusectl", "hugetlbfs", "iso9660", "mqueue", "nfs", "nfs4", "nfsd",
	"ntfs3", "overlay", "proc", "pstore", "ramfs", "resctrl", "rootfs", "rpc_pipefs", "securityfs", "selinuxfs", "smackfs", "smb3", "sockfs", "squashfs",
	"sysfs", "tmpfs", "tracefs", "udf", "vfat", "virtiofs", "xfs",
}

// probeDoors tries them all and prints which are open. args: how long one may take.
func probeDoors(args []string) {
	open := make([]string, len(doors))
	probe(len(doors), args[0], func(i int) []string { return []string{"door", fmt.Sprint(i)} }, open)
	for i, how := range open {
		if how != "" {
			fmt.Printf("%s: %s\n", doors[i].name, how)
		}
	}
}

// door tries one and says how it opened.
func door(args []string) {
	runtime.LockOSThread()
	err := doors[number(args[0])].try()
	switch {
	case err == nil:
		fmt.Println("open")
	case !is(err, unix.EPERM, unix.ENOSYS, unix.EACCES, unix.EAFNOSUPPORT):
		fmt.Println(err)
	}
}

// through tries another way into the kernel in a process of its own, since a filter may end the thread that tries: then nothing is said.
func through(way string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = []string{attacker, "enter", way}
	if said, err := cmd.Output(); len(said) == 0 {
		if ctx.Err() != nil || blocked(err) || err == nil {
			return unix.EPERM
		}
		return err
	}
	return nil
}

// enter asks for the process's number by 32-bit programs' entry, or by the numbers of x32, and says so if it gets one.
func enter(args []string) {
	runtime.LockOSThread()
	if args[0] == "32" {
		enter32()
		fmt.Println("through")
	} else if _, _, errno := unix.RawSyscall(0x40000000+unix.SYS_GETPID, 0, 0, 0); errno == 0 {
		fmt.Println("through")
	}
}

func is(err error, any ...error) bool {
	return slices.ContainsFunc(any, func(one error) bool { return errors.Is(err, one) })
}

func wrap(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

func anySocket(family int) (err error) {
	for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_RAW, unix.SOCK_SEQPACKET} {
		if err = socket(family, kind, 0); !is(err, unix.EPERM, unix.EAFNOSUPPORT) {
			return err
		}
	}
	return err
}

func socket(family, kind, protocol int) error {
	fd, err := unix.Socket(family, kind, protocol)
	unix.Close(fd)
	return err
}

func cloned(flag int) error {
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(flag)|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno == 0 && pid == 0 {
		unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return wrap(errno)
}

// setOption asks netfilter, which takes its orders by socket options too, for a table.
func setOption(family, level, option int) error {
	fd, err := unix.Socket(family, unix.SOCK_RAW, unix.IPPROTO_RAW)
	if err != nil {
		if fd, err = unix.Socket(family, unix.SOCK_STREAM, 0); err != nil {
			return err
		}
	}
	defer unix.Close(fd)
	return unix.SetsockoptString(fd, level, option, string(make([]byte, 96)))
}

// typeInto puts a character into a terminal's input, as if somebody had typed it.
func typeInto(request uintptr) error {
	ptmx, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return fmt.Errorf("no terminal to try with: %w", err)
	}
	if err := unix.IoctlSetPointerInt(ptmx, unix.TIOCSPTLCK, 0); err != nil {
		return err
	}
	n, err := unix.IoctlGetInt(ptmx, unix.TIOCGPTN)
	if err != nil {
		return err
	}
	if _, err := unix.Setsid(); err != nil {
		return err
	}
	tty, err := unix.Open(fmt.Sprintf("/dev/pts/%d", n), unix.O_RDWR, 0) // and it is the session's now
	if err != nil {
		return err
	}
	key := byte('x')
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(tty), request, uintptr(unsafe.Pointer(&key)))
	return wrap(errno)
}

// superblock makes a file system the new way (fsopen(2)).
func superblock(name string) error {
	fd, err := unix.Fsopen(name, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.FsconfigCreate(fd)
}

func mount(name string) error {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		return err
	}
	defer os.Remove(dir)
	if err := unix.Mount("none", dir, name, 0, ""); err != nil {
		return err
	}
	return unix.Unmount(dir, unix.MNT_DETACH)
}

// none takes for a refusal what says that there is no such file system, or none without a device or more options.
func none(err error) error {
	if is(err, unix.ENODEV, unix.EINVAL, unix.ENOTBLK) {
		return unix.EPERM
	}
	return err
}
