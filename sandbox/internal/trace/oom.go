package trace

import (
	"github.com/cilium/ebpf/btf"

	"podlab/sandbox"
)

// oomProgram is for mark_victim(task, uid): the kernel has chosen a process that must go.
func oomProgram(a *assembly) {
	a.begin(0, -1)
	a.findNode("end")
	a.allow()
	a.reserve(recordOOM, recordSize)
	a.task()
	a.finish()
}

// oomHasTask: before Linux 6.8 the tracepoint has the victim's pid only, as the host sees it.
func oomHasTask(spec *btf.Spec) bool {
	params := tracepointParams(spec, "mark_victim")
	if len(params) == 0 {
		return false
	}
	_, ok := btf.UnderlyingType(params[0].Type).(*btf.Pointer)
	return ok
}

func (r record) oom() sandbox.Moment {
	m := r.task(sandbox.MomentOOM)
	m.PID, m.PIDInside, m.PPID, m.Thread, m.Signal = r.pid(recPID), r.pid(recPIDInside), 0, false, 9
	return m
}
