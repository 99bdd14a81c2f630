package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type doctorCmd struct {
	Data string `help:"Data directory, for the disk check." default:"/var/lib/podlab" placeholder:"DIR"`
}

// finding is one line of the doctor's answer.
type finding struct {
	name    string
	ok      bool
	says    string
	remedy  string
	warning bool // it works without, but less well
}

// Run prints what this machine has and lacks. It fails when something needed is missing.
func (c *doctorCmd) Run(e *env) error {
	findings := append(machine("/", c.Data), e.daemon()...)
	bad := 0
	for _, f := range findings {
		mark := "ok  "
		switch {
		case !f.ok && f.warning:
			mark = "warn"
		case !f.ok:
			mark = "BAD "
			bad++
		}
		fmt.Fprintf(e.Out, "%s  %-16s %s\n", mark, f.name, f.says)
		if !f.ok && f.remedy != "" {
			fmt.Fprintf(e.Out, "      %-16s → %s\n", "", f.remedy)
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d checks failed", bad, len(findings))
	}
	return nil
}

// daemon asks the root daemon what it found.
func (e *env) daemon() []finding {
	ctx, cancel := context.WithTimeout(e.ctx, 3*time.Second)
	defer cancel()
	info, err := e.nodes.Info(ctx)
	if err != nil {
		remedy := "start it: sudo ./scripts/run"
		if errors.Is(err, fs.ErrPermission) {
			remedy = "its socket is for root and group podlab: use sudo"
		}
		return []finding{{name: "daemon", says: explain(err), remedy: remedy}}
	}
	out := []finding{
		{name: "daemon", ok: true, says: fmt.Sprintf("answers; %d of %d nodes", info.Nodes, info.MaxNodes)},
		{name: "kernel events", ok: info.Tracer == "ebpf", warning: true, says: tracers[info.Tracer],
			remedy: "a kernel with BTF and BPF, and root's CAP_BPF, give all events at once"},
	}
	for _, missing := range info.Missing {
		out = append(out, finding{name: "missing", says: missing.Params["feature"], remedy: missing.Params["remedy"]})
	}
	return out
}

var tracers = map[string]string{
	"ebpf": "by eBPF: every fork, exec and exit",
	"proc": "by the kernel's proc connector",
	"poll": "by looking again and again: short-lived processes may be missed",
}

// machine looks at the host itself. root is where / is, for tests.
func machine(root, data string) []finding {
	has := func(path string) bool { _, err := os.Stat(filepath.Join(root, path)); return err == nil }
	out := []finding{kernel(read(root, "proc/sys/kernel/osrelease"))}
	out = append(out,
		finding{name: "user namespaces", ok: number(read(root, "proc/sys/user/max_user_namespaces"), 0) > 0 && has("proc/self/ns/user"),
			says: "a user namespace for each learner", remedy: "sysctl user.max_user_namespaces=65536"},
		finding{name: "overlay", ok: strings.Contains(read(root, "proc/filesystems"), "overlay"), says: "layered roots of containers", remedy: "modprobe overlay"},
		finding{name: "loop devices", ok: has("dev/loop-control"), says: "a limited disk for each node", remedy: "modprobe loop"},
		finding{name: "control groups", ok: has("sys/fs/cgroup/cgroup.controllers") || has("sys/fs/cgroup/memory"),
			says: cgroups(has), remedy: "mount cgroup2 at /sys/fs/cgroup"},
		finding{name: "seccomp", ok: strings.Contains(read(root, "proc/sys/kernel/seccomp/actions_avail"), "errno"),
			says: "filters of system calls", remedy: "a kernel with CONFIG_SECCOMP_FILTER"},
		finding{name: "BTF", ok: has("sys/kernel/btf/vmlinux"), warning: true,
			says: "the kernel's own types, for eBPF", remedy: "a kernel with CONFIG_DEBUG_INFO_BTF, as Debian's"},
		memory(read(root, "proc/meminfo")),
	)
	if disk, ok := diskFree(data); ok {
		out = append(out, disk)
	}
	return out
}

func read(root, path string) string {
	data, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

func number(s string, fallback int64) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return fallback
	}
	return n
}

// kernel: idmapped mounts of overlay's layers came with 5.19.
func kernel(release string) finding {
	var major, minor int
	_, _ = fmt.Sscanf(release, "%d.%d", &major, &minor) // zeros fail the check
	return finding{name: "kernel", ok: major > 5 || major == 5 && minor >= 19, says: release, remedy: "5.19 or newer: Debian 12, Ubuntu 24.04"}
}

func cgroups(has func(string) bool) string {
	if has("sys/fs/cgroup/cgroup.controllers") {
		return "version 2"
	}
	return "version 1"
}

// memory: a node takes about 12 MB when idle and 256 MB at most.
func memory(meminfo string) finding {
	const least = 1 << 20 // KiB
	for line := range strings.Lines(meminfo) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "MemAvailable:" {
			free := number(fields[1], 0)
			return finding{name: "memory", ok: free >= least, warning: true, says: fmt.Sprintf("%d MiB free", free>>10), remedy: "1 GiB free serves a small class"}
		}
	}
	return finding{name: "memory", warning: true, says: "unknown"}
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
		says: fmt.Sprintf("%d MiB free at %s", free>>20, dir), remedy: "2 GiB hold the images and a small class",
	}, true
}
