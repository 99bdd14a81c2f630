package tables

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// mostTerminals is how many pseudo-terminals a node may have while they are scarce: as many as its own /dev/pts gives it. Whoever may mount
// can mount more of these file systems, each with numbers of its own.
const mostTerminals = 256

// terminalsScarce reports whether more than half of the host's pseudo-terminals that are not reserved for the host itself are taken
// (pty(7): /proc/sys/kernel/pty).
func terminalsScarce() bool {
	taken, err := read("/proc/sys/kernel/pty/nr")
	most, maxErr := read("/proc/sys/kernel/pty/max")
	reserve, reserveErr := read("/proc/sys/kernel/pty/reserve")
	return errors.Join(err, maxErr, reserveErr) == nil && taken > (most-reserve)/2
}

const lookEvery = 250 * time.Millisecond // two small files each time

// WatchTerminals calls hoards with each node that holds too many pseudo-terminals while these are scarce, until ctx ends.
func WatchTerminals(ctx context.Context, whose func(uid uint32) string, hoards func(ctx context.Context, id string)) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !terminalsScarce() {
			continue
		}
		for id, n := range held(whose) {
			if n > mostTerminals {
				hoards(ctx, id)
			}
		}
	}
}

// held counts the pseudo-terminals that processes hold, by node: whose gives the node of a uid, or "". What a process sent to itself and
// closed is not seen.
func held(whose func(uid uint32) string) map[string]int {
	processes, _ := filepath.Glob("/proc/[0-9]*") // fails on bad patterns only
	all := make(map[string]int)
	for _, process := range processes {
		var stat syscall.Stat_t
		if syscall.Stat(process, &stat) != nil { // it has ended
			continue
		}
		if id := whose(stat.Uid); id != "" {
			all[id] += terminals(process)
		}
	}
	return all
}

// terminals counts one process's. The other side counts where this one is closed.
func terminals(process string) int {
	const multiplexer, firstSlave, lastSlave = 5<<8 | 2, 136, 143 // device numbers (Documentation/admin-guide/devices.txt)
	masters, slaves := 0, map[[2]uint64]bool{}
	dir := filepath.Join(process, "fd")
	names, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	for _, name := range names {
		var stat syscall.Stat_t
		if syscall.Stat(filepath.Join(dir, name.Name()), &stat) != nil || stat.Mode&syscall.S_IFMT != syscall.S_IFCHR {
			continue
		}
		switch major := unix.Major(stat.Rdev); {
		case stat.Rdev == multiplexer:
			masters++
		case major >= firstSlave && major <= lastSlave:
			slaves[[2]uint64{stat.Dev, stat.Rdev}] = true
		}
	}
	return max(masters, len(slaves))
}
