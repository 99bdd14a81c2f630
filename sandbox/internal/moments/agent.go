package moments

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"podlab/sandbox"
)

// agent is the node's pid of a node's agent, 0 while it is not known. It enters pods' networks to read them, at each look, on threads of its
// own: kept, that would be most of what a node is told of, and push out what a learner did.
type agent struct{ pid atomic.Int64 }

// looks reports whether a moment is such an entering.
func (a *agent) looks(one *sandbox.Moment) bool {
	if one.Kind == sandbox.MomentFork && one.PPID == 1 && !one.Thread { // node init forks nothing else
		a.pid.Store(int64(one.PID))
	}
	return one.Kind == sandbox.MomentSetns && one.PID != 0 && int64(one.PID) == a.pid.Load()
}

// find looks who is the agent when it was forked before somebody listened. Orphans of a learner are node init's children too, and have what
// name they like: the agent is its child that executes the file program, or node init's own, with the agent's argument, behind no more filters
// of system calls than node init. Where that is true of several, none is believed: what the agent enters is told then, until its next life.
func (a *agent) find(init int, program string) {
	own := strconv.Itoa(init)
	found, several := int64(0), false
	lists, _ := filepath.Glob(filepath.Join("/proc", own, "task/*/children")) // proc_pid_children(5); a bad pattern is the only error
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, child := range strings.Fields(string(text)) {
			if !executes(child, program) && !executes(child, filepath.Join("/proc", own, "exe")) || !isAgent(child) {
				continue
			}
			inside, filters := status(child)
			if _, most := status(own); filters != most {
				continue
			}
			several = found != 0
			found = int64(inside)
		}
	}
	if !several {
		a.pid.CompareAndSwap(0, found)
	}
}

// executes reports whether a process executes that file, whatever it calls itself.
func executes(pid, file string) bool {
	its, err := os.Stat(filepath.Join("/proc", pid, "exe"))
	if err != nil {
		return false
	}
	want, err := os.Stat(file)
	return err == nil && os.SameFile(its, want)
}

// isAgent reports whether a process was started with the agent's argument (proc_pid_cmdline(5)).
func isAgent(pid string) bool {
	text, _ := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
	args := strings.Split(string(text), "\x00")
	return len(args) > 1 && args[1] == "agent"
}

// status reads a process's pid in its innermost namespace, and how many filters of system calls it has (proc_pid_status(5)).
func status(pid string) (inside int, filters string) {
	text, _ := os.ReadFile(filepath.Join("/proc", pid, "status"))
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		switch {
		case len(f) < 2:
		case f[0] == "Seccomp_filters:":
			filters = f[1]
		case f[0] == "NSpid:":
			inside, _ = strconv.Atoi(f[len(f)-1])
		}
	}
	return inside, filters
}
