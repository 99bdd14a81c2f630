package trace

import (
	"maps"
	"slices"

	"github.com/cilium/ebpf/asm"

	"podlab/sandbox"
)

// No tracepoint tells that a process got a new parent. It does when its parent ends, and who it gets is settled then: so the end's
// record names that one, found as the kernel does (find_new_reaper in kernel/exit.c), and whose children are left is known from forks.

const (
	maxFamily    = 1 << 16 // processes of a node that are remembered
	maxAncestors = 64      // that are asked whether they adopt orphans
)

// More slots on the stack: see program.go.
const (
	slotInit  int16 = -104 // struct task_struct * of PID 1 of the task's pid namespace
	slotFlags int16 = -112 // the word that has both flags, or a level
	slotSteps int16 = -120
)

// reaper leaves in slotArg who adopts the children of the task in R6, whose signal_struct is in slotTmp.
func (a *assembly) reaper() {
	a.innermost(slotPID, recTIDInside)
	a.follow(slotUpid2+int16(a.at.upidNS), a.at.nsReaper, asm.R10, slotInit, 8)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotInit, asm.DWord),
		asm.StoreMem(asm.R10, slotArg, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.R10, slotFlags, asm.R1, asm.DWord),
		asm.StoreMem(asm.R10, slotSteps, asm.R1, asm.DWord),
	)
	a.flag(slotTmp, a.at.hasSubreaper, "adopted")
	a.read(asm.R10, slotOther, 8, asm.R6, a.at.taskParent)
	a.label("ancestor")
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotSteps, asm.DWord),
		asm.JGE.Imm(asm.R1, maxAncestors, "adopted"),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R10, slotSteps, asm.R1, asm.DWord),
	)
	a.follow(slotOther, a.at.taskLeader, asm.R10, slotLeader, 8)
	a.add( // PID 1 itself, or the ancestor is of a namespace above: PID 1
		asm.LoadMem(asm.R1, asm.R10, slotLeader, asm.DWord),
		asm.LoadMem(asm.R2, asm.R10, slotInit, asm.DWord),
		asm.JEq.Reg(asm.R1, asm.R2, "adopted"),
	)
	a.follow(slotOther, a.at.taskThreadPID, asm.R10, slotTmp, 8)
	a.add(asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.R10, slotFlags, asm.R1, asm.DWord))
	a.follow(slotTmp, a.at.pidLevel, asm.R10, slotFlags, 4)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotFlags, asm.DWord),
		asm.LoadMem(asm.R2, asm.R10, slotLevel, asm.DWord),
		asm.JNE.Reg(asm.R1, asm.R2, "adopted"),
	)
	a.follow(slotOther, a.at.taskSignal, asm.R10, slotTmp, 8)
	a.flag(slotTmp, a.at.isSubreaper, "next")
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotOther, asm.DWord),
		asm.StoreMem(asm.R10, slotArg, asm.R1, asm.DWord),
		asm.Ja.Label("adopted"),
	)
	a.label("next")
	a.follow(slotOther, a.at.taskParent, asm.R10, slotOther, 8)
	a.add(asm.Ja.Label("ancestor"))
	a.label("adopted")
}

// flag jumps to a label unless the bit is set in the struct whose address is in a slot.
func (a *assembly) flag(slot int16, bit flagOffset, unset string) {
	a.follow(slot, bit.word, asm.R10, slotFlags, 4)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotFlags, asm.Word),
		asm.And.Imm(asm.R1, bit.mask),
		asm.JEq.Imm(asm.R1, 0, unset),
	)
}

// family is a node's processes that have not ended: of each its children, by the node's pids.
type family map[int]map[int]bool

func newFamily() family { return family{1: {}} }

func (f family) join(pid, parent int) {
	if len(f) > maxFamily {
		clear(f) // ends were lost
		f[1] = map[int]bool{}
	}
	f[pid] = map[int]bool{}
	if of := f[parent]; of != nil {
		of[pid] = true
	}
}

// leave removes one that has ended, and gives its children to another.
func (f family) leave(pid, parent, reaper int) (orphans []int) {
	orphans = slices.Sorted(maps.Keys(f[pid]))
	delete(f, pid)
	if of := f[parent]; of != nil {
		delete(of, pid)
	}
	if reaper == 0 || reaper == pid || f[reaper] == nil {
		return nil // PID 1 of a namespace takes all in it along
	}
	for _, orphan := range orphans {
		f[reaper][orphan] = true
	}
	return orphans
}

// orphans keeps the families by what a record tells of a process. It returns the moments of those whom its end gives a new parent.
func (s *kernelSource) orphans(r record) (all []sandbox.Moment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.families[r.u32(recNode)]
	switch {
	case f == nil:
		// The node was removed.
	case r.u32(recKind) == recordFork && !r.thread():
		f.join(r.pid(recPID), r.pid(recPPID))
	case r.u32(recKind) == recordExit && r.lastOfProcess():
		for _, pid := range f.leave(r.pid(recPID), r.pid(recPPID), r.pid(recReaper)) {
			all = append(all, sandbox.Moment{
				Source: sandbox.SourceKernel, Kind: sandbox.MomentReparent, Time: int64(r.u64(recTime) / 1000), PID: pid, PPID: r.pid(recReaper),
			})
		}
	}
	return all
}
