package trace

import (
	"github.com/cilium/ebpf/asm"
)

// When a UDP or Unix socket is gone: nobody has it open any more, whatever was the cause. close(2), dup2(2), close_range(2), an exec, the end
// of a process, a message with a descriptor that nobody received: the kernel has no tracepoint of any of these, but one of what comes last in
// each (__fput in fs/file_table.c). The dentry that only this socket's file has is freed at once, by whoever let the file go: one that was
// never in a directory waits for no reader (DCACHE_NORCU; dentry_free in fs/dcache.c).
//
// The kernel frees many things. So there is a word for each 64 bytes of an address, modulo 1 MiB, that says how many of the sockets told of
// have their dentry there: for all else the program ends after looking there.
//
// What is kept of a node's sockets has a bound, and there is room for as much of every node: none's are forgotten for those of others, however
// many hold all they can. Beyond the bound a socket's end is counted as lost when its beginning is told.
//
// The socket itself is taken apart by then. What was told of it last is kept until now, and told again with whoever let it go; of whom the
// node knows nothing (the kernel collects descriptors that are on their way in sockets that are gone), it is the process that acted last.

const (
	letGo = "kmem_cache_free" // (call site, address, cache)

	toldEach  = 512 // sockets of one node whose opening was told: there is room for as many of each node
	maxMarks  = 16384
	markShift = 6
)

// goneProgram is for kmem_cache_free.
func goneProgram(a *assembly) {
	a.add(asm.LoadMem(asm.R6, asm.R1, 8, asm.DWord), asm.StoreMem(asm.R10, slotDentry, asm.R6, asm.DWord))
	a.mark()
	a.add(asm.LoadMem(asm.R1, asm.R1, 0, asm.Word), asm.JEq.Imm(asm.R1, 0, "end"))
	a.toldOf(asm.FnMapLookupElem)
	a.add(
		asm.JEq.Imm(asm.R0, 0, "end"),
		asm.Mov.Reg(asm.R9, asm.R0),
		asm.LoadMem(asm.R1, asm.R9, recAct, asm.Word),
		asm.StoreImm(asm.R9, recAct, actHangUp, asm.Word),
		asm.JEq.Imm(asm.R1, actAccept, "closed"),
		asm.StoreImm(asm.R9, recAct, actClose, asm.Word),
	)
	a.label("closed")
	a.add(
		asm.LoadMem(asm.R1, asm.R9, recNode, asm.Word),
		asm.StoreMem(asm.R10, slotHome, asm.R1, asm.DWord),
	)
	a.letter()
	a.tellDraft("forget")
	a.label("forget")
	a.toldOf(asm.FnMapDeleteElem)
	a.add(asm.JNE.Imm(asm.R0, 0, "end"))
	a.mark()
	a.add(asm.Mov.Imm(asm.R2, -1), asm.StoreXAdd(asm.R1, asm.R2, asm.Word))
	a.label("end")
	a.add(asm.Mov.Imm(asm.R0, 0), asm.Return())
}

// letter writes who lets the socket of the node in slotHome go, if that is one of its processes.
func (a *assembly) letter() {
	a.add(asm.FnGetCurrentTask.Call(), asm.Mov.Reg(asm.R6, asm.R0))
	a.findNode("stranger")
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotKey, asm.Word),
		asm.LoadMem(asm.R2, asm.R10, slotHome, asm.Word),
		asm.JNE.Reg(asm.R1, asm.R2, "stranger"),
	)
	a.head(recordSocket)
	a.task()
	a.add(asm.Ja.Label("known"))
	a.label("stranger")
	a.add(
		asm.LoadMapPtr(asm.R1, a.nodes),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, int32(slotHome)),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "forget"), // the node is gone
		asm.Mov.Reg(asm.R8, asm.R0),
	)
	a.label("known")
	a.countTold(-1)
}

// keep keeps the record in R9 until the socket is gone, where its node has room for it.
func (a *assembly) keep() {
	const anyway, ifNew = 0, 1 // BPF_ANY, BPF_NOEXIST
	a.toldOf(asm.FnMapLookupElem)
	a.add(
		asm.JNE.Imm(asm.R0, 0, "again"),
		asm.LoadMem(asm.R1, asm.R8, entryTold, asm.DWord),
		asm.JSGE.Imm(asm.R1, toldEach, "full"),
		asm.Mov.Reg(asm.R3, asm.R9), asm.Mov.Imm(asm.R4, ifNew),
	)
	a.toldOf(asm.FnMapUpdateElem)
	a.add(asm.JNE.Imm(asm.R0, 0, "full"))
	a.countTold(1)
	a.mark()
	a.add(
		asm.Mov.Imm(asm.R2, 1), asm.StoreXAdd(asm.R1, asm.R2, asm.Word),
		asm.Ja.Label("kept"),
	)
	a.label("full")
	a.lose()
	a.add(asm.Ja.Label("kept"))
	a.label("again")
	a.add(asm.Mov.Reg(asm.R3, asm.R9), asm.Mov.Imm(asm.R4, anyway))
	a.toldOf(asm.FnMapUpdateElem)
	a.label("kept")
}

// countTold counts what is kept of the node's sockets.
func (a *assembly) countTold(change int32) {
	a.add(asm.Mov.Imm(asm.R1, change), asm.AddAtomic.Mem(asm.R8, asm.R1, asm.DWord, entryTold))
}

// mark leaves in R1 where the dentries are counted that may be at the address in slotDentry.
func (a *assembly) mark() {
	a.add(
		asm.LoadMem(asm.R2, asm.R10, slotDentry, asm.DWord),
		asm.RSh.Imm(asm.R2, markShift),
		asm.And.Imm(asm.R2, maxMarks-1),
		asm.LSh.Imm(asm.R2, 2),
		asm.LoadMapValue(asm.R1, a.marks, 0),
		asm.Add.Reg(asm.R1, asm.R2),
	)
}

// toldOf calls a function of the map of told sockets with the one in slotDentry; the rest of its arguments
// is in R3 and R4 already.
func (a *assembly) toldOf(call asm.BuiltinFunc) {
	a.add(
		asm.LoadMapPtr(asm.R1, a.told),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, int32(slotDentry)),
		call.Call(),
	)
}
