package engine

import (
	"path/filepath"
	"strings"

	"github.com/opencontainers/cgroups"
	devices "github.com/opencontainers/cgroups/devices/config"
	"github.com/opencontainers/runc/libcontainer/configs"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// oomScore of containers, above that of the node's shells, agent and init: under pressure the kernel takes a pod first.
var oomScore, infraOOMScore = 500, 400

// masked and readOnly are Docker's and containerd's lists, with what a shared kernel should not tell a learner either
// (security.md, Walls).
var (
	masked = []string{
		"/proc/acpi", "/proc/asound", "/proc/buddyinfo", "/proc/cmdline", "/proc/config.gz", "/proc/consoles", "/proc/diskstats", "/proc/fs",
		"/proc/interrupts", "/proc/iomem", "/proc/ioports", "/proc/kallsyms", "/proc/kcore", "/proc/key-users", "/proc/keys",
		"/proc/latency_stats", "/proc/modules", "/proc/partitions", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
		"/proc/timer_stats", "/proc/zoneinfo", "/sys/block", "/sys/class/block", "/sys/dev/block", "/sys/devices/virtual/block",
		"/sys/devices/virtual/powercap", "/sys/firmware", "/sys/kernel/debug", "/sys/kernel/security", "/sys/kernel/tracing", "/sys/module",
	}
	readOnly = []string{"/proc/bus", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

// skeleton is what every container's configuration has in common. No user namespace and no mappings: the node's own is the wall.
func skeleton(rootfs, cgroup string) *configs.Config {
	return &configs.Config{
		Rootfs:          rootfs,
		Cgroups:         &cgroups.Cgroup{Path: cgroup, Resources: &cgroups.Resources{}}, // no rules: the node's group has them (SkipDevices would refuse to start)
		Devices:         nodes(),
		NoNewPrivileges: true,
		NoNewKeyring:    true, // keyctl is closed by the node's filter
		OomScoreAdj:     &oomScore,
		Version:         "1.2.0",
	}
}

// infraConfig is the configuration of a pod's pause container: it only holds namespaces. Whatever is mounted or masked for it is time before
// the pod's first container, so it has no devices, and a /proc of processes alone (proc(5), subset=pid: Linux 5.8) with nothing to mask.
func (u *unit) infraConfig(rootfs string, shared heldNamespaces) *configs.Config {
	c := skeleton(rootfs, u.cgroup(infraName))
	c.OomScoreAdj = &infraOOMScore
	c.Capabilities = sets(nil)
	c.Readonlyfs = true
	c.Namespaces = configs.Namespaces{{Type: configs.NEWNS}, {Type: configs.NEWCGROUP}}
	for _, kind := range u.sharedTypes() {
		c.Namespaces.Add(kind, shared.path(kind))
	}
	spec := &u.object.Spec
	if !spec.HostPID {
		c.Namespaces.Add(configs.NEWPID, "")
	}
	if !spec.HostNetwork {
		c.Hostname = u.hostname()
	}
	if c.Sysctl = sysctls(spec.SecurityContext); c.Sysctl != nil { // they are written below /proc/sys
		c.MaskPaths, c.ReadonlyPaths = masked, readOnly
		c.Mounts = []*configs.Mount{procMount(), devMount()}
		return c
	}
	processes := procMount()
	processes.Data = "subset=pid"
	nothing := bind(u.engine.emptyDir(), "/dev", quiet|unix.MS_RDONLY) // a bound /dev needs no device
	c.Mounts, c.Devices = []*configs.Mount{processes, nothing}, nil
	return c
}

// sysctls are the settings of the pod's namespaces; the first process in them writes them.
func sysctls(sc *sandbox.PodSecurityContext) map[string]string {
	if sc == nil || len(sc.Sysctls) == 0 {
		return nil
	}
	values := map[string]string{}
	for _, s := range sc.Sysctls {
		values[strings.ReplaceAll(s.Name, "/", ".")] = s.Value
	}
	return values
}

// appConfig is the configuration of a container that joins namespaces: those in joined by path, no entry for the node's own.
func (u *unit) appConfig(spec *sandbox.ContainerSpec, rootfs string, namespaces configs.Namespaces, volumes []*configs.Mount) (*configs.Config, error) {
	c := skeleton(rootfs, u.cgroup(spec.Name))
	c.Namespaces = namespaces
	caps, err := grant(spec.SecurityContext)
	if err != nil {
		return nil, err
	}
	c.Capabilities = sets(caps)
	if u.object.plain() && namespaces.IsPrivate(configs.NEWUTS) {
		c.Hostname = u.hostname()
	}
	if err := u.limit(c.Cgroups.Resources, spec); err != nil {
		return nil, err
	}
	c.Mounts = append(systemMounts(), shmMount(u.shm()))
	c.Mounts = append(c.Mounts, u.fileMounts(volumes)...)
	c.Mounts = append(c.Mounts, volumes...)
	c.MaskPaths = masked
	if privileged(spec.SecurityContext) {
		openUp(c)
		return c, nil
	}
	c.ReadonlyPaths = readOnly
	c.Namespaces = append(c.Namespaces, configs.Namespace{Type: configs.NEWCGROUP})
	c.Readonlyfs = spec.SecurityContext != nil && spec.SecurityContext.ReadOnlyRootFilesystem != nil && *spec.SecurityContext.ReadOnlyRootFilesystem
	if u.unconfined(spec.SecurityContext) {
		return c, nil
	}
	c.Seccomp, err = filter(caps)
	return c, err
}

// unconfined reports whether a container goes without a filter of its own (seccompProfile Unconfined, of the container before that of
// the pod). The node's own filter holds all the same. Unlike Kubernetes' default, no profile means RuntimeDefault here.
func (u *unit) unconfined(sc *sandbox.SecurityContext) bool {
	var profile *sandbox.SeccompProfile
	if pod := u.object.Spec.SecurityContext; pod != nil {
		profile = pod.SeccompProfile
	}
	if sc != nil {
		profile = or(sc.SeccompProfile, profile)
	}
	return profile != nil && profile.Type == profileUnconfined
}

// Types of seccompProfile.
const (
	profileDefault    = "RuntimeDefault"
	profileUnconfined = "Unconfined"
)

// openUp is for a privileged container: the node's control groups are there to be written, no path is read-only, and no second filter
// is added to the node's. /sys stays read-only, since a user namespace can have no other. What tells of the host stays masked: that
// is no wall, since it may mount a /proc of its own, whose settings of the kernel are as closed to it as those of the first.
func openUp(c *configs.Config) {
	for _, m := range c.Mounts {
		if m.Device == "cgroup" {
			m.Flags &^= unix.MS_RDONLY
		}
	}
}

// limit sets the cgroup's limits by Kubernetes' rules (pkg/kubelet/cm: MilliCPUToQuota, MilliCPUToShares).
func (u *unit) limit(r *cgroups.Resources, spec *sandbox.ContainerSpec) error {
	a, err := amounts("resources.", spec.Resources)
	if err != nil {
		return err
	}
	r.Memory = a.memoryLimit
	r.CpuShares = max(2, uint64(a.cpu)*1024/1000)
	if cgroups.IsCgroup2UnifiedMode() {
		r.CpuWeight = cgroups.ConvertCPUSharesToCgroupV2Value(r.CpuShares)
		r.Unified = map[string]string{"memory.oom.group": "1"} // a container is killed whole, as since Kubernetes 1.28
	}
	if a.cpuLimit > 0 {
		r.CpuPeriod = 100_000                           // µs
		r.CpuQuota = max(1000, a.cpuLimit*100_000/1000) // µs
	}
	pids := a.pidsLimit
	if pids == 0 {
		pids = u.engine.cfg.Capacity.PIDs / 2 // a fork bomb leaves the node's shells a half
	}
	if pids > 0 {
		r.PidsLimit = &pids
	}
	return nil
}

// nodes are the device files of every container. Inside a user namespace libcontainer binds them from the node's /dev.
func nodes() []*devices.Device {
	var out []*devices.Device
	for _, d := range []struct {
		name  string
		minor int64
	}{{"null", 3}, {"zero", 5}, {"full", 7}, {"random", 8}, {"urandom", 9}} {
		out = append(out, device(d.name, 1, d.minor))
	}
	return append(out, device("tty", 5, 0))
}

func device(name string, major, minor int64) *devices.Device {
	return &devices.Device{
		Path:     filepath.Join("/dev", name),
		FileMode: 0o666,
		Rule:     devices.Rule{Type: devices.CharDevice, Major: major, Minor: minor, Permissions: "rwm", Allow: true},
	}
}

const quiet = unix.MS_NOEXEC | unix.MS_NOSUID | unix.MS_NODEV

func procMount() *configs.Mount {
	return &configs.Mount{Source: "proc", Device: "proc", Destination: "/proc", Flags: quiet}
}

func devMount() *configs.Mount {
	return &configs.Mount{Source: "tmpfs", Device: "tmpfs", Destination: "/dev", Flags: unix.MS_NOSUID | unix.MS_STRICTATIME, Data: "mode=755,size=64k"}
}

// shmMount is the /dev/shm that all containers of one IPC namespace share.
func shmMount(source string) *configs.Mount {
	return bind(source, "/dev/shm", quiet)
}

func systemMounts() []*configs.Mount {
	return []*configs.Mount{
		procMount(),
		devMount(),
		{Source: "devpts", Device: "devpts", Destination: "/dev/pts", Flags: unix.MS_NOSUID | unix.MS_NOEXEC,
			Data: "newinstance,ptmxmode=0666,mode=0620,gid=5,max=64"}, // the host has some 3,000 for all nodes
		{Source: "mqueue", Device: "mqueue", Destination: "/dev/mqueue", Flags: quiet},
		{Source: "sysfs", Device: "sysfs", Destination: "/sys", Flags: quiet | unix.MS_RDONLY},
		{Source: "cgroup", Device: "cgroup", Destination: "/sys/fs/cgroup", Flags: quiet | unix.MS_RDONLY},
	}
}

func bind(source, destination string, flags int) *configs.Mount {
	return &configs.Mount{Source: source, Destination: destination, Device: "bind", Flags: unix.MS_BIND | unix.MS_REC | flags,
		PropagationFlags: []int{unix.MS_PRIVATE | unix.MS_REC}}
}
