package engine

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// strayAge is how long a first stage must have been dead to count as forgotten: libcontainer waits for its own within milliseconds.
const strayAge = 50 * time.Millisecond

// reapStrays waits for the first stages that libcontainer forgets when a container ends while a command is being started in it. They
// are this process's children; until they are waited for, the container's process namespace, and so its first process, cannot end.
func (e *Engine) reapStrays() {
	if !e.reaping.CompareAndSwap(false, true) {
		return // the one that is at work sees it
	}
	e.owners.Go(func() {
		defer e.reaping.Store(false)
		for seen := deadStages(); len(seen) > 0; {
			select {
			case <-time.After(strayAge):
			case <-e.closing:
				return // node init gets them
			}
			now := deadStages()
			for pid, start := range now {
				if seen[pid] == start {
					_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil) // libcontainer was quicker
				}
			}
			seen = now
		}
	})
}

// deadStages are this process's children that ended as a first stage of libcontainer and were not waited for, with their start times.
func deadStages() map[int]string {
	found := map[int]string{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well formed
	self := strconv.Itoa(os.Getpid())
	for _, name := range stats {
		data, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(data), "(runc:[") {
			continue
		}
		// proc_pid_stat(5): pid (comm) state ppid …; the 22nd field is the start time.
		fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil && len(fields) > 19 && fields[0] == "Z" && fields[1] == self {
			found[pid] = fields[19]
		}
	}
	return found
}
