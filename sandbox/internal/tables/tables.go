// Package tables is about tables of the kernel that a whole host shares: no namespace divides them, and no control group counts them.
package tables

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
