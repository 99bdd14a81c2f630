package socket

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"podlab/sandbox/internal/sandboxtest"
)

// TestListen: mode and owner are the walls; a caller that is root passes. That strangers do not is tested on the daemon.
func TestListen(t *testing.T) {
	sandboxtest.Root(t)
	const group = 4242
	path := filepath.Join(t.TempDir(), "s.sock")
	listener, err := Listen(path, group)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	if info.Mode().Perm() != 0o660 || stat.Uid != 0 || stat.Gid != group {
		t.Errorf("%v of %d:%d", info.Mode(), stat.Uid, stat.Gid)
	}
	caller, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	conn, err := listener.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	if err := Admit(conn, 0); err != nil {
		t.Errorf("root: %v", err)
	}
	conn.Close()
	if Admit(conn, group) == nil {
		t.Error("nobody knows who calls, and is let in")
	}
}

func TestIsMember(t *testing.T) {
	if !isMember(0, 0) || isMember(0, 4242) || isMember(4_000_000, 0) {
		t.Error("members are not who /etc/group says")
	}
}
