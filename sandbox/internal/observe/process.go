package observe

import (
	"cmp"
	"os"
	"slices"
	"strconv"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/text"
)

// ticksPerSecond is USER_HZ, 100 on every architecture that Go knows: the unit of times in /proc/PID/stat.
const ticksPerSecond = 100

var pageSize = int64(os.Getpagesize())

// process is what is remembered of one between snapshots.
type process struct {
	start    uint64 // ticks; another value under the same pid is another process
	seen     uint64 // number of the last snapshot with it
	read     time.Time
	execed   execMark
	status   status
	args     []string
	ns       sandbox.Namespaces
	cgroup   string
	threads  []sandbox.Thread
	nThreads int
	sockets  []heldSocket
	moreFDs  bool // than were looked at for sockets
}

// execMark changes when a process executes another program, renames itself, or dies.
type execMark struct {
	name                 string
	startStack, argStart uint64
	zombie               bool
}

// running is one process of the snapshot being made, with what others need of it.
type running struct {
	sandbox.Process
	known *process
}

// processes reads all processes, by pid.
func (o *Observer) processes(s *scan) []running {
	proc, err := openDir(noDir, o.Proc)
	if err != nil {
		return nil
	}
	defer proc.close()
	pids, more, _ := o.r.numbers(proc, maxProcesses)
	if more {
		s.truncate("processes")
	}
	slices.Sort(pids)
	all := make([]running, 0, len(pids))
	for _, pid := range pids {
		if p, ok := o.process(s, proc, pid); ok {
			all = append(all, p)
		}
	}
	for pid, p := range o.known {
		if p.seen != o.seq {
			delete(o.known, pid)
		}
	}
	return withoutHidden(s, all)
}

// process reads one; it is false when the process has ended meanwhile.
func (o *Observer) process(s *scan, proc dir, pid int) (running, bool) {
	d, err := openDir(proc, strconv.Itoa(pid))
	if err != nil {
		return running{}, false
	}
	defer d.close()
	b, err := o.r.firstRead(d, "stat")
	if err != nil {
		return running{}, false
	}
	st, err := parseStat(b)
	if err != nil {
		return running{}, false
	}
	p := o.known[pid]
	if p == nil || p.start != st.start {
		p = &process{start: st.start}
		o.known[pid] = p
	}
	p.seen = o.seq
	if !o.refresh(s, d, pid, p, st) {
		return running{}, false
	}
	return running{s.process(pid, st, p), p}, true
}

// refresh reads what rarely changes, when it may have: after an exec, while the process is young, and now and then.
func (o *Observer) refresh(s *scan, d dir, pid int, p *process, st stat) bool {
	mark := execMark{st.name, st.startStack, st.argStart, st.state == 'Z'}
	young := s.sinceBoot-ticks(st.start) < youngProcess
	if mark == p.execed && !young && s.now.Sub(p.read) < staleProcess && st.threads == p.nThreads {
		return true
	}
	b, err := o.r.firstRead(d, "status")
	if err != nil {
		return false
	}
	if p.status, err = parseStatus(b); err != nil {
		return false
	}
	p.ns = o.r.namespaces(d)
	p.args = []string{}
	if b, err := o.r.firstRead(d, "cmdline"); err == nil {
		p.args = parseCmdline(b)
	}
	if b, err := o.r.firstRead(d, "cgroup"); err == nil {
		p.cgroup = parseCgroup(b)
	}
	p.threads = o.threads(d, pid, p, st)
	o.sockets(d, p)
	p.execed, p.read, p.nThreads = mark, s.now, st.threads
	return true
}

// process makes what goes into the snapshot.
func (s *scan) process(pid int, st stat, p *process) sandbox.Process {
	return sandbox.Process{
		PID:       pid,
		PPID:      st.ppid,
		Inside:    p.status.inside,
		Start:     ticks(st.start).Microseconds(),
		Name:      text.Clean(st.name, maxShortName),
		Args:      s.someArgs(p.args),
		State:     string(rune(st.state)),
		UID:       p.status.uid,
		Container: s.container(p.cgroup),
		Role:      s.role(pid),
		NS:        p.ns,
		RSS:       st.rss * pageSize,
		Threads:   s.someThreads(p.threads, st.threads-1),
	}
}

// someArgs keeps to the limit of all processes together.
func (s *scan) someArgs(args []string) []string {
	for i, arg := range args {
		if s.args += len(arg); s.args > maxAllArgsBytes {
			s.truncate("args")
			return args[:i]
		}
	}
	return args
}

// someThreads keeps to the limit of all processes together.
func (s *scan) someThreads(threads []sandbox.Thread, there int) []sandbox.Thread {
	if there > maxThreads {
		s.truncate("threads")
	}
	if left := maxAllThreads - s.threads; len(threads) > left {
		s.truncate("threads")
		threads = threads[:left]
	}
	s.threads += len(threads)
	return threads
}

func ticks(n uint64) time.Duration { return time.Duration(n) * (time.Second / ticksPerSecond) }

// role names the node's own processes.
func (s *scan) role(pid int) string {
	switch pid {
	case s.in.InitPID:
		return "init"
	case s.in.AgentPID:
		return "agent"
	}
	return s.in.Roles[pid]
}

// withoutHidden leaves out a check's probes and what they started.
func withoutHidden(s *scan, all []running) []running {
	if s.in.Hidden == nil {
		return all
	}
	hidden := map[int]bool{}
	for _, p := range all {
		if s.in.Hidden(p.PID, p.known.cgroup) {
			hidden[p.PID] = true
		}
	}
	if len(hidden) == 0 {
		return all
	}
	// A child may have a lower pid than its parent (pids wrap): until nothing more is found.
	for found := true; found; {
		found = false
		for _, p := range all {
			if hidden[p.PPID] && !hidden[p.PID] {
				hidden[p.PID], found = true, true
			}
		}
	}
	return slices.DeleteFunc(all, func(p running) bool { return hidden[p.PID] })
}

// byPID finds a process in the list, which is sorted.
func byPID(all []running, pid int) (running, bool) {
	i, ok := slices.BinarySearchFunc(all, pid, func(p running, pid int) int { return cmp.Compare(p.PID, pid) })
	if !ok {
		return running{}, false
	}
	return all[i], true
}
