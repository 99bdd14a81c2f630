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

// attachCall attaches to the tracepoint of one system call: all others cost one test of a bit more. Such tracepoints are perf events, of
// all processors though each is opened on one (perf_event_open(2)). Their numbers are in a tracefs of its own that is mounted nowhere:
// not every container and not every small system has one.
func (s *kernelSource) attachCall(tracepoint string, instructions asm.Instructions) error {
	id, err := tracepointID("syscalls", tracepoint)
	if err != nil {
		return err
	}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "podlab_call", Type: ebpf.TracePoint, Instructions: instructions, License: "GPL"})
	if err != nil {
		return err
	}
	s.closer = append(s.closer, program.Close)
	attributes := unix.PerfEventAttr{Type: unix.PERF_TYPE_TRACEPOINT, Config: id, Sample_type: unix.PERF_SAMPLE_RAW, Sample: 1, Wakeup: 1}
	attributes.Size = uint32(unsafe.Sizeof(attributes))
	event, err := unix.PerfEventOpen(&attributes, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("perf_event_open", err)
	}
	s.closer = append(s.closer, func() error { return unix.Close(event) })
	if err := unix.IoctlSetInt(event, unix.PERF_EVENT_IOC_SET_BPF, program.FD()); err != nil {
		return os.NewSyscallError("PERF_EVENT_IOC_SET_BPF", err)
	}
	return os.NewSyscallError("PERF_EVENT_IOC_ENABLE", unix.IoctlSetInt(event, unix.PERF_EVENT_IOC_ENABLE, 0))
}

// tracepointID reads a tracepoint's number.
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
