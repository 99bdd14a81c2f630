package userns

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNamespaceBelongsToItsOwnUID(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("this test needs root")
		}
		t.Skip("needs root")
	}
	const base = 0x23450000
	ns, err := New(base)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	var owner uint32
	if owner, err = ownerOf(int(ns.Fd())); err != nil || owner != base {
		t.Fatalf("owner is %d (%v), want %d", owner, err, base)
	}
}

func ownerOf(fd int) (uint32, error) {
	uid, err := unix.IoctlGetUint32(fd, unix.NS_GET_OWNER_UID)
	return uid, err
}
