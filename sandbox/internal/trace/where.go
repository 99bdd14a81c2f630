package trace

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// task is what the sources without eBPF know of one: they learn of an event by its pid on the host and look the rest up in /proc.
type task struct {
	node   uint64 // pid namespace of the node that it is on
	pid    int    // as the node sees it
	inside int    // in its own pid namespace
	pidns  uint64 // that namespace
	ppid   int    // on the host
	leader int    // on the host: the process it is a thread of, itself when it is none
	name   string
	mark   [2]uint64 // of its program: changes with every exec; zero in the midst of one, and for a zombie
	start  uint64    // ticks since boot
	ended  bool      // it is a zombie
	status uint32    // wait status, once it has ended
}

var errOutside = errors.New("trace: on no node")

// look reads a task of the host. It is errOutside for one that is on no node, another error for one that is gone.
func (n *nodes) look(hostPID int) (t task, err error) {
	above, err := n.find(hostPID, &t)
	if err != nil {
		return t, err
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", hostPID))
	if err != nil {
		return t, err
	}
	pids, leader := parseStatus(b)
	if above >= len(pids) {
		return t, fmt.Errorf("trace: process %d has %d pids, its node is %d namespaces above", hostPID, len(pids), above)
	}
	t.pid, t.inside, t.leader = pids[len(pids)-1-above], pids[len(pids)-1], leader
	return t, t.readStat(hostPID)
}

// find goes up from a task's pid namespace to the first that is a node's.
func (n *nodes) find(hostPID int, t *task) (above int, err error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/pid", hostPID), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(fd) }()
	for ; above <= maxLevel; above++ {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return 0, err
		}
		if above == 0 {
			t.pidns = st.Ino
		}
		if n.has(st.Ino) {
			t.node = st.Ino
			return above, nil
		}
		parent, err := unix.IoctlRetInt(fd, unix.NS_GET_PARENT)
		if err != nil {
			return 0, errOutside // EPERM: the tracer's own namespace has been reached
		}
		_ = unix.Close(fd)
		fd = parent
	}
	return 0, errOutside
}

// parseStatus takes NSpid and Tgid from /proc/PID/status (proc_pid_status(5)).
func parseStatus(b []byte) (pids []int, leader int) {
	for line := range bytes.Lines(b) {
		key, value, _ := bytes.Cut(line, []byte{':'})
		switch string(key) {
		case "Tgid":
			leader, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		case "NSpid":
			for word := range bytes.FieldsSeq(value) {
				n, err := strconv.Atoi(string(word))
				if err != nil {
					return nil, leader
				}
				pids = append(pids, n)
			}
		}
	}
	return pids, leader
}

func (t *task) readStat(hostPID int) error {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", hostPID))
	if err != nil {
		return err
	}
	return t.parseStat(b)
}

// parseStat takes what is needed from /proc/PID/stat (proc_pid_stat(5)).
func (t *task) parseStat(b []byte) error {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return fmt.Errorf("trace: not a line of stat: %q", b)
	}
	t.name = string(b[open+1 : end])
	const first = 3 // number of the field after the name
	words := bytes.Fields(b[end+1:])
	field := func(n int) uint64 {
		if n-first >= len(words) {
			return 0
		}
		v, _ := strconv.ParseUint(string(words[n-first]), 10, 64) // none of these is negative
		return v
	}
	t.ended = len(words) > 0 && words[0][0] == 'Z'
	t.ppid, t.start, t.status = int(field(4)), field(22), uint32(field(52))
	// Where code and stack begin; the kernel chooses these addresses at random. During an exec the first is still 0.
	if code := field(26); code != 0 {
		t.mark = [2]uint64{code, field(28)}
	}
	return nil
}

// exe is the file that a task executes; its own name for it, as eBPF tells it, is not to be had.
func exe(hostPID int) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", hostPID))
	if err != nil {
		return ""
	}
	return path
}
