// Package procstat reads the start time of a process, which together with its pid names it for ever.
package procstat

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// Start returns field 22 of /proc/PID/stat: the start time in clock ticks since boot (proc_pid_stat(5)).
func Start(pid int) (uint64, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	return parse(stat)
}

// parse counts from behind the last ")", as the name in field 2 may hold anything.
func parse(stat []byte) (uint64, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return 0, fmt.Errorf("procstat: %q", stat)
	}
	return strconv.ParseUint(string(fields[19]), 10, 64)
}
