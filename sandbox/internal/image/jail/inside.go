package jail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kept are the capabilities that a task has, over files of its own directory only.
var kept = map[int]bool{unix.CAP_CHOWN: true, unix.CAP_DAC_OVERRIDE: true, unix.CAP_FOWNER: true}

// Limits of a task: descriptors, bytes of memory of its own, bytes of one file that it writes.
var limits = map[int]uint64{unix.RLIMIT_NOFILE: 256, unix.RLIMIT_DATA: 2 << 30, unix.RLIMIT_FSIZE: 8 << 30, unix.RLIMIT_CORE: 0}

// Main runs a task if this process was started by Run, and then does not return. It comes before anything else in main or TestMain.
func Main(tasks map[string]Task) {
	switch os.Args[0] {
	case nameOutside:
		fail(lockUp())
	case nameInside:
		if len(os.Args) != 3 || tasks[os.Args[1]] == nil {
			fail(fmt.Errorf("jail: no task %q", os.Args[1:]))
		}
		result, err := tasks[os.Args[1]](context.Background(), json.RawMessage(os.Args[2]))
		if err != nil {
			fail(err)
		}
		if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
			fail(err)
		}
		os.Exit(0)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// lockUp takes everything away and executes this program again. It only returns with an error.
func lockUp() error {
	runtime.LockOSThread() // capabilities are a thread's: this one executes
	self, err := unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("jail: %w", err)
	}
	tree, err := receive(3)
	if err != nil {
		return fmt.Errorf("jail: %w", err)
	}
	unix.CloseOnExec(3)
	if err := errors.Join(unix.Fchdir(tree), unix.Chroot("."), unix.Chdir("/")); err != nil {
		return fmt.Errorf("jail: chroot: %w", err)
	}
	for what, most := range limits {
		if err := unix.Setrlimit(what, &unix.Rlimit{Cur: most, Max: most}); err != nil {
			return fmt.Errorf("jail: limits: %w", err)
		}
	}
	unix.Umask(0o022)
	if err := dropCapabilities(); err != nil {
		return fmt.Errorf("jail: capabilities: %w", err)
	}
	os.Args[0] = nameInside
	return fmt.Errorf("jail: execveat: %w", executeAt(self, os.Args, os.Environ()))
}

// receive takes the descriptor of the directory.
func receive(from int) (int, error) {
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(from, make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return -1, errors.Join(err, errors.New("no directory came"))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, errors.Join(err, errors.New("no directory came"))
	}
	return fds[0], nil
}

// dropCapabilities shrinks the bounding set: uid 0 has just that after the next execve (capabilities(7)).
func dropCapabilities() error {
	for c := 0; ; c++ {
		has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0)
		if errors.Is(err, unix.EINVAL) && c > 0 {
			break // the last that the kernel knows
		}
		if err != nil {
			return err
		}
		if has == 0 || kept[c] {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
			return err
		}
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// executeAt is execveat(2) with AT_EMPTY_PATH: the program is no file of the jail.
func executeAt(fd int, argv, env []string) error {
	args, err := syscall.SlicePtrFromStrings(argv)
	if err != nil {
		return err
	}
	vars, err := syscall.SlicePtrFromStrings(env)
	if err != nil {
		return err
	}
	empty := []byte{0}
	_, _, errno := unix.Syscall6(unix.SYS_EXECVEAT, uintptr(fd), uintptr(unsafe.Pointer(&empty[0])), uintptr(unsafe.Pointer(&args[0])),
		uintptr(unsafe.Pointer(&vars[0])), unix.AT_EMPTY_PATH, 0)
	return errno
}
