//go:build linux && cgo && seccomp

// Package filter compiles a seccomp filter once, so that it can be loaded many times.
//
// libcontainer lets libseccomp compile a profile of some 400 names in every start and every exec: 2.5 ms for one architecture, 18 ms
// for Docker's three, against 0.2 ms for loading what is compiled (BenchmarkFilter of package isolation). Here the owner of a profile
// compiles it to the kernel's own form when it starts, keeps that in a file in memory, and hands the file to libcontainer's first
// stage as one of Process.ExtraFiles; the program's init function loads it before libcontainer.Init runs:
//
//	program, err := filter.Compile(profile)            // once
//	file, err := program.File()                        // once: Process.ExtraFiles = {…, file}
//	func init() { … filter.LoadFile(fd); libcontainer.Init() }
//
// The configuration then has no Seccomp of its own, and must have NoNewKeyring, since profiles forbid what libcontainer does for it.
package filter

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"unsafe"

	"github.com/opencontainers/runc/libcontainer/configs"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"
)

// Program is a filter as seccomp(2) takes it: struct sock_filter, one after the other.
type Program []byte

const (
	instruction = unix.SizeofSockFilter
	longest     = 4096 // BPF_MAXINSNS, in instructions
)

// Compile turns a profile into a program for the native architecture. Other architectures end the process. Calls that are newer than
// every call in the profile are answered by ENOSYS, so that programs fall back on older ones.
func Compile(profile *configs.Seccomp) (Program, error) {
	program, err := compile(profile)
	if err != nil {
		return nil, fmt.Errorf("seccomp filter: %w", err)
	}
	if len(program) > longest*instruction {
		return nil, fmt.Errorf("seccomp filter: %d instructions are more than %d", len(program)/instruction, longest)
	}
	return program, nil
}

func compile(profile *configs.Seccomp) (Program, error) {
	standard, err := action(profile.DefaultAction, profile.DefaultErrnoRet)
	if err != nil {
		return nil, err
	}
	filter, err := libseccomp.NewFilter(standard)
	if err != nil {
		return nil, err
	}
	defer filter.Release()
	if err := filter.SetOptimize(2); err != nil { // a binary tree instead of a list: libseccomp 2.5
		return nil, err
	}
	var newest libseccomp.ScmpSyscall
	for _, rule := range profile.Syscalls {
		call, err := libseccomp.GetSyscallFromName(rule.Name)
		if err != nil || call < 0 {
			continue // unknown to this libseccomp, or of another architecture
		}
		newest = max(newest, call)
		if err := add(filter, call, rule, standard); err != nil {
			return nil, fmt.Errorf("%s: %w", rule.Name, err)
		}
	}
	body, err := export(filter)
	return append(newerIsUnknown(newest), body...), err
}

func add(filter *libseccomp.ScmpFilter, call libseccomp.ScmpSyscall, rule *configs.Syscall, standard libseccomp.ScmpAction) error {
	do, err := action(rule.Action, rule.ErrnoRet)
	if err != nil || do == standard {
		return err
	}
	var conditions []libseccomp.ScmpCondition
	for _, arg := range rule.Args {
		compare, ok := operators[arg.Op]
		if !ok {
			return fmt.Errorf("operator %d", arg.Op)
		}
		condition, err := libseccomp.MakeCondition(arg.Index, compare, arg.Value, arg.ValueTwo)
		if err != nil {
			return err
		}
		conditions = append(conditions, condition)
	}
	return filter.AddRuleConditional(call, do, conditions)
}

var operators = map[configs.Operator]libseccomp.ScmpCompareOp{
	configs.EqualTo:              libseccomp.CompareEqual,
	configs.NotEqualTo:           libseccomp.CompareNotEqual,
	configs.GreaterThan:          libseccomp.CompareGreater,
	configs.GreaterThanOrEqualTo: libseccomp.CompareGreaterEqual,
	configs.LessThan:             libseccomp.CompareLess,
	configs.LessThanOrEqualTo:    libseccomp.CompareLessOrEqual,
	configs.MaskEqualTo:          libseccomp.CompareMaskedEqual,
}

func action(a configs.Action, errno *uint) (libseccomp.ScmpAction, error) {
	switch a {
	case configs.Allow:
		return libseccomp.ActAllow, nil
	case configs.Errno:
		if errno == nil {
			return libseccomp.ActErrno.SetReturnCode(int16(unix.EPERM)), nil
		}
		return libseccomp.ActErrno.SetReturnCode(int16(*errno)), nil
	}
	return libseccomp.ActInvalid, fmt.Errorf("action %d is not one of allow and errno", a)
}

// export writes the filter in the kernel's form.
func export(filter *libseccomp.ScmpFilter) (Program, error) {
	file, err := memory("compiling")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := filter.ExportBPF(file); err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(file, 0, longest*instruction+1))
}

// newerIsUnknown is put before the filter proper: it answers ENOSYS for all numbers above newest. Numbers of other architectures that
// come so far are seen by the filter proper, which looks at the architecture first.
func newerIsUnknown(newest libseccomp.ScmpSyscall) Program {
	var program Program
	for _, i := range []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // seccomp_data.nr
		{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, Jt: 0, Jf: 1, K: uint32(newest)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
	} {
		program = binary.NativeEndian.AppendUint16(program, i.Code)
		program = append(program, i.Jt, i.Jf)
		program = binary.NativeEndian.AppendUint32(program, i.K)
	}
	return program
}

// File puts the program into a file in memory that nobody can change.
func (p Program) File() (*os.File, error) {
	file, err := memory("filter")
	if err != nil {
		return nil, err
	}
	if _, err := file.Write(p); err != nil {
		file.Close()
		return nil, err
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		file.Close()
		return nil, os.NewSyscallError("fcntl(F_ADD_SEALS)", err)
	}
	return file, nil
}

func memory(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// LoadFile loads the program in an inherited descriptor for all threads of the process, and marks the descriptor to close at exec. It
// needs CAP_SYS_ADMIN in the process's user namespace or no_new_privs.
func LoadFile(fd int) error {
	unix.CloseOnExec(fd)
	program := make(Program, longest*instruction)
	n, err := unix.Pread(fd, program, 0) // other holders share the offset
	if err != nil {
		return os.NewSyscallError("pread", err)
	}
	return program[:n].load()
}

func (p Program) load() error {
	if len(p) == 0 || len(p)%instruction != 0 {
		return fmt.Errorf("seccomp filter of %d bytes", len(p))
	}
	prog := unix.SockFprog{Len: uint16(len(p) / instruction), Filter: (*unix.SockFilter)(unsafe.Pointer(&p[0]))}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return os.NewSyscallError("seccomp", errno)
	}
	return nil
}
