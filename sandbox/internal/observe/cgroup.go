package observe

import (
	"bytes"
	"os"
	"time"

	"podlab/sandbox"
)

// controllers says where each controller's files are below the mount point: on v1 a directory for each (some share one), on v2 the
// mount point itself.
type controllers struct {
	v2                         bool
	memory, pids, cpu, cpuacct string
}

func findControllers(root string) controllers {
	if _, err := os.Stat(root + "/cgroup.controllers"); err == nil {
		return controllers{v2: true, memory: root, pids: root, cpu: root, cpuacct: root}
	}
	return controllers{
		memory: firstDir(root, "memory"), pids: firstDir(root, "pids"),
		cpu: firstDir(root, "cpu", "cpu,cpuacct"), cpuacct: firstDir(root, "cpuacct", "cpu,cpuacct"),
	}
}

func firstDir(root string, names ...string) string {
	for _, name := range names {
		if st, err := os.Stat(root + "/" + name); err == nil && st.IsDir() {
			return root + "/" + name
		}
	}
	return ""
}

// groupLimits are the limits of a group when they were last read.
type groupLimits struct {
	memory, pids, cpu int64
	at                time.Time
	seen              uint64
}

// group reads use and limits of one control group; path is below the node's root, "" that root itself.
func (o *Observer) group(s *scan, path string) sandbox.Cgroup {
	lim := o.limits[path]
	if lim.at.IsZero() || s.now.Sub(lim.at) >= staleLimits {
		lim = o.readLimits(path)
		lim.at = s.now
	}
	lim.seen = o.seq
	o.limits[path] = lim
	g := o.use(path)
	g.MemoryLimit, g.PIDsLimit, g.CPULimit = lim.memory, lim.pids, lim.cpu
	return g
}

func (o *Observer) readLimits(path string) (lim groupLimits) {
	at := o.at
	if at.v2 {
		lim.memory = limit(o.value(at.memory, path, "memory.max"))
		lim.cpu = parseCPUMax(o.value(at.cpu, path, "cpu.max"))
	} else {
		lim.memory = limit(o.value(at.memory, path, "memory.limit_in_bytes"))
		quota := signed(bytes.TrimSpace(o.value(at.cpu, path, "cpu.cfs_quota_us")))
		lim.cpu = thousandths(quota, signed(bytes.TrimSpace(o.value(at.cpu, path, "cpu.cfs_period_us"))))
	}
	lim.pids = limit(o.value(at.pids, path, "pids.max"))
	return lim
}

func (o *Observer) use(path string) (g sandbox.Cgroup) {
	at := o.at
	g.PIDs = limit(o.value(at.pids, path, "pids.current"))
	stat := o.value(at.cpu, path, "cpu.stat")
	g.Throttled = parseKeyed(stat, "nr_throttled")
	if at.v2 {
		g.ThrottledTime, g.CPU = parseKeyed(stat, "throttled_usec"), parseKeyed(stat, "usage_usec")
		g.Memory = limit(o.value(at.memory, path, "memory.current"))
		g.OOMKills = parseKeyed(o.value(at.memory, path, "memory.events"), "oom_kill")
		return g
	}
	g.ThrottledTime = parseKeyed(stat, "throttled_time") / 1000
	g.Memory = limit(o.value(at.memory, path, "memory.usage_in_bytes"))
	g.CPU = limit(o.value(at.cpuacct, path, "cpuacct.usage")) / 1000
	g.OOMKills = o.kills(path)
	return g
}

// killsBelow counts what the kernel killed in the groups of node shells and containers, where the node's own group does not: on v1.
func (o *Observer) killsBelow(s *scan) (kills int64) {
	if o.at.v2 {
		return 0
	}
	kills = o.kills("/shells") // package shell
	for group := range s.groups {
		kills += o.kills(group)
	}
	return kills
}

// kills counts those of one group of v1.
func (o *Observer) kills(path string) int64 {
	return parseKeyed(o.value(o.at.memory, path, "memory.oom_control"), "oom_kill")
}

// value reads one file of a group, nothing when it is not there.
func (o *Observer) value(controller, path, file string) []byte {
	if controller == "" {
		return nil
	}
	b, err := o.r.firstRead(noDir, controller+path+"/"+file)
	if err != nil {
		return nil
	}
	return b
}

// limit reads a number; "max", v1's number near 2^63 for no limit, and nothing are 0.
func limit(b []byte) int64 {
	const none = 1 << 62
	n := number(bytes.TrimSpace(b))
	if n >= none {
		return 0
	}
	return int64(n)
}

// parseCPUMax reads v2's cpu.max, "QUOTA PERIOD" in microseconds or "max PERIOD".
func parseCPUMax(b []byte) int64 {
	words := bytes.Fields(b)
	if len(words) != 2 {
		return 0
	}
	return thousandths(signed(words[0]), signed(words[1]))
}

// thousandths of a core; a quota of -1 (v1), max (v2) or none at all is no limit.
func thousandths(quota, period int64) int64 {
	if quota <= 0 || period <= 0 {
		return 0
	}
	return quota * 1000 / period
}

// parseKeyed reads one value of a file with lines "KEY VALUE".
func parseKeyed(b []byte, wanted string) int64 {
	for line := range bytes.Lines(b) {
		if key, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte{' '}); string(key) == wanted {
			return limit(value)
		}
	}
	return 0
}
