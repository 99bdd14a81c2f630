package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// host is where a machine's / is, for tests.
type host string

func (h host) has(path string) bool {
	_, err := os.Stat(filepath.Join(string(h), path))
	return err == nil
}

// read returns what a file says, without the space around it, "" when it is not there.
func (h host) read(path string) string {
	data, err := os.ReadFile(filepath.Join(string(h), path))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// number is what a file says, absent when it is not there or says no number.
func (h host) number(path string, absent int64) int64 {
	n, err := strconv.ParseInt(h.read(path), 10, 64)
	if err != nil {
		return absent
	}
	return n
}

// machine looks at the host itself: at what anybody may see of it. The daemon tries what only root can try (features.Missing).
func machine(root, data string) []finding {
	h := host(root)
	out := []finding{
		kernel(h.read("proc/sys/kernel/osrelease")), h.userNamespaces(), h.apparmor(), h.overlay(), h.loop(), h.controlGroups(), h.seccomp(), h.events(),
		h.formatter(), memory(h.read("proc/meminfo")),
	}
	if disk, ok := diskFree(data); ok {
		out = append(out, disk)
	}
	if inside := h.container(); inside != "" {
		out = append(out, h.nesting(inside))
	}
	return out
}

// kernel: idmapped mounts of overlay's layers came with 5.19.
func kernel(release string) finding {
	var major, minor int
	_, _ = fmt.Sscanf(release, "%d.%d", &major, &minor) // zeros fail the check
	if major > 5 || major == 5 && minor >= 19 {
		return finding{name: "kernel", ok: true, says: text("%s: overlay takes idmapped layers", release)}
	}
	return finding{name: "kernel", says: text("%s is too old: overlay takes idmapped layers from 5.19 on", release),
		remedy: text("a kernel 5.19 or newer: Debian 12, Ubuntu 24.04")}
}

// userNamespaces: each learner has one (user_namespaces(7)). The limit is of this user namespace: a container may have its own.
func (h host) userNamespaces() finding {
	f := finding{name: "user namespaces", remedy: command("sysctl -w user.max_user_namespaces=65536")}
	switch most := h.number("proc/sys/user/max_user_namespaces", -1); {
	case !h.has("proc/self/ns/user"):
		f.says, f.remedy = text("the kernel has none"), text("a kernel with CONFIG_USER_NS, as Debian's and Ubuntu's")
	case most == 0:
		f.says = text("user.max_user_namespaces is 0: none may be made")
	case most > 0 && most < leastNamespaces:
		f.ok, f.warning, f.says = false, true, text("at most %d: so many learners and no more", most)
	case h.number("proc/sys/kernel/unprivileged_userns_clone", 1) == 0: // Debian's own; userns.c keeps the capability that it asks for
		f.ok, f.says = true, text("one for each learner; kernel.unprivileged_userns_clone=0 is not about the daemon: leave it")
	default:
		f.ok, f.says = true, text("one for each learner")
	}
	return f
}

// leastNamespaces is a class, and some.
const leastNamespaces = 256

// apparmor: Ubuntu 24.04 lets a program without CAP_SYS_ADMIN or a profile do nothing in a user namespace of its own. The daemon has the
// capability when it makes a node's (sandbox/internal/userns), so the answer is no reason to change the setting.
func (h host) apparmor() finding {
	f := finding{name: "AppArmor", ok: true, says: text("does not restrict user namespaces")}
	if h.number("proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0) != 0 {
		f.says = text("restricts user namespaces of programs without rights: the daemon's are not concerned, leave it on")
	}
	return f
}

func (h host) overlay() finding {
	if slices.Contains(strings.Fields(h.read("proc/filesystems")), "overlay") {
		return finding{name: "overlay", ok: true, says: text("layered roots of containers")}
	}
	module := filepath.Join("lib/modules", h.read("proc/sys/kernel/osrelease"), "kernel/fs/overlayfs")
	if h.has(module) {
		return finding{name: "overlay", ok: true, says: text("a module, which the kernel loads when the first root is made")}
	}
	return finding{name: "overlay", says: text("the kernel does not know the file system overlay"), remedy: command("modprobe overlay")}
}

func (h host) loop() finding {
	if h.has("dev/loop-control") {
		return finding{name: "loop devices", ok: true, says: text("a limited disk for each node")}
	}
	f := finding{name: "loop devices", says: text("there is no /dev/loop-control"), remedy: command("modprobe loop")}
	if h.container() != "" {
		f.remedy = text("modprobe loop on the host, and the host's devices for the container (docker run --privileged)")
	}
	return f
}

// controllers that limit a node.
var controllers = []string{"cpu", "memory", "pids"}

// controlGroups looks for the controllers: of version 2 in cgroup.controllers, of version 1 as directories, each a hierarchy.
func (h host) controlGroups() finding {
	f := finding{name: "control groups"}
	second := h.has("sys/fs/cgroup/cgroup.controllers")
	there := strings.Fields(h.read("sys/fs/cgroup/cgroup.controllers"))
	var missing []string
	for _, name := range controllers {
		if second && !slices.Contains(there, name) || !second && !h.has("sys/fs/cgroup/"+name+"/cgroup.procs") {
			missing = append(missing, name)
		}
	}
	switch {
	case !second && len(missing) == len(controllers):
		f.says, f.remedy = text("nothing is mounted at /sys/fs/cgroup"), command("mount -t cgroup2 cgroup2 /sys/fs/cgroup")
	case len(missing) > 0:
		f.says, f.remedy = text("no controller %s", strings.Join(missing, ", ")), h.controllersBack(missing)
	case h.readOnly("/sys/fs/cgroup"):
		f.says, f.remedy = text("/sys/fs/cgroup is mounted read-only"), text("run the container with --privileged; LXC: lxc.mount.auto = cgroup:rw")
	case second:
		f.ok, f.says = true, text("version 2, with %s", strings.Join(controllers, ", "))
	default:
		f.ok, f.says = true, text("version 1, with %s", strings.Join(controllers, ", "))
	}
	return f
}

// controllersBack says how missing controllers come back. The kernel's command line may take them away (kernel-parameters.txt): a Raspberry
// Pi's firmware writes that of memory there itself, and its kernel takes back what stands later.
func (h host) controllersBack(missing []string) phrase {
	var off []string
	for _, word := range strings.Fields(h.read("proc/cmdline")) {
		names, found := strings.CutPrefix(word, "cgroup_disable=")
		if found && slices.ContainsFunc(strings.Split(names, ","), func(name string) bool { return slices.Contains(missing, name) }) {
			off = append(off, word)
		}
	}
	switch {
	case len(off) > 0:
		return text("boot without %s; a Raspberry Pi: with %s at the end of its cmdline.txt", strings.Join(off, " "), enable(missing))
	case h.container() != "":
		return text("give the container the host's groups (docker run --privileged)")
	}
	return text("a kernel that has it, as Debian's and Ubuntu's; where the boot loader leaves it off, boot with %s", enable(missing))
}

// enable is what some kernels take on their command line.
func enable(controllers []string) string {
	return "cgroup_enable=" + strings.Join(controllers, " cgroup_enable=")
}

// readOnly reports whether the newest mount of cgroups at or below a directory is read-only (proc_pid_mountinfo(5)).
func (h host) readOnly(dir string) (yes bool) {
	for line := range strings.Lines(h.read("proc/self/mountinfo")) {
		f := strings.Fields(line)
		if len(f) > 5 && strings.HasPrefix(f[4], dir) && strings.Contains(line, " - cgroup") {
			yes = strings.HasPrefix(f[5], "ro")
		}
	}
	return yes
}

func (h host) seccomp() finding {
	if slices.Contains(strings.Fields(h.read("proc/sys/kernel/seccomp/actions_avail")), "errno") {
		return finding{name: "seccomp", ok: true, says: text("filters of system calls")}
	}
	return finding{name: "seccomp", says: text("the kernel cannot filter system calls"),
		remedy: text("a kernel with CONFIG_SECCOMP_FILTER, as Debian's and Ubuntu's")}
}

// events: eBPF reads the kernel's own types. A kernel locked down for confidentiality keeps them from root too (kernel_lockdown(7)).
func (h host) events() finding {
	f := finding{name: "eBPF", warning: true}
	switch {
	case !h.has("sys/kernel/btf/vmlinux"):
		f.says = text("no /sys/kernel/btf/vmlinux: kernel events come slower, or by looking again and again")
		f.remedy = text("a kernel with CONFIG_DEBUG_INFO_BTF, as Debian's")
	case strings.Contains(h.read("sys/kernel/security/lockdown"), "[confidentiality]"):
		f.says, f.remedy = text("the kernel is locked down: no program may read its events"), text("boot without lockdown=confidentiality")
	default:
		f.ok, f.says = true, text("every fork, exec and exit as it happens")
	}
	return f
}

// formatter: mkfs.ext4, where the daemon looks for it.
func (h host) formatter() finding {
	dirs := append(filepath.SplitList(os.Getenv("PATH")), "/usr/local/sbin", "/usr/sbin", "/sbin")
	if slices.ContainsFunc(dirs, func(dir string) bool { return h.has(filepath.Join(dir, "mkfs.ext4")) }) {
		return finding{name: "mkfs.ext4", ok: true, says: text("formats nodes' disks")}
	}
	return finding{name: "mkfs.ext4", says: text("there is no such program: nodes' disks cannot be formatted"), remedy: command("apt-get install e2fsprogs")}
}

// container says in what this machine is itself contained, "" when it is not.
func (h host) container() string {
	switch {
	case h.has(".dockerenv"):
		return "Docker"
	case h.has("run/.containerenv"):
		return "Podman"
	case h.has("dev/lxd/sock"), h.has("dev/.lxc"), h.read("run/systemd/container") == "lxc":
		return "LXC"
	}
	return h.read("run/systemd/container")
}

// Capabilities without which no node is made, by number (linux/capability.h).
var capabilities = map[string]uint{"CAP_SYS_ADMIN": 21, "CAP_NET_ADMIN": 12, "CAP_MKNOD": 27, "CAP_SETUID": 7, "CAP_SYS_PTRACE": 19}

// nesting: a container must leave the daemon its rights. The bounding set says what root can have in here.
func (h host) nesting(inside string) finding {
	f := finding{name: "container", ok: true, says: text("this is %s, and it leaves root its rights", inside)}
	var bound uint64
	for line := range strings.Lines(h.read("proc/self/status")) {
		if text, found := strings.CutPrefix(line, "CapBnd:"); found {
			bound, _ = strconv.ParseUint(strings.TrimSpace(text), 16, 64) // none, if it says something else
		}
	}
	var missing []string
	for name, bit := range capabilities {
		if bound&(1<<bit) == 0 {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		f.ok, f.says = false, text("this is %s, and it takes %s from root", inside, strings.Join(missing, ", "))
		f.remedy = text("docker run --privileged; LXC: security.nesting=true and a privileged container")
	}
	return f
}

// memory: a node takes about 12 MB when idle and 512 MB at most.
func memory(meminfo string) finding {
	const least = 1 << 20 // KiB
	f := finding{name: "memory", warning: true, says: text("unknown"), remedy: text("1 GiB free serves a small class")}
	for line := range strings.Lines(meminfo) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "MemAvailable:" {
			free, _ := strconv.ParseInt(fields[1], 10, 64) // 0 warns
			f.ok, f.says = free >= least, text("%d MiB free", free>>10)
		}
	}
	return f
}

func diskFree(dir string) (finding, bool) {
	for ; dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil {
			break
		}
	}
	var st syscall.Statfs_t
	if syscall.Statfs(dir, &st) != nil {
		return finding{}, false
	}
	free := int64(st.Bavail) * st.Bsize
	return finding{
		name: "disk", ok: free >= 2<<30, warning: true,
		says: text("%d MiB free at %s", free>>20, dir), remedy: text("2 GiB hold the images and a small class"),
	}, true
}
