//go:build vm

package features

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// without is a machine that lacks something, and what `podlab doctor` has to say of it.
type without struct {
	what       string
	booted     string // the word of the kernel's command line that takes it away, "" when the commands do
	take, back string
	refused    string   // what a node is refused for, "" when one can be made all the same
	says       []string // lines of the answer in English, with one space between words
	chinese    []string
}

var machines = []without{
	{what: "nothing is taken away", take: ":", back: ":",
		says:    []string{"ok user namespaces one for each learner", "ok control groups version 2, with cpu, memory, pids", "ok kernel events by eBPF: every fork, exec and exit"},
		chinese: []string{"ok user namespaces 每个学习者一个", "ok control groups v2，控制器：cpu, memory, pids", "ok kernel events 通过 eBPF：每次 fork、exec 和 exit"}},
	{what: "overlay cannot be loaded", refused: "overlay",
		take: "echo install overlay /bin/false >/etc/modprobe.d/podlab.conf; rmmod overlay", back: "rm /etc/modprobe.d/podlab.conf; modprobe overlay",
		says: []string{"BAD overlay containers' roots cannot be made of layers: the kernel has no file system overlay",
			"→ modprobe overlay, then start Podlab again: it looks at its start"},
		chinese: []string{"BAD overlay 无法用镜像层叠出容器的根文件系统：内核没有 overlay 文件系统", "→ modprobe overlay，然后重新启动 Podlab：它在启动时检查"}},
	{what: "no loop devices", refused: "loop", take: "rmmod loop", back: "modprobe loop",
		says:    []string{"BAD loop devices there is no /dev/loop-control", "→ modprobe loop"},
		chinese: []string{"BAD loop devices 没有 /dev/loop-control", "→ modprobe loop"}},
	{what: "no mkfs.ext4", refused: "mkfs.ext4", take: "mv /sbin/mkfs.ext4 /sbin/gone", back: "mv /sbin/gone /sbin/mkfs.ext4",
		says:    []string{"BAD mkfs.ext4 there is no such program: nodes' disks cannot be formatted", "→ apt-get install e2fsprogs"},
		chinese: []string{"BAD mkfs.ext4 没有这个程序：节点的磁盘无法格式化", "→ apt-get install e2fsprogs"}},
	{what: "user.max_user_namespaces", refused: "user_namespaces",
		take: "cat /proc/sys/user/max_user_namespaces >/run/most; echo 0 >/proc/sys/user/max_user_namespaces",
		back: "cat /run/most >/proc/sys/user/max_user_namespaces; rm /run/most",
		says: []string{"BAD user namespaces user.max_user_namespaces is 0: none may be made", "→ sysctl -w user.max_user_namespaces=65536"},
		chinese: []string{"BAD user namespaces user.max_user_namespaces 为 0：一个也不能创建",
			"→ sysctl -w user.max_user_namespaces=65536"}},
	{what: "kernel.unprivileged_userns_clone",
		take: "echo 0 >/proc/sys/kernel/unprivileged_userns_clone", back: "echo 1 >/proc/sys/kernel/unprivileged_userns_clone",
		says:    []string{"ok user namespaces one for each learner; kernel.unprivileged_userns_clone=0 is not about the daemon: leave it"},
		chinese: []string{"ok user namespaces 每个学习者一个；kernel.unprivileged_userns_clone=0 不影响守护进程：保持不变"}},
	{what: "two controllers", booted: "cgroup_disable=memory,pids", take: ":", back: ":", refused: "cgroup_memory",
		says: []string{"BAD control groups no controller memory, pids", "→ boot without cgroup_disable=memory,pids; a Raspberry Pi: " +
			"with cgroup_enable=memory cgroup_enable=pids at the end of its cmdline.txt", "1 of "},
		chinese: []string{"BAD control groups 缺少控制器 memory, pids", "→ 启动内核时去掉 cgroup_disable=memory,pids；树莓派则在 cmdline.txt 末尾加上 " +
			"cgroup_enable=memory cgroup_enable=pids"}},
	{what: "BPF", booted: "lockdown=confidentiality", take: ":", back: ":", refused: "cgroup_memory", // the line above is the same machine's
		says: []string{"warn eBPF the kernel is locked down: no program may read its events", "→ boot without lockdown=confidentiality",
			"warn kernel events by the kernel's proc connector"},
		chinese: []string{"warn eBPF 内核处于锁定状态：任何程序都不能读取它的事件", "→ 启动内核时去掉 lockdown=confidentiality", "warn kernel events 通过内核的 proc connector"}},
}

// TestMachinesWithout takes features of the real machine away, starts a daemon there and asks `podlab doctor` in both languages. It spoils
// the machine, so only scripts/vm runs it: once as it is, once booted without some features.
func TestMachinesWithout(t *testing.T) {
	cmdline, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(cmdline))
	there := func(m without) bool { return m.booted != "" && slices.Contains(words, m.booted) }
	spoilt := slices.ContainsFunc(machines, there)
	for _, m := range machines {
		if there(m) || !spoilt && m.booted == "" {
			t.Run(m.what, m.ask)
		}
	}
}

func (m without) ask(t *testing.T) {
	shell := func(commands string) {
		t.Helper()
		if out, err := exec.Command("sh", "-ec", commands).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", commands, err, out)
		}
	}
	t.Cleanup(func() { shell(m.back) })
	shell(m.take)
	daemon := sandboxtest.Start(t)
	m.create(t, daemon)
	for lang, lines := range map[string][]string{"en": m.says, "zh_CN.UTF-8": m.chinese} {
		program := filepath.Join(os.Getenv("PODLAB_DATA"), "bin", "podlab")
		out, err := exec.CommandContext(t.Context(), program, "--run", daemon.Run, "doctor", "--data", daemon.Data, "--lang", lang).CombinedOutput()
		if (err != nil) != (m.refused != "") {
			t.Errorf("the doctor ends with %v", err)
		}
		t.Logf("podlab doctor --lang %s\n%s", lang, out)
		answer := strings.Join(strings.Fields(string(out)), " ")
		for _, line := range lines {
			if !strings.Contains(answer, line) {
				t.Errorf("%s: %q is not there", lang, line)
			}
		}
	}
}

// create tries to make a node.
func (m without) create(t *testing.T, daemon *sandboxtest.Daemon) {
	_, err := daemon.Create(t.Context(), sandbox.NodeSpec{ID: "one"})
	var refused *sandbox.Error
	switch {
	case m.refused == "" && err != nil:
		t.Errorf("a node: %v", err)
	case m.refused != "" && (!errors.As(err, &refused) || refused.Code != sandbox.CodeMissingFeature || refused.Params["feature"] != m.refused):
		t.Errorf("a node: %v, want it refused for the lack of %s", err, m.refused)
	}
}
