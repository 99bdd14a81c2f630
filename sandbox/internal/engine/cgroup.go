package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// cgroupRoot is where the node's own control groups are mounted: its cgroup namespace makes "/" the node's group.
const cgroupRoot = "/sys/fs/cgroup"

// hierarchies are the mounted cgroup file systems: one on version 2, one for each set of controllers on version 1.
var hierarchies = sync.OnceValue(func() []string {
	if cgroups.IsCgroup2UnifiedMode() {
		return []string{cgroupRoot}
	}
	entries, err := os.ReadDir(cgroupRoot)
	if err != nil {
		return nil
	}
	var dirs []string
	for _, e := range entries {
		if e.IsDir() { // the others are links of joint controllers to their directory
			dirs = append(dirs, filepath.Join(cgroupRoot, e.Name()))
		}
	}
	return dirs
})

// removeGroup removes the control group at path and those below it in every hierarchy. They must be empty of processes.
func removeGroup(path string) error {
	var errs []error
	for _, h := range hierarchies() {
		errs = append(errs, removeGroupDir(filepath.Join(h, path)))
	}
	return errors.Join(errs...)
}

func removeGroupDir(dir string) error {
	err := unix.Rmdir(dir)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	entries, readErr := os.ReadDir(dir)
	if readErr != nil {
		return readErr
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeGroupDir(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return os.NewSyscallError("rmdir "+dir, unix.Rmdir(dir))
}

// killGroup kills every process in the control group at path and below.
func killGroup(path string) {
	for _, h := range hierarchies() {
		pids, err := cgroups.GetAllPids(filepath.Join(h, path))
		if err != nil {
			continue // the group is not there in this hierarchy
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL) // it may have ended
		}
	}
}

// makeGroup makes a control group in every hierarchy. Its parent must be there.
func makeGroup(path string) error {
	for _, h := range hierarchies() {
		dir := filepath.Join(h, path)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		if filepath.Base(h) != "cpuset" {
			continue
		}
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} { // empty in a new group of version 1, which nothing can enter then
			value, err := os.ReadFile(filepath.Join(filepath.Dir(dir), file))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, file), value, 0)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// oomKills is how many processes of a group the kernel killed for want of memory.
func oomKills(path string) int64 {
	file := filepath.Join(cgroupRoot, path, "memory.events")
	if !cgroups.IsCgroup2UnifiedMode() {
		file = filepath.Join(cgroupRoot, "memory", path, "memory.oom_control")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if n, ok := strings.CutPrefix(line, "oom_kill "); ok {
			kills, _ := strconv.ParseInt(strings.TrimSpace(n), 10, 64) // the kernel's own number
			return kills
		}
	}
	return 0
}

// nodeCapacity reads what the node's own control group allows. What cannot be read is not limited.
func nodeCapacity() Capacity {
	if cgroups.IsCgroup2UnifiedMode() {
		cpu := strings.Fields(readString("cpu.max"))
		c := Capacity{Memory: readInt("memory.max"), PIDs: readInt("pids.max")}
		if len(cpu) == 2 {
			c.CPU = quota(cpu[0], cpu[1])
		}
		return c
	}
	c := Capacity{Memory: readInt("memory/memory.limit_in_bytes"), PIDs: readInt("pids/pids.max")}
	if c.Memory > 1<<60 {
		c.Memory = 0 // v1's word for none
	}
	c.CPU = quota(readString("cpu/cpu.cfs_quota_us"), readString("cpu/cpu.cfs_period_us"))
	return c
}

// quota turns µs of quota in µs of period into thousandths of a core; 0 for "max" or -1.
func quota(q, period string) int64 {
	used, err1 := strconv.ParseInt(q, 10, 64)
	of, err2 := strconv.ParseInt(period, 10, 64)
	if err1 != nil || err2 != nil || used <= 0 || of <= 0 {
		return 0
	}
	return used * 1000 / of
}

func readString(file string) string {
	data, err := os.ReadFile(filepath.Join(cgroupRoot, file))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

func readInt(file string) int64 {
	n, err := strconv.ParseInt(readString(file), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// fits reports an over_capacity error when an object's requests, on top of what is asked already, are more than the node has.
func (c Capacity) fits(asked amount, already amount) error {
	for _, r := range []struct {
		name             string
		asks, has, taken int64
		unit             string
	}{
		{"memory", asked.memory, c.Memory, already.memory, ""},
		{"cpu", asked.cpu, c.CPU, already.cpu, "m"},
	} {
		if r.has > 0 && r.asks > 0 && r.asks > r.has-r.taken {
			return sandbox.Errorf(sandbox.CodeOverCapacity, "resource", r.name,
				"asked", strconv.FormatInt(r.asks, 10)+r.unit, "free", strconv.FormatInt(max(0, r.has-r.taken), 10)+r.unit)
		}
	}
	return nil
}
