package engine

import (
	"fmt"
	"math/bits"
	"runtime"
	"slices"
	"sync"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runc/libcontainer/configs"
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

// families are the address families that a container may open sockets of, in order.
var families = []uint64{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}

// filters keeps the profiles made so far: making one reads 400 names, and two of them serve nearly every container.
var filters = struct {
	sync.Mutex
	byCaps map[string]*configs.Seccomp
}{byCaps: map[string]*configs.Seccomp{}}

// filter is the system call filter of a container with the given capabilities: moby's default profile for these, without what is
// forbidden, for the native architecture alone.
//
// The profile lists what is allowed, some 300 calls, and libcontainer has a list compiled at each start and exec, and carries it there as
// JSON. So this is the same profile turned round: the calls that it does not allow, of all that this machine's libseccomp knows, some 100.
// Calls that are newer than that never come here: the node's own filter, which every process in it has as well, lists what is allowed
// and answers ENOSYS for them (package isolation).
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
	rules := map[string][]specs.LinuxSyscall{}
	for _, rule := range profile.Syscalls {
		for _, name := range rule.Names {
			rules[name] = append(rules[name], rule)
		}
	}
	f := &configs.Seccomp{DefaultAction: configs.Allow, Architectures: []string{runtime.GOARCH}}
	for _, name := range calls() {
		refused, err := refusals(name, rules[name])
		if err != nil {
			return nil, err
		}
		f.Syscalls = append(f.Syscalls, refused...)
	}
	filters.byCaps[key] = f
	return f, nil
}

// refusals turns the profile's rules for one call round.
func refusals(name string, rules []specs.LinuxSyscall) ([]*configs.Syscall, error) {
	switch {
	case slices.Contains(forbidden, name) || len(rules) == 0:
		return []*configs.Syscall{refuse(name)}, nil
	case name == "socket":
		return otherFamilies(), nil
	case name == "personality":
		return nil, nil // its conditions cannot be turned round; the node's filter has the same
	}
	var refused []*configs.Syscall
	for _, rule := range rules {
		switch {
		case rule.Action == specs.ActErrno:
			refused = append(refused, &configs.Syscall{Name: name, Action: configs.Errno, ErrnoRet: rule.ErrnoRet})
		case rule.Action != specs.ActAllow:
			return nil, fmt.Errorf("seccomp: %s has action %s", name, rule.Action)
		case len(rule.Args) == 0:
			return nil, nil
		case len(rule.Args) == 1 && rule.Args[0].Op == specs.OpMaskedEqual && rule.Args[0].ValueTwo == 0:
			refused = append(refused, anyBit(name, rule.Args[0])...) // clone: none of the flags for namespaces
		default:
			return nil, fmt.Errorf("seccomp: %s has conditions that are not known", name)
		}
	}
	return refused, nil
}

// refuse answers a call with EPERM where its arguments are such.
func refuse(name string, args ...*configs.Arg) *configs.Syscall {
	eperm := uint(unix.EPERM)
	return &configs.Syscall{Name: name, Action: configs.Errno, ErrnoRet: &eperm, Args: args}
}

// anyBit refuses a call with any of the bits that the condition wants to be 0.
func anyBit(name string, none specs.LinuxSeccompArg) (refused []*configs.Syscall) {
	for mask := none.Value; mask != 0; mask &= mask - 1 {
		bit := uint64(1) << bits.TrailingZeros64(mask)
		refused = append(refused, refuse(name, &configs.Arg{Index: none.Index, Value: bit, ValueTwo: bit, Op: configs.MaskEqualTo}))
	}
	return refused
}

// otherFamilies refuses sockets of all but families.
func otherFamilies() (refused []*configs.Syscall) {
	last := families[len(families)-1]
	for family := range last {
		if !slices.Contains(families, family) {
			refused = append(refused, refuse("socket", &configs.Arg{Index: 0, Value: family, Op: configs.EqualTo}))
		}
	}
	return append(refused, refuse("socket", &configs.Arg{Index: 0, Value: last, Op: configs.GreaterThan}))
}
