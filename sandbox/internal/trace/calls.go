package trace

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// System calls by which a process changes what it sees: its namespaces and its mounts. They are told when they have succeeded.
//
// Each has a tracepoint of its own: with the one of all calls, sys_exit, each system call of the host would take 0.1 µs longer
// (BenchmarkEBPFCalls); kprobes and fentry are missing from some kernels. What the container runtime does on its way to a program is left
// out: a container's first stage makes about sixty mounts.

// Layout of a call's record after the common part, in bytes.
const (
	recCall     int16 = recordSize     // number of the system call, u64
	recArgs     int16 = recordSize + 8 // its first four arguments, u64 each
	recInodes   int16 = recordSize + 40
	recCallPath int16 = recInodes + 4*int16(len(namespaceKinds)) // the directory, as the process named it
	recFSType   int16 = recCallPath + pathSize
	fsTypeSize        = 32
	callSize          = int32(recFSType) + fsTypeSize - recordSize

	callArgs = 4
)

// namespaceKinds are the namespaces that a task changes by setns and unshare, in the order in which records have their inodes.
var namespaceKinds = [...]struct {
	flag  uint64
	word  string // as in /proc/PID/ns
	field string // of struct nsproxy
	typ   string
}{
	{unix.CLONE_NEWNS, "mnt", "mnt_ns", "mnt_namespace"},
	{unix.CLONE_NEWUTS, "uts", "uts_ns", "uts_namespace"},
	{unix.CLONE_NEWIPC, "ipc", "ipc_ns", "ipc_namespace"},
	{unix.CLONE_NEWPID, "pid", "pid_ns_for_children", "pid_namespace"},
	{unix.CLONE_NEWNET, "net", "net_ns", "net"},
	{unix.CLONE_NEWCGROUP, "cgroup", "cgroup_ns", "cgroup_namespace"},
}

// calls are the system calls that are told of, by the kernel's name: where each has its directory and its file system's type, −1 for none.
var calls = []struct {
	name           string
	number         int32
	path, fileType int
}{
	{"setns", unix.SYS_SETNS, -1, -1},
	{"unshare", unix.SYS_UNSHARE, -1, -1},
	{"mount", unix.SYS_MOUNT, 1, 2},
	{"umount", unix.SYS_UMOUNT2, 0, -1},
	{"move_mount", unix.SYS_MOVE_MOUNT, 3, -1},
	{"pivot_root", unix.SYS_PIVOT_ROOT, 0, -1},
}

// More slots on the stack: see program.go.
const (
	slotCall  int16 = -104 // number of the system call
	slotComm  int16 = -120 // the task's name
	slotPath  int16 = -128 // pointers to its strings, in the process
	slotType  int16 = -136
	slotSpace int16 = -144 // struct nsproxy *
)

// runtimeStage is how the names of the container runtime's stages begin: "runc:[2:INIT]" (nsexec.c).
const runtimeStage = "runc"

// callProgram is for the ends of these calls.
func callProgram(a *assembly) {
	a.result(0) // what all of these give when they have succeeded
	a.arguments()
	a.add(asm.LoadMem(asm.R8, asm.R10, slotCall, asm.DWord))
	a.strings()
	a.add(asm.FnGetCurrentTask.Call(), asm.Mov.Reg(asm.R6, asm.R0))
	a.read(asm.R10, slotComm, commSize, asm.R6, a.at.taskComm)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotComm, asm.Word),
		asm.JEq.Imm(asm.R1, int32(binary.NativeEndian.Uint32([]byte(runtimeStage))), "end"),
	)
	a.findNode("end")
	a.allow()
	a.reserve(recordCall, recordSize+callSize)
	a.task()
	a.callTail()
	a.finish()
}

// exitResult is where the record of a call's end has what the call gave: events/syscalls/sys_exit_mount/format.
const exitResult = 16

// result ends the program when the system call gave something else than 0 or an error up to most; that is left in slotError.
func (a *assembly) result(most int32) {
	a.add(
		asm.LoadMem(asm.R2, asm.R1, exitResult, asm.DWord),
		asm.Mov.Imm(asm.R3, 0),
		asm.Sub.Reg(asm.R3, asm.R2),
		asm.JGT.Imm(asm.R3, most, "end"),
		asm.StoreMem(asm.R10, slotError, asm.R3, asm.DWord),
	)
}

// arguments leaves the call's number in slotCall, and the registers in which it got its arguments in R7 and slotArg.
func (a *assembly) arguments() {
	const number = 8
	a.add(
		asm.LoadMem(asm.R2, asm.R1, number, asm.Word), // an int; what fills the rest of the word is anything
		asm.StoreMem(asm.R10, slotCall, asm.R2, asm.DWord),
		asm.FnGetCurrentTaskBtf.Call(),
		asm.Mov.Reg(asm.R1, asm.R0),
		asm.FnTaskPtRegs.Call(),
		asm.Mov.Reg(asm.R7, asm.R0),
		asm.StoreMem(asm.R10, slotArg, asm.R7, asm.DWord),
	)
}

// strings keeps where the call's strings are, by its number in R8 and the registers in R7.
func (a *assembly) strings() {
	a.add(
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.R10, slotPath, asm.R1, asm.DWord),
		asm.StoreMem(asm.R10, slotType, asm.R1, asm.DWord),
	)
	for i, c := range calls {
		next := "call" + strconv.Itoa(i)
		a.add(asm.JNE.Imm(asm.R8, c.number, next))
		if c.path >= 0 {
			a.read(asm.R10, slotPath, 8, asm.R7, a.at.regsArgs[c.path])
		}
		if c.fileType >= 0 {
			a.read(asm.R10, slotType, 8, asm.R7, a.at.regsArgs[c.fileType])
		}
		a.label(next)
	}
}

func (a *assembly) callTail() {
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotCall, asm.DWord),
		asm.StoreMem(asm.R9, recCall, asm.R1, asm.DWord),
	)
	for i, at := range a.at.regsArgs {
		a.follow(slotArg, at, asm.R9, recArgs+8*int16(i), 8)
	}
	a.read(asm.R10, slotSpace, 8, asm.R6, a.at.taskNSProxy)
	for i := range namespaceKinds {
		a.follow(slotSpace, a.at.nsproxy[i], asm.R10, slotTmp, 8)
		a.follow(slotTmp, a.at.inums[i], asm.R9, recInodes+4*int16(i), 4)
	}
	a.userString(slotPath, recCallPath, pathSize)
	a.userString(slotType, recFSType, fsTypeSize)
}

// userString copies a string of the process; empty where there is none.
func (a *assembly) userString(slot, into int16, size int32) {
	a.add(
		asm.StoreImm(asm.R9, into, 0, asm.Byte),
		asm.Mov.Reg(asm.R1, asm.R9),
		asm.Add.Imm(asm.R1, int32(into)),
		asm.Mov.Imm(asm.R2, size),
		asm.LoadMem(asm.R3, asm.R10, slot, asm.DWord),
		asm.FnProbeReadUserStr.Call(),
	)
}

// call is the moment of a system call; ok is false for one that changed neither namespace nor mount.
func (r record) call() (m sandbox.Moment, ok bool) {
	m = r.task("")
	m.PID, m.PIDInside, m.PPID, m.Thread = r.pid(recPID), r.pid(recPIDInside), 0, false
	m.Path = r.text(r[recCallPath : int(recCallPath)+pathSize])
	args := func(i int16) uint64 { return r.u64(recArgs + 8*i) }
	switch int32(r.u64(recCall)) { //nolint:gosec // as the program wrote it
	case unix.SYS_SETNS:
		m.Kind = sandbox.MomentSetns
		m.Params = r.namespaces(args(1))
	case unix.SYS_UNSHARE:
		m.Kind = sandbox.MomentUnshare
		m.Params = r.namespaces(args(0))
		return m, m.Params["kinds"] != "" || args(0)&unix.CLONE_NEWUSER != 0
	case unix.SYS_UMOUNT2:
		m.Kind = sandbox.MomentUnmount
	case unix.SYS_PIVOT_ROOT:
		m.Kind, m.Reason = sandbox.MomentMount, "PivotRoot"
	case unix.SYS_MOUNT:
		m.Kind = sandbox.MomentMount
		m.Reason, ok = mountReason(args(3))
		if !ok {
			m.Params = map[string]string{"type": r.text(r[recFSType : int(recFSType)+fsTypeSize])}
		}
	default:
		m.Kind, m.Reason = sandbox.MomentMount, "Move"
	}
	return m, true
}

// mountReason is what mount(2) does by its flags when it does not mount a file system.
func mountReason(flags uint64) (reason string, ok bool) {
	switch {
	case flags&unix.MS_REMOUNT != 0:
		return "Remount", true
	case flags&unix.MS_BIND != 0:
		return "Bind", true
	case flags&(unix.MS_SHARED|unix.MS_PRIVATE|unix.MS_SLAVE|unix.MS_UNBINDABLE) != 0:
		return "Propagation", true
	case flags&unix.MS_MOVE != 0:
		return "Move", true
	}
	return "", false
}

// namespaces says which kinds the flags name, and which namespaces the task is in since then. Flags 0 name none: the descriptor did.
func (r record) namespaces(flags uint64) map[string]string {
	params := map[string]string{}
	var kinds []string
	for i, kind := range namespaceKinds {
		if flags&kind.flag != 0 {
			kinds = append(kinds, kind.word)
			params[kind.word] = strconv.FormatUint(uint64(r.u32(recInodes+4*int16(i))), 10) //nolint:gosec // there are six
		}
	}
	slices.Sort(kinds)
	if len(kinds) > 0 {
		params["kinds"] = strings.Join(kinds, " ")
	}
	return params
}
