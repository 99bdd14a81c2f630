//go:build linux && cgo && seccomp

package filter

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/opencontainers/runc/libcontainer/configs"
	"golang.org/x/sys/unix"
)

// The test program loads a filter into itself when it is started again with this set, and says what calls then return.
const asChild = "PODLAB_FILTER_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(asChild) == "" {
		os.Exit(m.Run())
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	if err := LoadFile(3); err != nil {
		panic(err)
	}
	told := func(what string, err error) { fmt.Println(what, err) }
	told("hostname", unix.Sethostname([]byte("x")))
	_, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	told("packet", err)
	_, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	told("unix", err)
	_, _, errno := unix.Syscall(4000, 0, 0, 0)
	told("future", errno)
}

func TestCompiledFilterHolds(t *testing.T) {
	ret := uint(unix.EPERM)
	profile := &configs.Seccomp{DefaultAction: configs.Allow, Syscalls: []*configs.Syscall{
		{Name: "sethostname", Action: configs.Errno, ErrnoRet: &ret},
		{Name: "socket", Action: configs.Errno, ErrnoRet: &ret, Args: []*configs.Arg{{Index: 0, Value: unix.AF_PACKET, Op: configs.EqualTo}}},
		{Name: "clone3", Action: configs.Errno},
		{Name: "landlock_restrict_self", Action: configs.Errno},
		{Name: "no_such_call", Action: configs.Errno},
	}}
	program, err := Compile(profile)
	if err != nil {
		t.Fatal(err)
	}
	file, err := program.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for range 2 { // the file can be read again and again
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = []string{asChild + "=1"}
		cmd.ExtraFiles = []*os.File{file}
		out, err := cmd.CombinedOutput()
		want := "hostname operation not permitted\npacket operation not permitted\nunix <nil>\nfuture function not implemented\n"
		if err != nil || string(out) != want {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if _, err := file.WriteAt([]byte{0}, 0); err == nil {
		t.Error("the file can be changed")
	}
}

func TestUnknownActionsAreRefused(t *testing.T) {
	_, err := Compile(&configs.Seccomp{DefaultAction: configs.Trace})
	if err == nil || !strings.Contains(err.Error(), "action") {
		t.Errorf("got %v", err)
	}
	if err := (Program{1, 2, 3}).load(); err == nil || errors.Is(err, unix.EINVAL) {
		t.Errorf("a program of 3 bytes: %v", err)
	}
}
