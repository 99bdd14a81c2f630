// Package tables is about tables of the kernel that a whole host shares: no namespace divides them, and no control group counts them.
package tables

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// neighbours is room for so many link addresses of all networks on the host (arp(7), gc_thresh3). The kernel's own 1,024 are soon taken by
// pods; an entry is some 400 bytes.
const neighbours = 16384

// Raise makes room for many networks. What is larger already stays.
func Raise() error {
	var failed error
	for _, family := range []string{"ipv4", "ipv6"} {
		dir := filepath.Join("/proc/sys/net", family, "neigh/default")
		failed = errors.Join(failed, raise(filepath.Join(dir, "gc_thresh3"), neighbours), raise(filepath.Join(dir, "gc_thresh2"), neighbours/2))
	}
	return failed
}

func raise(path string, least int) error {
	now, err := read(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && now >= least {
		return nil // a kernel without that protocol
	}
	return errors.Join(err, os.WriteFile(path, strconv.AppendInt(nil, int64(least), 10), 0))
}

func read(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// MostTerminals is how many pseudo-terminals a node may have while they are scarce: as many as its own /dev/pts gives it. Whoever may mount
// can mount more of these file systems, each with numbers of its own.
const MostTerminals = 256

// TerminalsScarce reports whether more than half of the host's pseudo-terminals that are not reserved for the host itself are taken
// (pty(7): /proc/sys/kernel/pty).
func TerminalsScarce() bool {
	taken, err := read("/proc/sys/kernel/pty/nr")
	most, maxErr := read("/proc/sys/kernel/pty/max")
	reserve, reserveErr := read("/proc/sys/kernel/pty/reserve")
	return errors.Join(err, maxErr, reserveErr) == nil && taken > (most-reserve)/2
}

// Terminals counts the pseudo-terminals that processes hold, by node: whose gives the node of a uid, or "". What a process sent to itself and
// closed is not seen.
func Terminals(whose func(uid uint32) string) (held map[string]int, err error) {
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	held = make(map[string]int)
	for _, process := range processes {
		var stat syscall.Stat_t
		if syscall.Stat(process, &stat) != nil { // it has ended
			continue
		}
		if id := whose(stat.Uid); id != "" {
			held[id] += terminals(process)
		}
	}
	return held, nil
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
