package trace

import (
	"strconv"

	"github.com/cilium/ebpf/asm"
)

// The programs, assembled here so that neither a compiler nor kernel headers are needed. Each does the same:
//
//  1. find the outermost pid namespace around the task that is a registered node (map nodes); none: the event ends here;
//  2. count the event against the node's allowance, so that one node cannot fill the ring that all share;
//  3. reserve a record in the ring; no room: count the loss;
//  4. fill it (record.go has the layout) and hand it over.
//
// Registers: R6 the task, R7 the level of the node's pid namespace, R8 the node's entry in the map, R9 the record.

// Slots on the stack, below R10.
const (
	slotPID    int16 = -8  // struct pid * of the task
	slotLevel  int16 = -16 // level of its innermost pid namespace
	slotUpid   int16 = -32 // struct upid: the task's number in the node
	slotKey    int16 = -40 // inode of a pid namespace
	slotArg    int16 = -48 // the tracepoint's other argument
	slotTime   int16 = -56
	slotLeader int16 = -64 // struct task_struct * of the thread group's leader
	slotOther  int16 = -72 // struct pid * of another task
	slotTmp    int16 = -80
	slotUpid2  int16 = -96

	upidRoom = 16
)

// Levels of pid namespaces: the kernel allows 32 below the first (MAX_PID_NS_LEVEL).
const maxLevel = 32

// assembly collects instructions; a label that was set marks the next one.
type assembly struct {
	ins    asm.Instructions
	symbol string
	at     offsets
	mapFDs
	lim limits
}

// mapFDs are the descriptors of the programs' maps.
type mapFDs struct{ nodes, ring, owners, told, marks, draft int }

func assemble(program func(*assembly), at offsets, m mapFDs, lim limits) asm.Instructions {
	a := &assembly{at: at, mapFDs: m, lim: lim}
	program(a)
	return a.ins
}

func (a *assembly) add(ins ...asm.Instruction) {
	if a.symbol != "" {
		ins[0] = ins[0].WithSymbol(a.symbol)
		a.symbol = ""
	}
	a.ins = append(a.ins, ins...)
}

func (a *assembly) label(name string) { a.symbol = name }

// read copies size bytes from the kernel's memory at src+offset to dst+at, or zeros when there is nothing. src may be R3 or R6–R9.
func (a *assembly) read(dst asm.Register, at int16, size int32, src asm.Register, offset uint32) {
	a.add(
		asm.Mov.Reg(asm.R3, src),
		asm.Add.Imm(asm.R3, int32(offset)),
		asm.Mov.Reg(asm.R1, dst),
		asm.Add.Imm(asm.R1, int32(at)),
		asm.Mov.Imm(asm.R2, size),
		asm.FnProbeReadKernel.Call(),
	)
}

// follow reads through a pointer that is kept in a slot.
func (a *assembly) follow(slot int16, offset uint32, dst asm.Register, at int16, size int32) {
	a.add(asm.LoadMem(asm.R3, asm.R10, slot, asm.DWord))
	a.read(dst, at, size, asm.R3, offset)
}

// number reads pid->numbers[level] of the struct pid in a slot to another slot.
func (a *assembly) number(slot int16, level asm.Register, into int16) {
	a.add(
		asm.Mov.Reg(asm.R4, level),
		asm.Mul.Imm(asm.R4, int32(a.at.upidSize)),
		asm.LoadMem(asm.R3, asm.R10, slot, asm.DWord),
		asm.Add.Reg(asm.R3, asm.R4),
	)
	a.read(asm.R10, into, int32(a.at.upidSize), asm.R3, a.at.pidNumbers)
}

// findNode leaves the node's level in R7, its entry in R8 and its inode in slotKey, or goes elsewhere when the task in R6 is on none.
func (a *assembly) findNode(otherwise string) {
	a.add(asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.R10, slotLevel, asm.R1, asm.DWord))
	a.read(asm.R10, slotPID, 8, asm.R6, a.at.taskThreadPID)
	a.follow(slotPID, a.at.pidLevel, asm.R10, slotLevel, 4)
	a.add(asm.Mov.Imm(asm.R7, 1)) // level 0 is the host itself
	a.label("level")
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotLevel, asm.DWord),
		asm.JGT.Reg(asm.R7, asm.R1, otherwise),
		asm.JGT.Imm(asm.R7, maxLevel, otherwise),
	)
	a.number(slotPID, asm.R7, slotUpid)
	a.follow(slotUpid+int16(a.at.upidNS), a.at.nsInum, asm.R10, slotKey, 4)
	a.add(
		asm.LoadMapPtr(asm.R1, a.nodes),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, int32(slotKey)),
		asm.FnMapLookupElem.Call(),
		asm.JNE.Imm(asm.R0, 0, "found"),
		asm.Add.Imm(asm.R7, 1),
		asm.Ja.Label("level"),
	)
	a.label("found")
	a.add(asm.Mov.Reg(asm.R8, asm.R0))
}

// allow counts the event and goes where the lost go when the node had its share of this stretch of time.
func (a *assembly) allow() {
	a.stretch()
	a.count(entryCount, a.lim.allowance)
}

// allowSocket counts an event of a socket. Of these a program can make more than of any others: they may take a part of the node's share
// only, so that forks, execs and exits are still told.
func (a *assembly) allowSocket() {
	a.stretch()
	a.count(entrySockets, a.lim.sockets)
	a.count(entryCount, a.lim.allowance)
}

// stretch begins a new stretch of time when the old one is over.
func (a *assembly) stretch() {
	a.add(
		asm.FnKtimeGetBootNs.Call(),
		asm.StoreMem(asm.R10, slotTime, asm.R0, asm.DWord),
		asm.LoadMem(asm.R1, asm.R8, entrySince, asm.DWord),
		asm.Mov.Reg(asm.R2, asm.R0),
		asm.Sub.Reg(asm.R2, asm.R1),
		asm.JLT.Imm(asm.R2, int32(allowanceTime.Nanoseconds()), "stretch"),
		asm.StoreMem(asm.R8, entrySince, asm.R0, asm.DWord),
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.R8, entryCount, asm.R1, asm.DWord),
		asm.StoreMem(asm.R8, entrySockets, asm.R1, asm.DWord),
	)
	a.label("stretch")
}

func (a *assembly) count(counter int16, most int32) {
	a.add(
		asm.LoadMem(asm.R1, asm.R8, counter, asm.DWord),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R8, counter, asm.R1, asm.DWord),
		asm.JGT.Imm(asm.R1, most, "lost"),
	)
}

// reserve takes room in the ring, its address in R9, and writes what is known already.
func (a *assembly) reserve(kind, size int32) {
	a.add(
		asm.LoadMapPtr(asm.R1, a.ring),
		asm.Mov.Imm(asm.R2, size),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnRingbufReserve.Call(),
		asm.JEq.Imm(asm.R0, 0, "lost"),
		asm.Mov.Reg(asm.R9, asm.R0),
	)
	a.stamp()
	a.head(kind)
}

// stamp writes when it was, and how many events of the node were lost before.
func (a *assembly) stamp() {
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotTime, asm.DWord),
		asm.StoreMem(asm.R9, recTime, asm.R1, asm.DWord),
		asm.LoadMem(asm.R1, asm.R8, entryLost, asm.DWord),
		asm.StoreMem(asm.R9, recLost, asm.R1, asm.DWord),
	)
}

// head writes what findNode has found.
func (a *assembly) head(kind int32) {
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotKey, asm.Word),
		asm.StoreMem(asm.R9, recNode, asm.R1, asm.Word),
		asm.LoadMem(asm.R1, asm.R10, slotUpid+int16(a.at.upidNr), asm.Word),
		asm.StoreMem(asm.R9, recTID, asm.R1, asm.Word),
		asm.StoreImm(asm.R9, recKind, int64(kind), asm.Word),
	)
}

// task writes the pids of the task and of its thread group's leader, and the task's name.
func (a *assembly) task() {
	a.read(asm.R9, recHostTID, 4, asm.R6, a.at.taskPID)
	a.read(asm.R9, recHostPID, 4, asm.R6, a.at.taskTGID)
	a.read(asm.R9, recComm, commSize, asm.R6, a.at.taskComm)
	a.innermost(slotPID, recTIDInside)
	a.follow(slotUpid2+int16(a.at.upidNS), a.at.nsInum, asm.R9, recPIDNS, 4)

	a.read(asm.R10, slotLeader, 8, asm.R6, a.at.taskLeader)
	a.follow(slotLeader, a.at.taskStart, asm.R9, recStart, 8)
	a.follow(slotLeader, a.at.taskThreadPID, asm.R10, slotOther, 8)
	a.number(slotOther, asm.R7, slotUpid2)
	a.copyNumber(recPID)
	a.innermost(slotOther, recPIDInside) // all tasks of a group share one pid namespace
}

// innermost writes the number that a struct pid has at the task's own level.
func (a *assembly) innermost(slot, into int16) {
	a.add(asm.LoadMem(asm.R5, asm.R10, slotLevel, asm.DWord))
	a.number(slot, asm.R5, slotUpid2)
	a.copyNumber(into)
}

func (a *assembly) copyNumber(into int16) {
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotUpid2+int16(a.at.upidNr), asm.Word),
		asm.StoreMem(asm.R9, into, asm.R1, asm.Word),
	)
}

// relative writes the node's pid of the process of the task in slotArg, 0 when that is not on the node.
func (a *assembly) relative(into int16) {
	done := "relative" + strconv.Itoa(int(into))
	a.add(
		asm.StoreImm(asm.R9, into, 0, asm.Word),
		asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.R10, slotTmp, asm.R1, asm.DWord),
	)
	a.follow(slotArg, a.at.taskLeader, asm.R10, slotOther, 8)
	a.follow(slotOther, a.at.taskThreadPID, asm.R10, slotOther, 8)
	a.follow(slotOther, a.at.pidLevel, asm.R10, slotTmp, 4)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotTmp, asm.DWord),
		asm.JLT.Reg(asm.R1, asm.R7, done),
	)
	a.number(slotOther, asm.R7, slotUpid2)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotUpid2+int16(a.at.upidNS), asm.DWord),
		asm.LoadMem(asm.R2, asm.R10, slotUpid+int16(a.at.upidNS), asm.DWord),
		asm.JNE.Reg(asm.R1, asm.R2, done),
	)
	a.copyNumber(into)
	a.label(done)
}

// finish hands the record over; "lost" is where events go that cannot be kept.
func (a *assembly) finish() {
	a.add(
		asm.Mov.Reg(asm.R1, asm.R9),
		asm.Mov.Imm(asm.R2, 0),
		asm.FnRingbufSubmit.Call(),
		asm.Ja.Label("end"),
	)
	a.label("lost")
	a.lose()
	a.label("end")
	a.add(asm.Mov.Imm(asm.R0, 0), asm.Return())
}

// lose counts an event that is lost: entryLost is at 0.
func (a *assembly) lose() {
	a.add(asm.Mov.Imm(asm.R1, 1), asm.StoreXAdd(asm.R8, asm.R1, asm.DWord))
}

// begin keeps the tracepoint's arguments: the task in R6, another one in slotArg. A negative index means that there is none.
func (a *assembly) begin(task, other int16) {
	a.add(asm.LoadMem(asm.R6, asm.R1, task*8, asm.DWord))
	if other < 0 {
		return
	}
	a.add(
		asm.LoadMem(asm.R2, asm.R1, other*8, asm.DWord),
		asm.StoreMem(asm.R10, slotArg, asm.R2, asm.DWord),
	)
}

// forkProgram is for sched_process_fork(parent, child).
func forkProgram(a *assembly) {
	a.begin(1, 0)
	a.findNode("end")
	a.allow()
	a.reserve(recordFork, recordSize)
	a.task()
	a.relative(recPPID)
	a.finish()
}

// execProgram is for sched_process_exec(task, old pid, bprm).
func execProgram(a *assembly) {
	a.begin(0, 2)
	a.findNode("end")
	a.allow()
	a.reserve(recordExec, recordSize+pathSize)
	a.task()
	a.follow(slotArg, a.at.bprmFilename, asm.R10, slotTmp, 8)
	a.add(
		asm.StoreImm(asm.R9, recPath, 0, asm.Byte),
		asm.Mov.Reg(asm.R1, asm.R9),
		asm.Add.Imm(asm.R1, int32(recPath)),
		asm.Mov.Imm(asm.R2, pathSize),
		asm.LoadMem(asm.R3, asm.R10, slotTmp, asm.DWord),
		asm.FnProbeReadKernelStr.Call(),
	)
	a.read(asm.R10, slotArg, 8, asm.R6, a.at.taskParent)
	a.relative(recPPID)
	a.finish()
}

// exitProgram is for sched_process_exit(task) and sched_process_exit(task, group_dead).
func exitProgram(a *assembly) {
	dead := int16(-1)
	if a.at.exitHasGroupDead {
		dead = 1
	}
	a.begin(0, dead)
	a.findNode("end")
	a.allow()
	a.reserve(recordExit, recordSize)
	if a.at.exitHasGroupDead {
		a.add(
			asm.LoadMem(asm.R1, asm.R10, slotArg, asm.DWord),
			asm.And.Imm(asm.R1, 0xff), // a bool
			asm.StoreMem(asm.R9, recGroupDead, asm.R1, asm.Word),
		)
	} else {
		a.add(asm.StoreImm(asm.R9, recGroupDead, groupDeadUnknown, asm.Word))
	}
	a.task()
	a.read(asm.R9, recTaskCode, 4, asm.R6, a.at.taskExitCode)
	a.follow(slotLeader, a.at.taskExitCode, asm.R9, recLeaderCode, 4)
	a.read(asm.R10, slotTmp, 8, asm.R6, a.at.taskSignal)
	a.follow(slotTmp, a.at.signalLive, asm.R9, recLive, 4)
	a.follow(slotTmp, a.at.signalFlags, asm.R9, recGroupFlags, 4)
	a.follow(slotTmp, a.at.signalCode, asm.R9, recGroupCode, 4)
	a.read(asm.R10, slotArg, 8, asm.R6, a.at.taskParent)
	a.relative(recPPID)
	a.read(asm.R10, slotTmp, 8, asm.R6, a.at.taskSignal)
	a.reaper()
	a.relative(recReaper)
	a.finish()
}
