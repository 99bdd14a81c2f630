package shell

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Capabilities are what a node shell has, inside the node's user namespace only, and why.
var Capabilities = []struct {
	Number int
	Reason string
}{
	{unix.CAP_CHOWN, "files: chown"},
	{unix.CAP_DAC_OVERRIDE, "files: root of the node reads and writes what it likes"},
	{unix.CAP_FOWNER, "files: chmod, sticky directories"},
	{unix.CAP_FSETID, "files: set-group-id bits of directories"},
	{unix.CAP_KILL, "kill: processes of any user on the node"},
	{unix.CAP_SETUID, "nsenter, su: become a container's user"},
	{unix.CAP_SETGID, "nsenter, su: become a container's group"},
	{unix.CAP_NET_BIND_SERVICE, "nc -l 80 and the like"},
	{unix.CAP_NET_RAW, "ping, tcpdump"},
	{unix.CAP_NET_ADMIN, "ip: links, addresses, routes; ss -K"},
	{unix.CAP_SYS_CHROOT, "chroot; nsenter --mount needs it beside CAP_SYS_ADMIN (setns(2))"},
	{unix.CAP_SYS_PTRACE, "nsenter, lsns, ps: /proc/PID/ns and the like of processes with more capabilities; strace"},
	{unix.CAP_SYS_ADMIN, "nsenter (setns), unshare, mount, hostname in a pod's namespaces"},
}

// lastCapability is read from the kernel; a bounding set may hold capabilities that this program has no name for.
func lastCapability() int {
	text, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if n, convErr := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && convErr == nil && n < 64 {
		return n
	}
	return 63
}

// dropCapabilities leaves this thread, and what it becomes, with Capabilities.
func dropCapabilities() error {
	var want uint64
	for _, c := range Capabilities {
		want |= 1 << c.Number
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("ambient capabilities: %w", err)
	}
	for c := range lastCapability() + 1 {
		has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0)
		if err != nil || has == 0 || want&(1<<c) != 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var now [2]unix.CapUserData
	if err := unix.Capget(&header, &now[0]); err != nil {
		return fmt.Errorf("capget: %w", err)
	}
	for i := range now {
		mask := uint32(want >> (32 * i)) //nolint:gosec // the half that belongs to this word
		now[i].Permitted &= mask
		now[i].Effective = now[i].Permitted
		now[i].Inheritable = 0
	}
	if err := unix.Capset(&header, &now[0]); err != nil {
		return fmt.Errorf("capset: %w", err)
	}
	return nil
}
