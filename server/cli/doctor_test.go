package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"podlab/sandbox"
)

// wrong are the names of what is wrong, and of what could be better.
func wrong(findings []finding) (bad, warned []string) {
	for _, f := range findings {
		switch {
		case !f.ok && f.warning:
			warned = append(warned, f.name)
		case !f.ok:
			bad = append(bad, f.name)
		}
	}
	return bad, warned
}

// fixture is the / of a machine on which all is well; files change it, "" takes one away.
func fixture(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	good := map[string]string{
		"proc/sys/kernel/osrelease": "6.1.0-43-amd64", "proc/sys/user/max_user_namespaces": "31000", "proc/self/ns/user": "x", "proc/filesystems": "nodev\toverlay",
		"dev/loop-control": "x", "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids", "proc/sys/kernel/seccomp/actions_avail": "kill_process errno allow",
		"sys/kernel/btf/vmlinux": "x", "usr/sbin/mkfs.ext4": "x", "proc/meminfo": "MemTotal: 9 kB\nMemAvailable:  4000000 kB",
		"proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw", "proc/self/status": "CapBnd:\t000001ffffffffff",
	}
	for path, text := range files {
		good[path] = text
	}
	for path, text := range good {
		if text == "" {
			continue
		}
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestDoctorReadsTheMachine(t *testing.T) {
	const v1 = "sys/fs/cgroup/"
	for _, c := range []struct {
		what, bad, warned, says string
		files                   map[string]string
	}{
		{what: "all is well"},
		{what: "an old kernel", bad: "kernel", says: "5.18.99 is too old", files: map[string]string{"proc/sys/kernel/osrelease": "5.18.99"}},
		{what: "the first kernel", files: map[string]string{"proc/sys/kernel/osrelease": "5.19.0-rc1"}},
		{what: "no namespaces allowed", bad: "user namespaces", says: "is 0", files: map[string]string{"proc/sys/user/max_user_namespaces": "0"}},
		{what: "few namespaces", warned: "user namespaces", says: "at most 30", files: map[string]string{"proc/sys/user/max_user_namespaces": "30"}},
		{what: "no namespaces at all", bad: "user namespaces", says: "has none", files: map[string]string{"proc/self/ns/user": ""}},
		{what: "Debian's own switch", says: "not about the daemon: leave it", files: map[string]string{"proc/sys/kernel/unprivileged_userns_clone": "0"}},
		{what: "Ubuntu 24.04", says: "leave it on", files: map[string]string{"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1"}},
		{what: "no overlay", bad: "overlay", says: "does not know", files: map[string]string{"proc/filesystems": "nodev\tproc\n\text4"}},
		{what: "overlay as a module", says: "when the first root is made", files: map[string]string{
			"proc/filesystems": "nodev\tproc", "lib/modules/6.1.0-43-amd64/kernel/fs/overlayfs/overlay.ko": "x"}},
		{what: "no loop devices", bad: "loop devices", says: "modprobe loop", files: map[string]string{"dev/loop-control": ""}},
		{what: "no groups", bad: "control groups", says: "nothing is mounted", files: map[string]string{"sys/fs/cgroup/cgroup.controllers": ""}},
		{what: "no memory controller", bad: "control groups", says: "boot with cgroup_enable=memory", files: map[string]string{
			"sys/fs/cgroup/cgroup.controllers": "cpu pids"}},
		{what: "controllers taken away at boot", bad: "control groups", says: "boot without cgroup_disable=memory,io cgroup_disable=pids; a Raspberry",
			files: map[string]string{"sys/fs/cgroup/cgroup.controllers": "cpu",
				"proc/cmdline": "quiet cgroup_disable=memory,io cgroup_disable=rdma cgroup_disable=pids"}},
		{what: "controllers not given to a container", bad: "control groups", says: "give the container the host's groups", files: map[string]string{
			".dockerenv": "x", "proc/self/status": "CapBnd:\t000001ffffffffff", "sys/fs/cgroup/cgroup.controllers": "cpu"}},
		{what: "version 1", says: "version 1", files: map[string]string{
			"sys/fs/cgroup/cgroup.controllers": "", v1 + "cpu/cgroup.procs": "1", v1 + "memory/cgroup.procs": "1", v1 + "pids/cgroup.procs": "1"}},
		{what: "version 1 without pids", bad: "control groups", says: "no controller pids", files: map[string]string{
			"sys/fs/cgroup/cgroup.controllers": "", v1 + "cpu/cgroup.procs": "1", v1 + "memory/cgroup.procs": "1"}},
		{what: "groups read-only", bad: "control groups", says: "read-only", files: map[string]string{
			"proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup2 rw"}},
		{what: "no seccomp", bad: "seccomp", says: "CONFIG_SECCOMP_FILTER", files: map[string]string{"proc/sys/kernel/seccomp/actions_avail": ""}},
		{what: "no BTF", warned: "eBPF", says: "CONFIG_DEBUG_INFO_BTF", files: map[string]string{"sys/kernel/btf/vmlinux": ""}},
		{what: "locked down", warned: "eBPF", says: "lockdown", files: map[string]string{"sys/kernel/security/lockdown": "none integrity [confidentiality]"}},
		{what: "no e2fsprogs", bad: "mkfs.ext4", says: "e2fsprogs", files: map[string]string{"usr/sbin/mkfs.ext4": ""}},
		{what: "little memory", warned: "memory", says: "488 MiB", files: map[string]string{"proc/meminfo": "MemAvailable: 500000 kB"}},
		{what: "Docker with all rights", says: "this is Docker", files: map[string]string{".dockerenv": "x"}},
		{what: "Docker as usual", bad: "container", says: "takes CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_SYS_PTRACE", files: map[string]string{
			".dockerenv": "x", "proc/self/status": "CapBnd:\t00000000a80425fb"}},
		{what: "Docker without devices", bad: "loop devices", says: "--privileged", files: map[string]string{".dockerenv": "x", "dev/loop-control": ""}},
		{what: "LXC", says: "this is LXC", files: map[string]string{"run/systemd/container": "lxc"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			findings := machine(fixture(t, c.files), t.TempDir())
			bad, warned := wrong(findings)
			warned = slices.DeleteFunc(warned, isDisk) // the real one's
			if strings.Join(bad, ",") != c.bad || strings.Join(warned, ",") != c.warned {
				t.Errorf("bad %v, warned %v", bad, warned)
			}
			var said strings.Builder
			for _, f := range findings {
				said.WriteString(f.says.in("en") + " → " + f.remedy.in("en") + "\n")
				if !f.ok && f.remedy.format == "" {
					t.Errorf("%s has no remedy", f.name)
				}
				inChinese(t, f)
			}
			if !strings.Contains(said.String(), c.says) {
				t.Errorf("%q is not in\n%s", c.says, said.String())
			}
		})
	}
}

// inChinese wants what a finding says in words of that language, with the same names and numbers in them.
func inChinese(t *testing.T, f finding) {
	t.Helper()
	for _, p := range []phrase{f.says, f.remedy} {
		said := p.in("zh_CN.UTF-8")
		if strings.Contains(said, "%!") || !p.same && p.format != "" && !strings.ContainsFunc(said, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
			t.Errorf("%s: %q is in Chinese %q", f.name, p.in("en"), said)
		}
	}
}

// TestDoctorBelievesTheDaemon: what the daemon found missing is one line, whether the machine shows it too or not.
func TestDoctorBelievesTheDaemon(t *testing.T) {
	for _, c := range []struct {
		feature, name, says, remedy string
		shown                       map[string]string // how the machine shows it, nil when it does not
	}{
		{feature: "overlay", name: "overlay", says: "containers' roots cannot be made", remedy: "modprobe x, then start Podlab again",
			shown: map[string]string{"proc/filesystems": "nodev\tproc"}},
		{feature: "ext4", name: "ext4", says: "nodes' disks cannot be mounted", remedy: "modprobe x, then"},
		{feature: "loop", name: "loop devices", says: "nodes' disks cannot be limited", remedy: "modprobe x, then", shown: map[string]string{"dev/loop-control": ""}},
		{feature: "seccomp", name: "seccomp", says: "cannot filter system calls", remedy: "modprobe x, then",
			shown: map[string]string{"proc/sys/kernel/seccomp/actions_avail": ""}},
		{feature: "btf", name: "eBPF", says: "does not tell its types", remedy: "modprobe x, then", shown: map[string]string{"sys/kernel/btf/vmlinux": ""}},
		{feature: "mkfs.ext4", name: "mkfs.ext4", says: "no such program", remedy: "modprobe x, then", shown: map[string]string{"usr/sbin/mkfs.ext4": ""}},
		{feature: "cgroup_memory", name: "control groups", says: "memory cannot be limited", remedy: "modprobe x, then",
			shown: map[string]string{"sys/fs/cgroup/cgroup.controllers": "cpu pids"}},
		{feature: "user_namespaces", name: "user namespaces", says: "made no user namespace", remedy: "modprobe x, then",
			shown: map[string]string{"proc/sys/user/max_user_namespaces": "0"}},
		{feature: "idmapped_mounts", name: "idmapped_mounts", says: "no mount with other ids", remedy: "modprobe x, then"},
	} {
		t.Run(c.feature, func(t *testing.T) {
			told := found(sandbox.HostInfo{Tracer: "ebpf", Missing: []*sandbox.Error{
				sandbox.Errorf(sandbox.CodeMissingFeature, "feature", c.feature, "remedy", "modprobe x")}})
			findings := join(machine(fixture(t, nil), "/proc"), told)
			i := slices.IndexFunc(findings, func(f finding) bool { return !f.ok && f.name != "disk" })
			if i < 0 || findings[i].name != c.name || !strings.Contains(findings[i].says.in("en"), c.says) ||
				!strings.Contains(findings[i].remedy.in("en"), c.remedy) {
				t.Fatalf("%v", findings)
			}
			inChinese(t, findings[i])
			if c.shown == nil {
				return
			}
			shown := machine(fixture(t, c.shown), "/proc")
			bad, warned := wrong(join(slices.Clone(shown), told))
			alone, warnedAlone := wrong(shown)
			if !slices.Equal(bad, alone) || !slices.Equal(warned, warnedAlone) || len(bad)+len(warned) == 0 {
				t.Errorf("shown: bad %v, warned %v; with the daemon's answer bad %v, warned %v", alone, warnedAlone, bad, warned)
			}
		})
	}
}

// TestDoctorKnowsEveryFeature: what the daemon may find missing is said in words, in both languages.
func TestDoctorKnowsEveryFeature(t *testing.T) {
	source, err := os.ReadFile("../../sandbox/internal/features/features.go") // the daemon's own, which this program may not import
	if err != nil {
		t.Fatal(err)
	}
	essential := regexp.MustCompile(`"([a-z0-9_.]+)": true`).FindAllStringSubmatch(string(source), -1)
	if len(essential) < 10 {
		t.Errorf("only %d features in features.go", len(essential))
	}
	for _, found := range append(essential, []string{"", "btf"}) {
		says, ok := features[found[1]]
		if !ok {
			t.Errorf("no words for %s", found[1])
		}
		inChinese(t, finding{name: found[1], says: says})
	}
	for _, says := range tracers {
		inChinese(t, finding{name: "kernel events", says: says})
	}
}

// TestDoctorSpeaks runs the command itself, without a daemon, in both languages.
func TestDoctorSpeaks(t *testing.T) {
	for lang, want := range map[string]struct{ remedy, end string }{
		"en_GB.UTF-8": {"→ start it: sudo ./scripts/run", " checks failed"}, "zh_CN.UTF-8": {"→ 启动它：sudo ./scripts/run", " 项检查未通过，共 "},
	} {
		var out, errs strings.Builder
		New(nil, &out, &errs).Main(t.Context(), []string{"--run", t.TempDir(), "doctor", "--lang", lang, "--data", "/"})
		if !strings.Contains(out.String(), want.remedy) || !strings.Contains(errs.String(), want.end) {
			t.Errorf("%s: %s%s", lang, out.String(), errs.String())
		}
	}
}

// TestDoctorOnThisMachine takes features of the real machine away, each in namespaces of its own, and asks the doctor there.
func TestDoctorOnThisMachine(t *testing.T) {
	if os.Getenv("PODLAB_DOCTOR") != "" { // in there
		bad, warned := wrong(machine("/", "/"))
		found := slices.DeleteFunc(append(bad, warned...), isDisk) // it may be small where this runs
		os.Stdout.WriteString("found " + strings.Join(found, ",") + ".\n")
		return
	}
	if os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	for _, c := range []struct {
		take, missing string
		user          bool // in a user namespace of its own
	}{
		{take: "true"},
		{take: "mount -t tmpfs tmpfs /sys/fs/cgroup", missing: "control groups"},
		{take: "mount -t tmpfs tmpfs /dev", missing: "loop devices"},
		{take: "mount -t tmpfs tmpfs /sys/kernel", missing: "eBPF"},
		{take: "echo 0 > /proc/sys/user/max_user_namespaces", missing: "user namespaces", user: true},
	} {
		cmd := exec.CommandContext(t.Context(), "sh", "-ec", c.take+"\nexec \"$0\" -test.run '^TestDoctorOnThisMachine$'", "/proc/self/exe")
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Args[len(cmd.Args)-1] = exe
		cmd.Env = append(os.Environ(), "PODLAB_DOCTOR=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
		if c.user {
			ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 65536}}
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids}
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", c.take, err, out)
		}
		_, found, _ := strings.Cut(string(out), "found ")
		found, _, _ = strings.Cut(found, ".\n")
		if (found != "") != (c.missing != "") || !strings.Contains(found, c.missing) {
			t.Errorf("after %q the doctor finds %q, want %q", c.take, found, c.missing)
		}
	}
}

func isDisk(feature string) bool { return feature == "disk" }
