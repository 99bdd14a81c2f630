package chaos

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"podlab/sandbox/internal/cgroup"
	"podlab/sandbox/internal/sandboxtest"
	"podlab/sandbox/internal/settings"
)

// process is one of the host's, seen from the host.
type process struct {
	pid, parent int
	name        string // its command line, or its name in brackets
	zombie      bool
}

// descendants are the children of a process, theirs, and so on.
func descendants(of int) (found []process) {
	children := map[int][]process{}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			if p, ok := look(pid); ok {
				children[p.parent] = append(children[p.parent], p)
			}
		}
	}
	for queue := []int{of}; len(queue) > 0; queue = queue[1:] {
		for _, p := range children[queue[0]] {
			found = append(found, p)
			queue = append(queue, p.pid)
		}
	}
	return found
}

func look(pid int) (p process, ok bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	end := bytes.LastIndexByte(stat, ')')
	if err != nil || end < 0 {
		return p, false
	}
	fields := strings.Fields(string(stat[end+1:]))
	p = process{pid: pid, zombie: fields[0] == "Z"}
	p.parent, _ = strconv.Atoi(fields[1])
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if p.name = strings.Join(strings.Split(strings.Trim(string(line), "\x00"), "\x00"), " "); p.name == "" {
		p.name = string(stat[bytes.IndexByte(stat, '('):][:end+1-bytes.IndexByte(stat, '(')])
	}
	return p, true
}

// started are all processes that the tests started and that live, but for the daemon itself.
func started(daemon int) (found []process) {
	for _, p := range descendants(os.Getppid()) {
		if p.pid != os.Getpid() && p.pid != daemon && !p.zombie {
			found = append(found, p)
		}
	}
	return found
}

// groups are the nodes' control groups of a daemon.
func groups(t testing.TB, d *sandboxtest.Daemon) *cgroup.Tree {
	t.Helper()
	set := settings.Settings{Run: d.Run}
	tree, err := cgroup.Open(set.Groups())
	must(t, err)
	return tree
}

// left lists what there is of nodes: processes, mounts of the daemon, groups, sockets, state, disks, interfaces.
func left(t testing.TB, d *sandboxtest.Daemon) (found []string) {
	t.Helper()
	for _, p := range started(d.PID()) {
		found = append(found, fmt.Sprintf("process %d of %d: %s", p.pid, p.parent, p.name))
	}
	for _, id := range groups(t, d).Nodes() {
		found = append(found, "group "+id)
	}
	for _, pattern := range []string{"nodes/*", "sandboxd/*", "mnt/*"} {
		names, _ := filepath.Glob(filepath.Join(d.Run, pattern))
		found = append(found, names...)
	}
	disks, _ := filepath.Glob(filepath.Join(d.Data, "nodes", "*"))
	found = append(found, slices.DeleteFunc(disks, func(path string) bool {
		return strings.HasPrefix(filepath.Base(path), "template-") && strings.HasSuffix(path, ".img")
	})...)
	found = append(found, loops(d.Data)...)
	for _, at := range mounts(d.PID()) {
		if at != filepath.Join(d.Run, "mnt") && strings.HasPrefix(at, d.Run+"/") {
			found = append(found, "mount "+at)
		}
	}
	interfaces, err := net.Interfaces()
	must(t, err)
	for _, link := range interfaces {
		if link.Name != "lo" {
			found = append(found, "interface "+link.Name)
		}
	}
	return found
}

// loops are the loop devices with a file below a directory behind them.
func loops(dir string) (found []string) {
	names, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, name := range names {
		if file, err := os.ReadFile(name); err == nil && strings.HasPrefix(string(file), dir) {
			found = append(found, "loop "+strings.Split(name, "/")[3])
		}
	}
	return found
}

// mounts are the mount points that a process sees.
func mounts(pid int) (found []string) {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	for line := range strings.Lines(string(data)) {
		found = append(found, strings.Fields(line)[4]) // proc_pid_mountinfo(5)
	}
	return found
}

// settle is how long the kernel may take to free what nobody holds any more: namespaces, and with them mounts and loop devices, go in
// workers of their own, one after another for the whole machine.
var settle = sandboxtest.Within(10 * time.Second)

// slowest is how long the kernel took at most, and for what.
var slowest struct {
	took time.Duration
	last []string
}

// nothingLeft waits until nothing of any node is there, but for what is called one of these.
func nothingLeft(t testing.TB, d *sandboxtest.Daemon, when string, but ...string) {
	t.Helper()
	var last []string
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		found := slices.DeleteFunc(left(t, d), func(what string) bool {
			return slices.ContainsFunc(but, func(prefix string) bool { return strings.HasPrefix(what, prefix) })
		})
		took := time.Since(began)
		if len(found) == 0 {
			if took > slowest.took {
				slowest.took, slowest.last = took, last
			}
			return
		}
		if last = found; took > settle {
			t.Fatalf("%s: left behind:\n%s", when, strings.Join(found, "\n"))
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
