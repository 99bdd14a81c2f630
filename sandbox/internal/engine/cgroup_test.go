package engine

import (
	"path/filepath"
	"strconv"
	"testing"

	"github.com/opencontainers/cgroups"
)

// group is the directory of a control group: of that controller on cgroup v1, of all on v2.
func group(controller, path string) string {
	if cgroups.IsCgroup2UnifiedMode() {
		controller = ""
	}
	return filepath.Join(cgroupRoot, controller, path)
}

func TestLimits(t *testing.T) {
	b := open(t)
	b.apply(pod("p", "", sh("a", idle, `"resources":{"limits":{"memory":"32Mi","cpu":"250m","podlab.dev/pids":"20"},"requests":{"cpu":"100m"}}`), sh("b", idle)))
	b.running("p/a")
	b.running("p/b")
	want := map[string]string{
		"memory/pods/p/a/memory.limit_in_bytes": strconv.Itoa(32 << 20), "cpu/pods/p/a/cpu.cfs_quota_us": "25000",
		"cpu/pods/p/a/cpu.shares": "102", "pids/pods/p/a/pids.max": "20", "pids/pods/p/b/pids.max": "500", "cpu/pods/p/b/cpu.shares": "2",
	}
	if cgroups.IsCgroup2UnifiedMode() {
		weight := func(shares uint64) string {
			return strconv.FormatUint(cgroups.ConvertCPUSharesToCgroupV2Value(shares), 10)
		}
		want = map[string]string{
			"pods/p/a/memory.max": strconv.Itoa(32 << 20), "pods/p/a/cpu.max": "25000 100000",
			"pods/p/a/cpu.weight": weight(102), "pods/p/a/pids.max": "20", "pods/p/b/pids.max": "500", "pods/p/b/cpu.weight": weight(2),
		}
	}
	for file, want := range want {
		if got := readString(file); got != want {
			t.Errorf("%s is %s, want %s", file, got, want)
		}
	}
}
