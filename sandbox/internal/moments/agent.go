package moments

import (
	"fmt"
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

// find looks who is the agent when it was forked before somebody listened: node init's child of that name, or its only one.
func (a *agent) find(init int) {
	named, children := 0, []int{}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", init)) // proc_pid_children(5); a bad pattern is the only error
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, child := range strings.Fields(string(text)) {
			name, pid := nameOf(child)
			children = append(children, pid)
			if name == "podlab-agent" {
				named = pid
			}
		}
	}
	if named == 0 && len(children) == 1 {
		named = children[0]
	}
	a.pid.CompareAndSwap(0, int64(named))
}

// nameOf reads a process's name, and its pid in its innermost namespace (proc_pid_status(5)).
func nameOf(pid string) (name string, inside int) {
	text, _ := os.ReadFile(filepath.Join("/proc", pid, "status"))
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		switch {
		case len(f) < 2:
		case f[0] == "Name:":
			name = f[1]
		case f[0] == "NSpid:":
			inside, _ = strconv.Atoi(f[len(f)-1])
		}
	}
	return name, inside
}
