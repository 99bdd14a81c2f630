// Package isolation is what a node may: the namespaces, ids, mounts, capabilities, limits, devices and system calls of everything in it,
// agent and pods. It is data for libcontainer and reads nothing of a node. What a pod may is less again, and
// the engine's affair.
package isolation

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	devices "github.com/opencontainers/cgroups/devices/config"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/cgroup"
	"podlab/sandbox/internal/userns"
)

// capabilities of node init, inside its own user namespace, and so the most that anything in the node may have.
var capabilities = []string{
	// The agent makes pods with these.
	"CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_PTRACE",
	// Containers get these from it, as with Docker and Kubernetes.
	"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD", "CAP_NET_BIND_SERVICE",
	"CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
}

// limits of the node's user namespace (user_namespaces(7), /proc/sys/user). Only CAP_SYS_RESOURCE could raise them, which nobody in a
// node has.
var limits = map[string]string{
	"user.max_user_namespaces":   "0",
	"user.max_net_namespaces":    "128",
	"user.max_mnt_namespaces":    "512",
	"user.max_pid_namespaces":    "512",
	"user.max_inotify_instances": "128",
	"user.max_inotify_watches":   "8192",
}

const bindless = unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV

// mounts of a node besides those of its root (package rootfs). What is in a tmpfs is memory that no killing of processes frees: an eighth of
// the node's each.
func mounts(spec sandbox.NodeSpec) []*configs.Mount {
	size := fmt.Sprintf("size=%d,nr_inodes=16k,mode=", spec.Memory/8)
	return []*configs.Mount{
		{Source: "proc", Destination: "/proc", Device: "proc", Flags: bindless},
		{Source: "sysfs", Destination: "/sys", Device: "sysfs", Flags: bindless | unix.MS_RDONLY},
		{Source: "cgroup", Destination: "/sys/fs/cgroup", Device: "cgroup", Flags: bindless | unix.MS_RELATIME},
		{Source: "tmpfs", Destination: "/dev", Device: "tmpfs", Flags: unix.MS_NOSUID | unix.MS_STRICTATIME, Data: "mode=755,size=64k,nr_inodes=1k"},
		{Source: "devpts", Destination: "/dev/pts", Device: "devpts", Flags: unix.MS_NOSUID | unix.MS_NOEXEC,
			Data: "newinstance,ptmxmode=0666,mode=0620,gid=5,max=256"},
		{Source: "shm", Destination: "/dev/shm", Device: "tmpfs", Flags: bindless, Data: size + "1777"},
		{Source: "mqueue", Destination: "/dev/mqueue", Device: "mqueue", Flags: bindless},
		{Source: "tmpfs", Destination: "/run", Device: "tmpfs", Flags: unix.MS_NOSUID | unix.MS_NODEV, Data: size + "755"},
	}
}

// masked and readOnly: Docker's lists and a little more that tells of the host.
var masked = []string{
	"/proc/acpi", "/proc/asound", "/proc/buddyinfo", "/proc/cmdline", "/proc/config.gz", "/proc/consoles", "/proc/diskstats", "/proc/fs",
	"/proc/interrupts", "/proc/iomem", "/proc/ioports", "/proc/kallsyms", "/proc/kcore", "/proc/keys", "/proc/partitions", "/proc/zoneinfo",
	"/sys/block", "/sys/class/block", "/sys/dev/block", "/sys/devices/virtual/block",
	"/proc/key-users", "/proc/kmsg", "/proc/latency_stats", "/proc/modules", "/proc/sched_debug", "/proc/schedstat", "/proc/scsi",
	"/proc/slabinfo", "/proc/timer_list", "/proc/timer_stats", "/proc/vmallocinfo", "/sys/devices/virtual/powercap", "/sys/firmware",
	"/sys/kernel/debug", "/sys/kernel/security", "/sys/kernel/tracing", "/sys/module",
}
var readOnly = []string{"/proc/bus", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}

// Config is what libcontainer makes a node from: spec with all its sizes, in a control group of that path, on a root, in a user namespace
// with ids from base on. Limits on rlimits are not set here: they are the daemon's own, since raising one, or setting one across a user
// namespace, needs CAP_SYS_RESOURCE on the host.
func Config(spec sandbox.NodeSpec, group, root string, base uint32, users *os.File) *configs.Config {
	ids := []configs.IDMap{{ContainerID: 0, HostID: int64(base), Size: userns.Size}}
	return &configs.Config{
		Rootfs:   root,
		Hostname: spec.Hostname,
		Namespaces: configs.Namespaces{
			{Type: configs.NEWUSER, Path: fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), users.Fd())},
			{Type: configs.NEWPID}, {Type: configs.NEWNS}, {Type: configs.NEWNET}, {Type: configs.NEWIPC}, {Type: configs.NEWUTS},
			{Type: configs.NEWCGROUP},
		},
		UIDMappings: ids, GIDMappings: ids,
		Mounts: mounts(spec), MaskPaths: masked, ReadonlyPaths: readOnly, Sysctl: limits,
		Devices:  nodeDevices,
		Networks: []*configs.Network{{Type: "loopback"}},
		Capabilities: &configs.Capabilities{
			Bounding: capabilities, Effective: capabilities, Permitted: capabilities,
		},
		NoNewPrivileges: true,
		NoNewKeyring:    true, // it has one already: the first stage made it
		OomScoreAdj:     oomScore(),
		Cgroups:         &cgroups.Cgroup{Path: "/" + group, Resources: resources(spec)},
		Version:         specs.Version,
	}
}

// resources turns the node's sizes into limits of its control group. Memory and swap together at the same size means no swap.
func resources(spec sandbox.NodeSpec) *cgroups.Resources {
	const period = 100_000 // µs, the kernel's default
	pids := spec.PIDs
	r := &cgroups.Resources{
		Memory: spec.Memory, MemorySwap: spec.Memory, PidsLimit: &pids,
		CpuPeriod: period, CpuQuota: spec.CPU * period / 1000,
		CpuShares: uint64(max(2, spec.CPU*1024/1000)),
		CpuWeight: cgroups.ConvertCPUSharesToCgroupV2Value(uint64(max(2, spec.CPU*1024/1000))),
		Unified:   map[string]string{},
	}
	for _, device := range nodeDevices {
		r.Devices = append(r.Devices, &device.Rule)
	}
	// Terminals of the node's own devpts, and ptmx.
	r.Devices = append(r.Devices, character(136, devices.Wildcard), character(5, 2))
	if !cgroups.IsCgroup2UnifiedMode() {
		r.Unified = nil
		if _, err := os.Stat("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes"); err != nil {
			r.MemorySwap = 0 // the kernel counts no swap
		}
	} else {
		// Groups are the kernel's memory: a learner who may make them may not make too many.
		r.Unified["cgroup.max.descendants"], r.Unified["cgroup.max.depth"] = strconv.Itoa(cgroup.Most), strconv.Itoa(cgroup.Deepest)
	}
	return r
}

// nodeDevices are in the node's /dev. Inside a user namespace libcontainer binds the host's.
var nodeDevices = []*devices.Device{
	device("null", 1, 3), device("zero", 1, 5), device("full", 1, 7), device("random", 1, 8), device("urandom", 1, 9), device("tty", 5, 0),
}

func device(name string, major, minor int64) *devices.Device {
	return &devices.Device{Path: "/dev/" + name, FileMode: 0o666, Rule: *character(major, minor)}
}

func character(major, minor int64) *devices.Rule {
	return &devices.Rule{Type: devices.CharDevice, Major: major, Minor: minor, Permissions: "rwm", Allow: true}
}

// oomScore keeps node init at 0, below the agent (100), shells (300) and pods (500), unless the daemon itself stands higher: to lower it
// needs CAP_SYS_RESOURCE.
func oomScore() *int {
	score := 0
	if text, err := os.ReadFile("/proc/self/oom_score_adj"); err == nil {
		own, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		score = max(0, own)
	}
	return &score
}
