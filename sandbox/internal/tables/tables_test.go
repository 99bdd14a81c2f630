package tables

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTerminals(t *testing.T) {
	before := terminals("/proc/self")
	for range 5 {
		fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
	}
	if after := terminals("/proc/self"); after != before+5 {
		t.Errorf("%d, then %d", before, after)
	}
	mine := held(func(uid uint32) string { return map[uint32]string{uint32(os.Getuid()): "mine"}[uid] })
	if mine["mine"] < before+5 || len(mine) != 1 {
		t.Errorf("%v", mine)
	}
}

func TestRaise(t *testing.T) {
	path := filepath.Join(t.TempDir(), "value")
	for now, want := range map[int]int{10: 50, 50: 50, 99: 99} {
		if err := os.WriteFile(path, []byte(strconv.Itoa(now)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := raise(path, 50); err != nil {
			t.Error(err)
		}
		if is, err := read(path); is != want {
			t.Errorf("%d became %d (%v), want %d", now, is, err, want)
		}
	}
	if err := raise(filepath.Join(t.TempDir(), "none"), 1); err != nil {
		t.Error(err)
	}
}
