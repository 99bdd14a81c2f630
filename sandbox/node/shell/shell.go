// Package shell is the first stage of a node shell, and of every other command that runs in the node itself: it puts itself where
// learners' processes belong, gives up what they shall not have, and becomes the command.
//
//	podlab-node shell [-probe] [-dir DIR] -- COMMAND ARG …
//
// It runs on the main thread alone: capabilities and filters are a thread's own until execve(2) carries them over.
package shell

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Places in the node.
const (
	CgroupRoot  = "/sys/fs/cgroup"
	Cgroup      = "shells" // of node shells, below the root
	ProbeCgroup = "probes" // of checks' commands
)

// score is a node shell's oom_score_adj: it goes after pods (500) and before the agent (100).
const score = "300"

// Exit codes of a command that could not be started, as a shell gives them.
const (
	exitNotFound = 127
	exitDenied   = 126
)

// Command returns the arguments that run argv through this stage.
func Command(binary string, probe bool, dir string, argv []string) []string {
	out := []string{binary, "shell"}
	if probe {
		out = append(out, "-probe")
	}
	if dir != "" {
		out = append(out, "-dir", dir)
	}
	return append(append(out, "--"), argv...)
}

// Main becomes the command; it returns an exit code when that fails. args are those behind "shell".
func Main(args []string) int {
	group, dir := Cgroup, "/root"
	for len(args) > 0 && args[0] != "--" {
		switch {
		case args[0] == "-probe":
			group = ProbeCgroup
		case args[0] == "-dir" && len(args) > 1:
			dir, args = args[1], args[1:]
		default:
			fmt.Fprintln(os.Stderr, "podlab-node shell: unknown argument", args[0])
			return exitDenied
		}
		args = args[1:]
	}
	if len(args) < 2 {
		fmt.Fprintln(os.Stderr, "podlab-node shell: no command")
		return exitDenied
	}
	argv := args[1:]
	if err := enter(group, dir); err != nil {
		fmt.Fprintln(os.Stderr, "podlab-node shell:", err)
		return exitDenied
	}
	path, err := exec.LookPath(argv[0])
	if err == nil {
		err = syscall.Exec(path, argv, os.Environ())
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", argv[0], errors.Unwrap(err))
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return exitNotFound
	}
	return exitDenied
}

func enter(group, dir string) error {
	if err := JoinCgroup(CgroupRoot, group); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte(score), 0); err != nil {
		return fmt.Errorf("oom_score_adj: %w", err)
	}
	if err := os.Chdir(dir); err != nil {
		if err := os.Chdir("/"); err != nil {
			return err
		}
	}
	// The filter first: installing it needs CAP_SYS_ADMIN or no_new_privs, and nothing here needs what it forbids.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if err := loadFilter(); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	return dropCapabilities()
}

// cgroupDirs lists the directories that make up a group: one on cgroup v2, one for each controller on v1. cpuset is left out: a
// new group of it takes no process before its CPUs are set.
func cgroupDirs(root, group string) []string {
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err == nil {
		return []string{filepath.Join(root, group)}
	}
	var dirs []string
	for _, controller := range []string{"memory", "pids", "cpu", "cpuacct", "blkio", "freezer", "devices", "systemd"} {
		if _, err := os.Stat(filepath.Join(root, controller, "cgroup.procs")); err == nil {
			dirs = append(dirs, filepath.Join(root, controller, group))
		}
	}
	return dirs
}

// MakeCgroup makes a group for node shells, with a limit of processes if that is not 0.
func MakeCgroup(root, group string, pids int64) error {
	var errs []error
	for _, dir := range cgroupDirs(root, group) {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			errs = append(errs, err)
			continue
		}
		limit := filepath.Join(dir, "pids.max")
		if _, err := os.Stat(limit); err == nil && pids > 0 {
			errs = append(errs, os.WriteFile(limit, fmt.Append(nil, pids), 0))
		}
	}
	return errors.Join(errs...)
}

// Processes lists what runs in a group; none where there is no group.
func Processes(root, group string) (pids []int) {
	dirs := cgroupDirs(root, group)
	if len(dirs) == 0 {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(dirs[0], "cgroup.procs"))
	if err != nil {
		return nil
	}
	for _, line := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(line); err == nil && pid > 1 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// JoinCgroup moves this process. A controller that was not delegated is left alone, but the process must have moved somewhere.
func JoinCgroup(root, group string) error {
	var errs []error
	joined := false
	for _, dir := range cgroupDirs(root, group) {
		err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0)
		joined = joined || err == nil
		errs = append(errs, err)
	}
	if joined {
		return nil
	}
	return fmt.Errorf("cgroup %s: %w", group, errors.Join(append(errs, errors.New("no group"))...))
}
