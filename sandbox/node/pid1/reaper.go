package pid1

import (
	"errors"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/procstat"
)

// maxOrphans is how many ends of orphans are remembered; the oldest is forgotten first.
const maxOrphans = 4096

// end is how an orphan ended.
type end struct {
	start  uint64 // with pid it names the process for ever
	pid    int32
	status uint32 // syscall.WaitStatus
}

// reaper waits for every child of PID 1: the agent, and all that lost their parent.
type reaper struct {
	mu     sync.Mutex
	agent  int
	ended  bool
	status syscall.WaitStatus

	ends []end // maxOrphans, from the first: 64 KiB that do not grow
	next int   // the oldest of them
}

func newReaper() *reaper { return &reaper{ends: make([]end, maxOrphans)} }

// fork starts the agent. The lock keeps reap from taking it for an orphan.
func (r *reaper) fork(path string, argv []string, attr *syscall.ProcAttr) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pid, err := syscall.ForkExec(path, argv, attr)
	if err != nil {
		return 0, err
	}
	r.agent, r.ended = pid, false
	return pid, nil
}

func (r *reaper) agentStatus() (syscall.WaitStatus, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status, r.ended
}

func (r *reaper) killAgent() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended {
		_ = syscall.Kill(r.agent, syscall.SIGKILL) // not reaped yet, so it is still its pid
	}
}

// reap waits for every child that has ended.
func (r *reaper) reap() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		pid := peek()
		if pid == 0 {
			return
		}
		start, err := procstat.Start(pid)
		if err != nil {
			start = 0 // /proc is the learner's to break
		}
		var status syscall.WaitStatus
		if !wait(pid, &status) {
			return
		}
		if pid == r.agent && !r.ended {
			r.status, r.ended = status, true
			continue
		}
		r.remember(end{start, int32(pid), uint32(status)})
	}
}

func (r *reaper) remember(e end) {
	r.ends[r.next] = e
	r.next = (r.next + 1) % maxOrphans
}

// exited tells how an orphan ended; alive when it has not.
func (r *reaper) exited(pid int, start uint64) (status syscall.WaitStatus, alive, known bool) {
	r.reap()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.ends {
		if e.pid == int32(pid) && e.start == start && pid > 0 {
			return syscall.WaitStatus(e.status), false, true
		}
	}
	now, err := procstat.Start(pid)
	alive = err == nil && now == start
	return 0, alive, alive
}

// peek returns the pid of a child that has ended and leaves it as it is (WNOWAIT), so that its /proc entry can still be read.
func peek() int {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0
		}
		// si_pid is the first of the fields behind si_signo, si_errno, si_code and four bytes of padding (sigaction(2)).
		return int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), 16)))
	}
}

func wait(pid int, status *syscall.WaitStatus) bool {
	for {
		_, err := syscall.Wait4(pid, status, 0, nil)
		if !errors.Is(err, syscall.EINTR) {
			return err == nil
		}
	}
}
