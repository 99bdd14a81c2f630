package trace

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/text"
)

// pollEvery is how long a process must live to be seen for sure.
const pollEvery = 50 * time.Millisecond

// pollSource reads /proc again and again while there are nodes. It tells nothing of threads, nor of processes that came and went
// between two readings, and knows how a process ended only when its parent has not yet asked: else the moment has the parameter
// "code" with the value "unknown".
type pollSource struct {
	nodes
	tasks   tasks
	outside map[int]uint64  // processes on no node: host pid → start
	begun   map[uint64]bool // nodes whose processes have been read once
}

func openPoll(context.Context) (source, error) {
	if _, err := os.Stat("/proc/self/ns/pid"); err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	return &pollSource{nodes: newNodes(), tasks: tasks{}, outside: map[int]uint64{}, begun: map[uint64]bool{}}, nil
}

func (s *pollSource) add(pidns uint64, _ int) error {
	s.insert(pidns)
	return nil
}

func (s *pollSource) close() error { return nil }

func (s *pollSource) run(ctx context.Context, sink Sink) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.fresh:
			clear(s.outside) // they may be on that node
		case <-tick.C:
		}
		if len(s.all()) == 0 {
			clear(s.tasks)
			clear(s.outside)
			continue
		}
		if err := s.round(sink); err != nil {
			return err
		}
	}
}

// round reads all processes once and tells what is different.
func (s *pollSource) round(sink Sink) error {
	nodes := s.all()
	pids, err := hostPIDs()
	if err != nil {
		return err
	}
	there := make(map[int]bool, len(pids))
	for _, pid := range pids {
		there[pid] = true
	}
	for _, pid := range slices.Sorted(maps.Keys(s.tasks)) {
		if !there[pid] {
			s.end(pid, s.tasks[pid], sink)
		}
	}
	for _, pid := range pids {
		s.one(pid, sink)
	}
	maps.DeleteFunc(s.outside, func(pid int, _ uint64) bool { return !there[pid] })
	clear(s.begun)
	for _, node := range nodes {
		s.begun[node] = true
	}
	return nil
}

func (s *pollSource) one(pid int, sink Sink) {
	var now task
	if now.readStat(pid) != nil {
		return // gone: the next round finds it missing
	}
	before, known := s.tasks[pid]
	if known && before.start != now.start {
		s.end(pid, before, sink)
		known = false
	}
	if known {
		s.again(pid, before, now, sink)
		return
	}
	if start, ok := s.outside[pid]; ok && start == now.start {
		return
	}
	t, err := s.look(pid)
	if errors.Is(err, errOutside) {
		s.outside[pid] = now.start
		return
	}
	if err == nil {
		s.begin(pid, t, sink)
	}
}

// begin tells of a new process, and of its exec when it no longer is what its parent is.
func (s *pollSource) begin(pid int, t task, sink Sink) {
	const tick = 10_000 // µs: USER_HZ is 100
	parent := s.tasks[t.ppid]
	execed := t.mark != parent.mark
	if t.mark == [2]uint64{} { // in the midst of an exec: the next round sees its end
		t.mark, execed = parent.mark, false
	}
	s.tasks[pid] = t
	if !s.begun[t.node] {
		return // it was there before the node was added
	}
	s.tell(sink, s.tasks.moment(sandbox.MomentFork, t, pid, int64(t.start)*tick), t.node)
	if execed {
		s.exec(pid, t, sink)
	}
}

func (s *pollSource) exec(pid int, t task, sink Sink) {
	m := s.tasks.moment(sandbox.MomentExec, t, pid, bootTime())
	m.Path = text.Clean(exe(pid), pathSize-1)
	s.tell(sink, m, t.node)
}

// again compares a known process with what it was. A zombie has no addresses left, but its status.
func (s *pollSource) again(pid int, before, now task, sink Sink) {
	after := before
	after.name, after.ppid, after.status, after.ended = now.name, now.ppid, now.status, now.ended
	if now.mark != before.mark && now.mark != [2]uint64{} {
		after.mark = now.mark
		s.exec(pid, after, sink)
	}
	s.tasks[pid] = after
}

func (s *pollSource) end(pid int, t task, sink Sink) {
	m := s.tasks.moment(sandbox.MomentExit, t, pid, bootTime())
	setStatus(&m, t.status)
	if !t.ended {
		m.Params = map[string]string{"code": "unknown"}
	}
	s.tell(sink, m, t.node)
	delete(s.tasks, pid)
}

// bootTime is the time of CLOCK_BOOTTIME in µs.
func bootTime() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0 // the clock is there since Linux 2.6.39
	}
	return ts.Nano() / 1000
}
