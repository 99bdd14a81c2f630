package cgroup

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// remove removes a group and all below it, deepest first, and kills what is in them. A learner may have nested groups deeper than any
// path is long, named them anything, and frozen them: a frozen process does not die (v1). So it walks by descriptors, one at a time, and
// lets everything run on its way down. The cgroup file system has no symbolic links.
func remove(dir string) error {
	at, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: dir, Err: err}
	}
	write(at, "cgroup.kill", "1") // v2: all below too
	var above []string            // names on the way down
	for {
		write(at, "freezer.state", "THAWED") // v1
		write(at, "cgroup.freeze", "0")      // v2
		killAll(at)
		child, err := firstChild(at)
		if err != nil {
			unix.Close(at)
			return err
		}
		if child != "" {
			above = append(above, child)
			at, err = step(at, child)
		} else if len(above) > 0 {
			last := above[len(above)-1]
			above = above[:len(above)-1]
			if at, err = step(at, ".."); err == nil {
				err = unix.Unlinkat(at, last, unix.AT_REMOVEDIR)
			}
		} else {
			unix.Close(at)
			return unix.Rmdir(dir)
		}
		if err != nil {
			unix.Close(at)
			return &os.PathError{Op: "remove group", Path: dir, Err: err}
		}
	}
}

// step replaces the open directory at with one beside it.
func step(at int, name string) (int, error) {
	next, err := unix.Openat(at, name, unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return at, err
	}
	unix.Close(at)
	return next, nil
}

// firstChild returns the name of some directory in at, "" when there is none.
func firstChild(at int) (string, error) {
	again, err := unix.Openat(at, ".", unix.O_DIRECTORY|unix.O_CLOEXEC, 0) // at its beginning
	if err != nil {
		return "", err
	}
	dir := os.NewFile(uintptr(again), "group")
	defer dir.Close()
	for {
		entries, err := dir.ReadDir(64)
		for _, entry := range entries {
			if entry.IsDir() {
				return entry.Name(), nil
			}
		}
		if err != nil { // io.EOF is the end of the list
			return "", nil
		}
	}
}

// killAll kills the processes in the open group. They are all a node's: nothing else is ever put below parent.
func killAll(at int) {
	fd, err := unix.Openat(at, "cgroup.procs", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	procs := os.NewFile(uintptr(fd), "cgroup.procs")
	defer procs.Close()
	var pid int
	for {
		if _, err := fmt.Fscanln(procs, &pid); err != nil {
			return
		}
		if pid > 1 {
			_ = unix.Kill(pid, unix.SIGKILL) // it may be gone
		}
	}
}

// write writes a file of the open group, if this version and hierarchy has it. Where it fails, rmdir says why it matters.
func write(at int, name, text string) {
	fd, err := unix.Openat(at, name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	_, _ = unix.Write(fd, []byte(text))
	unix.Close(fd)
}
