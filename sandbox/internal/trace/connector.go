package trace

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/text"
)

// The kernel's proc connector (linux/cn_proc.h) sends every fork, exec and exit of the host over netlink, with pids of the host and
// nothing else: the rest is read from /proc, which is too late for what has ended by then.
const (
	cnProc           = 1 // CN_IDX_PROC and CN_VAL_PROC
	mcastListen      = 1 // PROC_CN_MCAST_LISTEN
	procNone         = 0
	procFork         = 1
	procExec         = 2
	procExit         = 0x80000000
	sizeofConnector  = 20 // struct cn_msg
	sizeofProcHeader = 16 // struct proc_event before its union: what, cpu, timestamp
	connectorBuffer  = 4 << 20
	connectorAnswer  = time.Second
)

// procEvent is one message of the connector.
type procEvent struct {
	what  uint32
	cpu   uint32
	seq   uint32 // rises by one for each cpu
	at    uint64 // CLOCK_MONOTONIC, ns
	words [5]uint32
}

// parseProcEvent reads nlmsghdr, cn_msg and proc_event.
func parseProcEvent(b []byte) (e procEvent, err error) {
	const start = unix.SizeofNlMsghdr + sizeofConnector
	if len(b) < start+sizeofProcHeader {
		return e, fmt.Errorf("trace: connector message of %d bytes", len(b))
	}
	order := binary.NativeEndian
	if order.Uint32(b[unix.SizeofNlMsghdr:]) != cnProc || order.Uint32(b[unix.SizeofNlMsghdr+4:]) != cnProc {
		return e, errors.New("trace: message of another connector")
	}
	e.seq = order.Uint32(b[unix.SizeofNlMsghdr+8:])
	e.what, e.cpu, e.at = order.Uint32(b[start:]), order.Uint32(b[start+4:]), order.Uint64(b[start+8:])
	rest := b[start+sizeofProcHeader:]
	for i := range e.words {
		if len(rest) >= 4*i+4 {
			e.words[i] = order.Uint32(rest[4*i:])
		}
	}
	return e, nil
}

// connectorSource keeps every task of the nodes in mind, since of one that has ended nothing can be read.
type connectorSource struct {
	nodes
	socket *os.File
	tasks  tasks
	living map[int]int       // tasks of each process that have not ended
	seqs   map[uint32]uint32 // cpu → last seq
}

func openConnector(ctx context.Context) (_ source, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_CONNECTOR)
	if err != nil {
		return nil, fmt.Errorf("trace: proc connector: %w", err)
	}
	s := &connectorSource{
		nodes: newNodes(), socket: os.NewFile(uintptr(fd), "proc connector"), tasks: tasks{}, living: map[int]int{}, seqs: map[uint32]uint32{},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	// A burst must fit, as far as the host's limit lets it.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, connectorBuffer)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: cnProc}); err != nil {
		return nil, fmt.Errorf("trace: proc connector: %w", err)
	}
	if err := s.subscribe(ctx); err != nil {
		return nil, fmt.Errorf("trace: proc connector: %w", err)
	}
	return s, nil
}

func (s *connectorSource) add(pidns uint64, _ int) error {
	s.insert(pidns)
	return nil
}

func (s *connectorSource) close() error { return s.socket.Close() }

// subscribe asks for events and waits for the answer: where the caller is not root of the host's first namespaces there is none.
func (s *connectorSource) subscribe(ctx context.Context) error {
	msg := make([]byte, unix.SizeofNlMsghdr+sizeofConnector+4)
	order := binary.NativeEndian
	order.PutUint32(msg[0:], uint32(len(msg)))
	order.PutUint16(msg[4:], unix.NLMSG_DONE)
	order.PutUint32(msg[unix.SizeofNlMsghdr:], cnProc)
	order.PutUint32(msg[unix.SizeofNlMsghdr+4:], cnProc)
	order.PutUint16(msg[unix.SizeofNlMsghdr+16:], 4)
	order.PutUint32(msg[unix.SizeofNlMsghdr+sizeofConnector:], mcastListen)
	if _, err := s.socket.Write(msg); err != nil {
		return err
	}
	if err := s.socket.SetReadDeadline(time.Now().Add(connectorAnswer)); err != nil {
		return err
	}
	for ctx.Err() == nil {
		e, err := s.read()
		if err != nil {
			return err
		}
		if e.what == procNone {
			if e.words[0] != 0 {
				return unix.Errno(e.words[0])
			}
			return s.socket.SetReadDeadline(time.Time{})
		}
	}
	return ctx.Err()
}

// read takes the next message that the kernel sent.
func (s *connectorSource) read() (procEvent, error) {
	raw, err := s.socket.SyscallConn()
	if err != nil {
		return procEvent{}, err
	}
	var buf [512]byte
	for {
		var n int
		var from unix.Sockaddr
		var received error
		err := raw.Read(func(fd uintptr) bool {
			n, from, received = unix.Recvfrom(int(fd), buf[:], 0)
			return received != unix.EAGAIN
		})
		if err := errors.Join(err, received); err != nil {
			return procEvent{}, err
		}
		if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 {
			continue // another process sent it
		}
		return parseProcEvent(buf[:n])
	}
}

func (s *connectorSource) run(ctx context.Context, sink Sink) error {
	stop := context.AfterFunc(ctx, func() { _ = s.socket.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for {
		e, err := s.read()
		select {
		case <-s.fresh:
			s.adopt()
		default:
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS): // the kernel had to drop some; the gap in seq says how many
			continue
		case err != nil:
			return fmt.Errorf("trace: proc connector: %w", err)
		}
		s.countLost(e, sink)
		s.handle(e, sink)
	}
}

// countLost reports a gap. What was in it is not known, so it is told to all nodes, and their tasks are read anew.
func (s *connectorSource) countLost(e procEvent, sink Sink) {
	last, ok := s.seqs[e.cpu]
	s.seqs[e.cpu] = e.seq
	if !ok || e.seq == last+1 {
		return
	}
	for _, node := range s.all() {
		sink.Lost(node, uint64(e.seq-last-1))
	}
	s.adopt()
}

// adopt reads the tasks that are on the nodes now.
func (s *connectorSource) adopt() {
	clear(s.tasks)
	clear(s.living)
	pids, err := hostPIDs()
	if err != nil {
		return // what is not known will be counted as lost
	}
	for _, pid := range pids {
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			continue
		}
		for _, thread := range threads {
			if tid, err := strconv.Atoi(thread.Name()); err == nil {
				_, _ = s.know(tid) // it may have ended
			}
		}
	}
}

// know looks a task up.
func (s *connectorSource) know(hostPID int) (task, error) {
	t, err := s.look(hostPID)
	if err == nil {
		if _, ok := s.tasks[hostPID]; !ok {
			s.living[t.leader]++
		}
		s.tasks[hostPID] = t
	}
	return t, err
}

func (s *connectorSource) handle(e procEvent, sink Sink) {
	if len(s.all()) == 0 {
		return
	}
	switch e.what {
	case procFork: // parent's pid and tgid, child's pid and tgid
		s.fork(e, sink)
	case procExec:
		s.exec(e, sink)
	case procExit:
		s.exit(e, sink)
	}
}

func (s *connectorSource) fork(e procEvent, sink Sink) {
	child, parent := int(e.words[2]), s.tasks[int(e.words[1])]
	t, err := s.know(child)
	if errors.Is(err, errOutside) {
		return
	}
	if err != nil { // it has ended already, and its parent has taken note
		if parent.node != 0 {
			sink.Lost(parent.node, 1)
		}
		return
	}
	if parent.node != 0 {
		t.name, t.ppid = parent.name, int(e.words[1]) // as they were then
	}
	s.tasks[child] = t
	s.tell(sink, s.tasks.moment(sandbox.MomentFork, t, child, s.time(e)), t.node)
}

func (s *connectorSource) exec(e procEvent, sink Sink) {
	pid := int(e.words[1])
	t, err := s.know(pid)
	if err != nil {
		var ok bool
		if t, ok = s.tasks[pid]; !ok {
			return
		}
	}
	// Of all its threads one is left, under the process's pid, whichever it was.
	maps.DeleteFunc(s.tasks, func(other int, t task) bool { return t.leader == pid && other != pid })
	s.living[pid] = 1
	m := s.tasks.moment(sandbox.MomentExec, t, pid, s.time(e))
	m.Path = text.Clean(exe(pid), pathSize-1)
	s.tell(sink, m, t.node)
}

// exit is told for each task. The process ends with its last, and that one's status is the process's.
func (s *connectorSource) exit(e procEvent, sink Sink) {
	pid, leader, status := int(e.words[0]), int(e.words[1]), e.words[2]
	t, ok := s.tasks[pid]
	if !ok {
		return
	}
	s.living[leader]--
	last := s.living[leader] <= 0
	if pid != leader || !last {
		m := s.tasks.moment(sandbox.MomentExit, t, pid, s.time(e))
		if pid == leader {
			m.PPID = m.PID // as of a thread: its process
		}
		m.Thread = true
		setStatus(&m, status)
		s.tell(sink, m, t.node)
	}
	if pid != leader {
		delete(s.tasks, pid)
	}
	if last {
		s.end(leader, status, e, sink)
	}
}

// end tells that a process has ended. Its first thread may have gone long before, but is known until now.
func (s *connectorSource) end(leader int, status uint32, e procEvent, sink Sink) {
	t, ok := s.tasks[leader]
	delete(s.living, leader)
	if !ok {
		return
	}
	m := s.tasks.moment(sandbox.MomentExit, t, leader, s.time(e))
	setStatus(&m, status)
	delete(s.tasks, leader)
	s.tell(sink, m, t.node)
}

// time makes boot time of the event's.
func (s *connectorSource) time(e procEvent) int64 {
	var mono unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono) != nil {
		return bootTime()
	}
	return bootTime() - mono.Nano()/1000 + int64(e.at/1000)
}
