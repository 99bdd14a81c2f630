// Package userns makes user namespaces that belong to a uid of their own.
//
// The kernel counts inotify instances, pending signals, message queues, nested namespaces and more for each uid, and what
// happens in a user namespace is counted for the uid that made it too (ucounts, user_namespaces(7)). If root made them all,
// one learner could use up what all share. So the namespace of a node is made by the node's own first uid.
//
// Importing this package makes the program start as the maker when PODLAB_USERNS is in its environment: see userns.c.
package userns

import "C" // for userns.c

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// Size is how many ids a namespace has: 0–65535 inside, base–base+65535 on the host.
const Size = 65536

// New makes a user namespace that maps Size uids and gids to the host's from base on, owned by uid base. The file keeps it alive.
func New(base uint32) (*os.File, error) {
	f, err := newNamespace(base)
	if err != nil {
		return nil, fmt.Errorf("user namespace for ids from %d: %w", base, err)
	}
	return f, nil
}

var errNotMade = errors.New("not made")

func newNamespace(base uint32) (_ *os.File, err error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{"PODLAB_USERNS=" + strconv.FormatUint(uint64(base), 10)}
	stay, err := cmd.StdinPipe() // the maker ends when this closes, so it cannot outlive us
	if err != nil {
		return nil, err
	}
	ready, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() {
		stay.Close()
		if ended := cmd.Wait(); ended != nil {
			err = errors.Join(err, makerError(ended))
		}
	}()
	if n, _ := ready.Read(make([]byte, 1)); n != 1 {
		return nil, errNotMade // the maker's exit status says why
	}
	return adopt(cmd.Process.Pid, base)
}

// adopt writes the maps of the maker's new namespace and opens it.
func adopt(pid int, base uint32) (*os.File, error) {
	line := fmt.Appendf(nil, "0 %d %d\n", base, Size)
	for _, name := range []string{"uid_map", "gid_map"} {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, name), line, 0); err != nil {
			return nil, err
		}
	}
	return os.Open(fmt.Sprintf("/proc/%d/ns/user", pid))
}

// makerError turns the maker's exit status, which is an errno, into an error.
func makerError(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return syscall.Errno(exit.ExitCode())
	}
	return err
}
