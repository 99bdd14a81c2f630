// Package leaks lists what a run of Podlab could leave behind on a machine, so that two lists, taken before and after, can be
// compared: processes, mounts, control groups, network interfaces, loop devices, System V objects and files.
package leaks

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Mark is the environment variable that scripts/test sets: what inherits it was started by the tests.
const Mark = "PODLAB_TEST_RUN"

// An Inventory is what there is, by kind. Each entry says enough for a person to find it.
type Inventory map[string][]string

// Take lists what there is now. Of processes only those count that a test can have started: they carry mark in their
// environment, or live in another pid or user namespace than this process. Its own ancestors and descendants do not count.
func Take(mark string) (Inventory, error) {
	inv := Inventory{}
	for kind, list := range map[string]func() ([]string, error){
		"process":   func() ([]string, error) { return processes(mark) },
		"mount":     mounts,
		"cgroup":    cgroups,
		"interface": interfaces,
		"loop":      loops,
		"sysvipc":   sysvipc,
		"file":      files,
	} {
		entries, err := list()
		if err != nil {
			return nil, err
		}
		slices.Sort(entries)
		inv[kind] = entries
	}
	return inv, nil
}

// New returns what is in after and was not in before, each with its kind in front.
func New(before, after Inventory) []string {
	var found []string
	for kind, entries := range after {
		for _, e := range entries {
			if !slices.Contains(before[kind], e) {
				found = append(found, kind+" "+e)
			}
		}
	}
	slices.Sort(found)
	return found
}

// Write keeps the inventory in a file; Read reads it back.
func (inv Inventory) Write(file string) error {
	data, err := json.Marshal(inv)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}

// Read reads what Write wrote.
func Read(file string) (Inventory, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var inv Inventory
	return inv, json.Unmarshal(data, &inv)
}

func processes(mark string) ([]string, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	mine := family()
	var found []string
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || mine[pid] || mine[parent(pid)] || !foreign(pid, mark) {
			continue
		}
		found = append(found, describe(pid))
	}
	return found, nil
}

// family is this process and its ancestors; their children (the shell's pipeline, go's helpers) are left out as well.
func family() map[int]bool {
	mine := map[int]bool{}
	for pid := os.Getpid(); pid > 1 && !mine[pid]; pid = parent(pid) {
		mine[pid] = true
	}
	return mine
}

// parent reads field 4 of /proc/PID/stat (proc_pid_stat(5)); 0 when the process is gone.
func parent(pid int) int {
	f := statFields(pid)
	if len(f) < 2 {
		return 0
	}
	ppid, _ := strconv.Atoi(f[1])
	return ppid
}

// statFields are the fields of /proc/PID/stat behind the name, from the state (field 3) on.
func statFields(pid int) []string {
	data, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	_, rest, _ := strings.Cut(string(data[bytes.LastIndexByte(data, ')')+1:]), " ")
	return strings.Fields(rest)
}

func foreign(pid int, mark string) bool {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	env, _ := os.ReadFile(filepath.Join(dir, "environ"))
	if mark != "" && slices.Contains(strings.Split(string(env), "\x00"), Mark+"="+mark) {
		return true
	}
	for _, kind := range []string{"pid", "user"} {
		own, _ := os.Readlink("/proc/self/ns/" + kind)
		ns, err := os.Readlink(filepath.Join(dir, "ns", kind))
		if err == nil && ns != own {
			return true
		}
	}
	return false
}

func describe(pid int) string {
	comm, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
	args, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	start := ""
	if f := statFields(pid); len(f) > 19 {
		start = f[19] // field 22: clock ticks since boot, so that a reused pid is not taken for the old process
	}
	return strconv.Itoa(pid) + " started " + start + " " + strings.TrimSpace(string(comm)) + " " +
		strings.ReplaceAll(strings.Trim(string(args), "\x00"), "\x00", " ")
}

// mounts are the mount points of this mount namespace; namespaces that are pinned to a file are among them.
func mounts() ([]string, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	var found []string
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 4 && !ofSystemd(f[4]) {
			found = append(found, f[4]) // proc_pid_mountinfo(5): mount point
		}
	}
	return found, err
}

// ofSystemd says that systemd mounts there whenever one of its units starts or somebody logs in.
func ofSystemd(at string) bool {
	return strings.HasPrefix(at, "/run/credentials/") || strings.HasPrefix(at, "/run/user/")
}

// cgroups are the directories of every mounted hierarchy, but for systemd's own.
func cgroups() ([]string, error) {
	var found []string
	err := filepath.WalkDir("/sys/fs/cgroup", func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil //nolint:nilerr // a group may end while it is listed
		}
		switch filepath.Ext(dir) {
		case ".service", ".scope", ".slice":
			return fs.SkipDir
		}
		found = append(found, dir)
		return nil
	})
	return found, err
}

func interfaces() ([]string, error) {
	list, err := net.Interfaces()
	var found []string
	for _, i := range list {
		found = append(found, i.Name)
	}
	return found, err
}

// loops are the loop devices that have a file behind them.
func loops() ([]string, error) {
	names, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	var found []string
	for _, name := range names {
		data, _ := os.ReadFile(name)
		found = append(found, strings.Split(name, "/")[3]+" "+strings.TrimSpace(string(data)))
	}
	return found, err
}

func sysvipc() ([]string, error) {
	var found []string
	for _, kind := range []string{"shm", "msg", "sem"} {
		data, err := os.ReadFile("/proc/sysvipc/" + kind)
		if err != nil {
			continue // a kernel without it
		}
		for i, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
			if f := strings.Fields(line); i > 0 && len(f) > 1 {
				found = append(found, kind+" id "+f[1])
			}
		}
	}
	return found, nil
}

// passing begins the names, but for a leading dot, of what other programs leave in such directories: a running go command and the linker;
// browsers however they end; the caches of npm and tsc; systemd's units while they run, a timer's among them.
var passing = []string{"go-build", "go-link-", "gopath", "org.chromium.", "playwright", "node-compile-cache", "v8-compile-cache", "systemd-private-"}

// shared are the files that a program makes once on a machine, and keeps: mount(8)'s table and libblkid's.
var shared = []string{"/run/mount", "/run/blkid", "/run/credentials"}

// files are the entries of the directories for things that do not last.
func files() ([]string, error) {
	var found []string
	for _, dir := range []string{"/tmp", "/run", "/run/podlab", "/run/podlab/nodes", "/run/netns", "/dev/shm", "/dev/mqueue"} {
		entries, _ := os.ReadDir(dir) // not every machine has each
		for _, e := range entries {
			if path := filepath.Join(dir, e.Name()); !passes(e.Name()) && !slices.Contains(shared, path) {
				found = append(found, path)
			}
		}
	}
	return found, nil
}

func passes(name string) bool {
	return slices.ContainsFunc(passing, func(p string) bool { return strings.HasPrefix(strings.TrimPrefix(name, "."), p) })
}
