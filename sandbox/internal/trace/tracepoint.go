package trace

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// attachCalls attaches what tells of system calls. Each has a tracepoint of its own, so that all others cost a test of one bit more.
func (s *kernelSource) attachCalls(assembled func(func(*assembly)) asm.Instructions) error {
	var ends []string
	for _, c := range calls {
		ends = append(ends, "sys_exit_"+c.name)
	}
	return s.attachCall(assembled(callProgram), ends...)
}

// attachSockets attaches what tells of UDP and Unix sockets.
func (s *kernelSource) attachSockets(assembled func(func(*assembly)) asm.Instructions) error {
	return errors.Join(
		s.attach(letGo, assembled(goneProgram)),
		s.attachCall(assembled(actProgram(actBind)), "sys_exit_bind"),
		s.attachCall(assembled(actProgram(actListen)), "sys_exit_listen"),
		s.attachCall(assembled(actProgram(actConnect)), "sys_exit_connect"),
		s.attachCall(assembled(acceptedProgram), "sys_exit_accept", "sys_exit_accept4"),
	)
}

// attachCall attaches a program to tracepoints of system calls. They are perf events, of all processors though each is opened on one
// (perf_event_open(2)); cilium/ebpf would look for their numbers where tracefs is mounted, which is not so in every container.
func (s *kernelSource) attachCall(instructions asm.Instructions, tracepoints ...string) error {
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "podlab_call", Type: ebpf.TracePoint, Instructions: instructions, License: "GPL"})
	if err != nil {
		return fmt.Errorf("%v: %w", tracepoints, err)
	}
	s.closer = append(s.closer, program.Close)
	for _, tracepoint := range tracepoints {
		if err := s.attachPerf(program, tracepoint); err != nil {
			return fmt.Errorf("%s: %w", tracepoint, err)
		}
	}
	return nil
}

func (s *kernelSource) attachPerf(program *ebpf.Program, tracepoint string) error {
	id, err := tracepointID("syscalls", tracepoint)
	if err != nil {
		return err
	}
	attributes := unix.PerfEventAttr{Type: unix.PERF_TYPE_TRACEPOINT, Config: id, Sample_type: unix.PERF_SAMPLE_RAW, Sample: 1, Wakeup: 1}
	attributes.Size = uint32(unsafe.Sizeof(attributes))
	event, err := unix.PerfEventOpen(&attributes, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("perf_event_open", err)
	}
	s.events = append(s.events, event)
	if err := unix.IoctlSetInt(event, unix.PERF_EVENT_IOC_SET_BPF, program.FD()); err != nil {
		return os.NewSyscallError("PERF_EVENT_IOC_SET_BPF", err)
	}
	return os.NewSyscallError("PERF_EVENT_IOC_ENABLE", unix.IoctlSetInt(event, unix.PERF_EVENT_IOC_ENABLE, 0))
}

// tracepointID reads a tracepoint's number, from a tracefs of its own.
func tracepointID(group, name string) (id uint64, err error) {
	root, err := openTracefs()
	if err != nil {
		return 0, fmt.Errorf("tracefs: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Close(root)) }()
	fd, err := unix.Openat(root, "events/"+group+"/"+name+"/id", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("tracepoint %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
}

// openTracefs mounts a tracefs that only its descriptor leads to.
func openTracefs() (int, error) {
	context, err := unix.Fsopen("tracefs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(context)
	if err := unix.FsconfigCreate(context); err != nil {
		return -1, err
	}
	return unix.Fsmount(context, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
}
