package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A meter tells what a node and all in it have computed. What the kernel does later, in threads of its own, is not in it.
type meter struct {
	file string
	unit time.Duration
}

// meterOf finds the counter of a node's control group by its first process: cpuacct.usage (ns) on version 1, cpu.stat on version 2.
func meterOf(pid int) (meter, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return meter{}, err
	}
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3) // cgroups(7): number, controllers, path
		if len(parts) < 3 {
			continue
		}
		for controller := range strings.SplitSeq(parts[1], ",") {
			if controller == "cpuacct" {
				return meter{filepath.Join("/sys/fs/cgroup/cpuacct", parts[2], "cpuacct.usage"), time.Nanosecond}, nil
			}
		}
	}
	// On version 2 node init is in a group of its own below the node's.
	_, path, _ := strings.Cut(string(text), "0::")
	return meter{filepath.Join("/sys/fs/cgroup", filepath.Dir(strings.TrimSpace(path)), "cpu.stat"), time.Microsecond}, nil
}

func (m meter) read() (time.Duration, error) {
	text, err := os.ReadFile(m.file)
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) > 1 && fields[0] == "usage_usec" {
		fields = fields[1:]
	}
	if len(fields) == 0 {
		return 0, fmt.Errorf("%s is empty", m.file)
	}
	n, err := strconv.ParseInt(fields[0], 10, 64)
	return time.Duration(n) * m.unit, err
}
