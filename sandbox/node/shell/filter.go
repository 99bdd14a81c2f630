package shell

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The node's own filter, which the daemon loads, is a list of what is allowed; this one stacks on it and takes away what the agent
// needs, or what was allowed for it, and a node shell does not.

// denied calls fail with EPERM.
var denied = []uint32{
	// Only the agent changes roots and reaches files without their names.
	unix.SYS_PIVOT_ROOT, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT,
	// Kernel interfaces with a history of escapes, of no use in any lesson.
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL, unix.SYS_FANOTIFY_INIT, unix.SYS_LOOKUP_DCOOKIE,
	// The whole machine's: denied by the user namespace too.
	unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_REBOOT,
	unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME,
	unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX, unix.SYS_SYSLOG,
}

// absent calls fail with ENOSYS, so that libraries fall back to older ones that can be looked into: clone3 hides its flags in
// memory; the new mount calls go back to mount(2).
var absent = []uint32{
	unix.SYS_CLONE3, unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT,
	unix.SYS_MOUNT_SETATTR,
}

// families are the address families that socket(2) may be asked for.
var families = []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK, unix.AF_PACKET}

// Offsets in struct seccomp_data (seccomp(2)).
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArgs   = 16 // the low half of each 8-byte argument comes first on the machines below
)

// x32Bit marks system calls of the x32 ABI on x86-64.
const x32Bit = 0x40000000

var arches = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}

const (
	load    = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	jumpEq  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	jumpGE  = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	jumpSet = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	ret     = unix.BPF_RET | unix.BPF_K
)

func failWith(errno unix.Errno) unix.SockFilter {
	return unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(errno)} //nolint:gosec // errors are below 4096
}

var allow = unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ALLOW}

// filter is the whole program. Every check is closed in itself, so jumps stay short.
func filter(arch uint32) []unix.SockFilter {
	program := []unix.SockFilter{
		{Code: load, K: offsetArch},
		{Code: jumpEq, K: arch, Jt: 1},
		{Code: ret, K: unix.SECCOMP_RET_KILL_PROCESS}, // another machine's calls: the outer filter does not know them either
		{Code: load, K: offsetNumber},
		{Code: jumpGE, K: x32Bit, Jf: 1},
		failWith(unix.ENOSYS),
	}
	for _, number := range denied {
		program = append(program, unix.SockFilter{Code: jumpEq, K: number, Jf: 1}, failWith(unix.EPERM))
	}
	for _, number := range absent {
		program = append(program, unix.SockFilter{Code: jumpEq, K: number, Jf: 1}, failWith(unix.ENOSYS))
	}
	// No user namespaces in the node's: in a new one every capability would come back.
	for _, number := range []uint32{unix.SYS_CLONE, unix.SYS_UNSHARE} {
		program = append(program,
			unix.SockFilter{Code: jumpEq, K: number, Jf: 4},
			unix.SockFilter{Code: load, K: offsetArgs},
			unix.SockFilter{Code: jumpSet, K: unix.CLONE_NEWUSER, Jf: 1},
			failWith(unix.EPERM), allow)
	}
	// Nothing may type into a terminal but who sits at it.
	program = append(program,
		unix.SockFilter{Code: jumpEq, K: unix.SYS_IOCTL, Jf: 5},
		unix.SockFilter{Code: load, K: offsetArgs + 8},
		unix.SockFilter{Code: jumpEq, K: unix.TIOCSTI, Jt: 1},
		unix.SockFilter{Code: jumpEq, K: unix.TIOCLINUX, Jf: 1},
		failWith(unix.EPERM), allow)
	program = append(program,
		unix.SockFilter{Code: jumpEq, K: unix.SYS_SOCKET, Jf: uint8(2 + 2*len(families))}, //nolint:gosec // five families
		unix.SockFilter{Code: load, K: offsetArgs})
	for _, family := range families {
		program = append(program, unix.SockFilter{Code: jumpEq, K: family, Jf: 1}, allow)
	}
	return append(program, failWith(unix.EAFNOSUPPORT), allow)
}

// loadFilter puts the filter on this thread.
func loadFilter() error {
	arch, known := arches[runtime.GOARCH]
	if !known {
		return fmt.Errorf("no filter for %s", runtime.GOARCH)
	}
	program := filter(arch)
	fprog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]} //nolint:gosec // a hundred instructions
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&fprog)))
	runtime.KeepAlive(program)
	if errno != 0 {
		return errno
	}
	return nil
}
