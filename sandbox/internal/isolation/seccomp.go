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
	"clone", "clone3", "unshare", "socket", "socketpair", "socketcall", "sync", // allowed below, with conditions
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
	return []*configs.Syscall{
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
		// sync(2) writes back every file system of the host. Here it succeeds and does nothing: a node's disk is thrown away anyway.
		{Name: "sync", Action: configs.Errno, ErrnoRet: errno(0)},
	}
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
