package isolation

import (
	"os"
	"slices"

	profile "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runc/libcontainer/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/filter"
)

// forbidden are calls that Moby's profile allows to somebody with the node's capabilities, and that neither the agent nor a pod needs.
// What Moby's profile itself leaves out (io_uring, keys, userfaultfd, kexec, modules) is out here too: a call that is not named fails.
var forbidden = []string{
	"bpf", "perf_event_open", "lookup_dcookie", "fanotify_init", "fanotify_mark", "quotactl", "quotactl_fd", "syslog", "vhangup",
	"lsm_get_self_attr", "lsm_set_self_attr", "lsm_list_modules", "memfd_secret", "open_by_handle_at",
	"clone", "clone3", "unshare", "socket", "socketpair", "socketcall", "setsockopt", "getsockopt", "sync", "syncfs", // allowed below, with conditions
	// The places for asynchronous reads are the host's, 65,536 in all (fs.aio-max-nr), and one process can take them.
	"io_setup", "io_destroy", "io_submit", "io_cancel", "io_getevents", "io_pgetevents",
}

// NewFilter compiles the filter of everything in a node, agent and pods. Filters stack: what is refused here nobody in the node gets back.
// Only the native architecture is let in: 32-bit entry is one more way in.
// The file is what filter.LoadFile takes.
func NewFilter() (*os.File, error) {
	calls, err := allowed()
	if err != nil {
		return nil, err
	}
	program, err := filter.Compile(calls)
	if err != nil {
		return nil, err
	}
	return program.File()
}

// allowed is the filter as a list of calls.
func allowed() (*configs.Seccomp, error) {
	most := &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: capabilities}}}
	base, err := profile.GetDefaultProfile(most)
	if err != nil {
		return nil, err
	}
	node := &configs.Seccomp{DefaultAction: configs.Errno, DefaultErrnoRet: errno(unix.EPERM)}
	for _, rule := range base.Syscalls {
		if rule.Action != specs.ActAllow {
			continue
		}
		args, err := arguments(rule.Args)
		if err != nil {
			return nil, err
		}
		for _, name := range rule.Names {
			if !slices.Contains(forbidden, name) {
				node.Syscalls = append(node.Syscalls, &configs.Syscall{Name: name, Action: configs.Allow, Args: args})
			}
		}
	}
	node.Syscalls = append(node.Syscalls, conditions()...)
	return node, nil
}

// conditions are the calls that are allowed in part.
func conditions() []*configs.Syscall {
	allow := func(name string, args ...*configs.Arg) *configs.Syscall {
		return &configs.Syscall{Name: name, Action: configs.Allow, Args: args}
	}
	is := func(index uint, value uint64) *configs.Arg {
		return &configs.Arg{Index: index, Value: value, Op: configs.EqualTo}
	}
	noUsers := &configs.Arg{Index: 0, Value: unix.CLONE_NEWUSER, ValueTwo: 0, Op: configs.MaskEqualTo}
	calls := []*configs.Syscall{
		// Namespaces of every kind but user: a new user namespace would give all capabilities, and with them most of the kernel's holes.
		allow("clone", noUsers),
		allow("unshare", noUsers),
		// A filter cannot look into clone3's structure: "not there" makes everybody fall back on clone.
		{Name: "clone3", Action: configs.Errno, ErrnoRet: errno(unix.ENOSYS)},
		// "pivot_root" is what libcontainer enters a container's root by.
		allow("pivot_root"),
		allow("socket", is(0, unix.AF_UNIX)),
		allow("socket", is(0, unix.AF_INET)),
		allow("socket", is(0, unix.AF_INET6)),
		// Netlink for ip(8) and ss(8); netfilter, of all, stays away.
		allow("socket", is(0, unix.AF_NETLINK), is(2, unix.NETLINK_ROUTE)),
		allow("socket", is(0, unix.AF_NETLINK), is(2, unix.NETLINK_INET_DIAG)),
		allow("socketpair", is(0, unix.AF_UNIX)),
		// sync(2) writes back every file system of the host, syncfs(2) that of the images. Here they succeed and do nothing: a node's disk is
		// thrown away anyway.
		{Name: "sync", Action: configs.Errno, ErrnoRet: errno(0)},
		{Name: "syncfs", Action: configs.Errno, ErrnoRet: errno(0)},
		{Name: "io_setup", Action: configs.Errno, ErrnoRet: errno(unix.ENOSYS)}, // as on a kernel without it: programs read on without
	}
	return append(append(calls, socketOptions("setsockopt")...), socketOptions("getsockopt")...)
}

// socketOptions allows the options of sockets but for two kinds. Netfilter takes orders as options of IP sockets from 64 on (IPT_BASE_CTL and
// its like): its rules run in the kernel, and its tables of connections are charged to nobody. Filters of sockets are programs that the
// kernel translates into machine code, of which the whole host may have so much (net.core.bpf_jit_limit).
func socketOptions(name string) (calls []*configs.Syscall) {
	const level, option = 1, 2
	allow := func(of uint64, args ...*configs.Arg) {
		args = append(args, &configs.Arg{Index: level, Value: of, Op: configs.EqualTo})
		calls = append(calls, &configs.Syscall{Name: name, Action: configs.Allow, Args: args})
	}
	for _, of := range []uint64{unix.SOL_TCP, unix.SOL_UDP, unix.SOL_RAW, unix.SOL_ICMPV6, unix.SOL_NETLINK} {
		allow(of)
	}
	allow(unix.SOL_IP, within(option, 0, 64))
	for first, size := range map[uint64]uint64{0: 64, 66: 2, 68: 4, 72: 8} { // without 64 and 65
		allow(unix.SOL_IPV6, within(option, first, size))
	}
	for first, size := range map[uint64]uint64{0: 16, 16: 8, 24: 2, 27: 1, 28: 4, 32: 16, 48: 2, 53: 1, 54: 2, 56: 8, 64: 64} { // without SO_ATTACH_…: 26, 50–52
		allow(unix.SOL_SOCKET, within(option, first, size))
	}
	return calls
}

// within is true of size values from first on: a power of two, of which first is a multiple. One comparison, since an argument can have no
// two; of all 64 bits, since a value with any of the high ones set would pass a comparison by size, and the kernel drops those bits.
func within(index uint, first, size uint64) *configs.Arg {
	return &configs.Arg{Index: index, Value: ^(size - 1), ValueTwo: first, Op: configs.MaskEqualTo}
}

func arguments(rule []specs.LinuxSeccompArg) (args []*configs.Arg, err error) {
	for _, arg := range rule {
		op, err := seccomp.ConvertStringToOperator(string(arg.Op))
		if err != nil {
			return nil, err
		}
		args = append(args, &configs.Arg{Index: arg.Index, Value: arg.Value, ValueTwo: arg.ValueTwo, Op: op})
	}
	return args, nil
}

func errno(e unix.Errno) *uint {
	n := uint(e)
	return &n
}
