// Package load says whether the machine has time for what nobody waits for.
package load

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
)

// Crowded reports whether more threads want to run than there are processors (proc_loadavg(5)); false where that is not told.
func Crowded() bool {
	text, _ := os.ReadFile("/proc/loadavg")
	return crowded(text, runtime.NumCPU())
}

func crowded(loadavg []byte, processors int) bool {
	fields := bytes.Fields(loadavg)
	if len(fields) < 4 {
		return false
	}
	running, _, _ := bytes.Cut(fields[3], []byte("/"))
	n, _ := strconv.Atoi(string(running))
	return n-1 > processors // without this one
}
