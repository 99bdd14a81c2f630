package engine

import (
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runc/libcontainer/configs"
	runcseccomp "github.com/opencontainers/runc/libcontainer/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// forbidden are system calls that moby's profile allows, at least with some capability, and that no lesson needs: each of them
// has been a way into kernels (security.md, Walls).
var forbidden = []string{
	"add_key", "bpf", "fanotify_init", "fanotify_mark", "finit_module", "init_module", "delete_module", "io_uring_enter",
	"io_uring_register", "io_uring_setup", "keyctl", "kexec_load", "kexec_file_load", "landlock_add_rule",
	"landlock_create_ruleset", "landlock_restrict_self", "lookup_dcookie", "memfd_secret", "modify_ldt", "name_to_handle_at",
	"open_by_handle_at", "perf_event_open", "process_vm_readv", "process_vm_writev", "quotactl", "quotactl_fd", "request_key",
	"userfaultfd", "vmsplice",
}

// families are the address families that a container may open sockets of.
var families = []uint64{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}

// filters keeps the profiles made so far: making one reads 400 names, and two of them serve nearly every container.
var filters = struct {
	sync.Mutex
	byCaps map[string]*configs.Seccomp
}{byCaps: map[string]*configs.Seccomp{}}

// filter is the system call filter of a container with the given capabilities: moby's default profile for these, without what is
// forbidden, for the native architecture alone. It is compiled by libseccomp at each start and exec, so its length is time.
func filter(caps []string) (*configs.Seccomp, error) {
	filters.Lock()
	defer filters.Unlock()
	key := fmt.Sprint(caps)
	if f, ok := filters.byCaps[key]; ok {
		return f, nil
	}
	profile, err := seccomp.GetDefaultProfile(&specs.Spec{
		Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: caps}},
	})
	if err != nil {
		return nil, fmt.Errorf("seccomp: %w", err)
	}
	f := &configs.Seccomp{DefaultAction: configs.Errno, DefaultErrnoRet: profile.DefaultErrnoRet, Architectures: []string{runtime.GOARCH}}
	for _, rule := range profile.Syscalls {
		if err := addRule(f, rule); err != nil {
			return nil, err
		}
	}
	for _, family := range families {
		f.Syscalls = append(f.Syscalls, &configs.Syscall{Name: "socket", Action: configs.Allow,
			Args: []*configs.Arg{{Index: 0, Value: family, Op: configs.EqualTo}}})
	}
	filters.byCaps[key] = f
	return f, nil
}

// addRule takes over one rule of the profile for each of its system calls that this machine has and that is not forbidden.
func addRule(f *configs.Seccomp, rule specs.LinuxSyscall) error {
	action, err := runcseccomp.ConvertStringToAction(string(rule.Action))
	if err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	var args []*configs.Arg
	for _, a := range rule.Args {
		op, err := runcseccomp.ConvertStringToOperator(string(a.Op))
		if err != nil {
			return fmt.Errorf("seccomp: %w", err)
		}
		args = append(args, &configs.Arg{Index: a.Index, Value: a.Value, ValueTwo: a.ValueTwo, Op: op})
	}
	for _, name := range rule.Names {
		if name == "socket" || slices.Contains(forbidden, name) || !exists(name) {
			continue
		}
		f.Syscalls = append(f.Syscalls, &configs.Syscall{Name: name, Action: action, ErrnoRet: rule.ErrnoRet, Args: args})
	}
	return nil
}
