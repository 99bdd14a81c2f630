package trace

import (
	"fmt"

	"github.com/cilium/ebpf/btf"
)

// offsets are where this kernel keeps what the programs read, in bytes from the start of each struct.
type offsets struct {
	// task_struct
	taskPID, taskTGID, taskThreadPID, taskLeader, taskParent, taskSignal, taskExitCode, taskComm, taskStart uint32
	// pid, upid
	pidLevel, pidNumbers, upidSize, upidNr, upidNS uint32
	// pid_namespace: ns.inum, child_reaper
	nsInum, nsReaper uint32
	// signal_struct: whether it adopts orphans, and whether an ancestor does
	isSubreaper, hasSubreaper flagOffset
	// signal_struct
	signalLive, signalFlags, signalCode uint32
	// linux_binprm
	bprmFilename uint32
	// sched_process_exit(task, group_dead): since Linux 6.16
	exitHasGroupDead bool
	// mark_victim(task, uid): since Linux 6.8
	oomHasTask bool
	// pt_regs at the end of a system call
	regsArgs [callArgs]uint32
	// task_struct, nsproxy and the namespaces in it
	taskNSProxy    uint32
	nsproxy, inums [len(namespaceKinds)]uint32
	// sock
	sockProtocol, sockFamily, sockPort, sockPeerPort, sockNet, netInum uint32
	sockAddr, sockPeer, sockAddr6, sockPeer6, sockError                uint32
	// UDP and Unix sockets, or why they cannot be told of
	sockets   socketOffsets
	noSockets error
}

// kernelOffsets reads them from the running kernel's type information, /sys/kernel/btf/vmlinux.
func kernelOffsets() (offsets, error) {
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		return offsets{}, fmt.Errorf("the kernel's types: %w", err)
	}
	return findOffsets(spec)
}

func findOffsets(spec *btf.Spec) (o offsets, err error) {
	want := []wanted{
		{&o.taskPID, "task_struct", []string{"pid"}},
		{&o.taskTGID, "task_struct", []string{"tgid"}},
		{&o.taskThreadPID, "task_struct", []string{"thread_pid"}},
		{&o.taskLeader, "task_struct", []string{"group_leader"}},
		{&o.taskParent, "task_struct", []string{"real_parent"}},
		{&o.taskSignal, "task_struct", []string{"signal"}},
		{&o.taskExitCode, "task_struct", []string{"exit_code"}},
		{&o.taskComm, "task_struct", []string{"comm"}},
		{&o.taskStart, "task_struct", []string{"start_boottime"}},
		{&o.pidLevel, "pid", []string{"level"}},
		{&o.pidNumbers, "pid", []string{"numbers"}},
		{&o.upidNr, "upid", []string{"nr"}},
		{&o.upidNS, "upid", []string{"ns"}},
		{&o.nsInum, "pid_namespace", []string{"ns", "inum"}},
		{&o.nsReaper, "pid_namespace", []string{"child_reaper"}},
		{&o.signalLive, "signal_struct", []string{"live"}},
		{&o.signalFlags, "signal_struct", []string{"flags"}},
		{&o.signalCode, "signal_struct", []string{"group_exit_code"}},
		{&o.bprmFilename, "linux_binprm", []string{"filename"}},
		{&o.taskNSProxy, "task_struct", []string{"nsproxy"}},
		{&o.sockProtocol, "sock", []string{"sk_protocol"}},
		{&o.sockFamily, "sock", []string{"__sk_common", "skc_family"}},
		{&o.sockPort, "inet_sock", []string{"inet_sport"}},
		{&o.sockPeerPort, "sock", []string{"__sk_common", "skc_dport"}},
		{&o.sockNet, "sock", []string{"__sk_common", "skc_net", "net"}},
		{&o.netInum, "net", []string{"ns", "inum"}},
		{&o.sockAddr, "sock", []string{"__sk_common", "skc_rcv_saddr"}},
		{&o.sockPeer, "sock", []string{"__sk_common", "skc_daddr"}},
		{&o.sockAddr6, "sock", []string{"__sk_common", "skc_v6_rcv_saddr"}},
		{&o.sockError, "sock", []string{"sk_err"}},
		{&o.sockPeer6, "sock", []string{"__sk_common", "skc_v6_daddr"}},
	}
	for i, kind := range namespaceKinds {
		want = append(want, wanted{&o.nsproxy[i], "nsproxy", []string{kind.field}}, wanted{&o.inums[i], kind.typ, []string{"ns", "inum"}})
	}
	for _, w := range append(want, o.registers()...) {
		if *w.into, err = offsetIn(spec, w.typ, w.path...); err != nil {
			return o, err
		}
	}
	var upid *btf.Struct
	if err := spec.TypeByName("upid", &upid); err != nil {
		return o, err
	}
	o.upidSize = upid.Size
	if o.upidSize > upidRoom {
		return o, fmt.Errorf("struct upid has %d bytes, more than the %d that the programs hold", o.upidSize, upidRoom)
	}
	for name, into := range map[string]*flagOffset{"is_child_subreaper": &o.isSubreaper, "has_child_subreaper": &o.hasSubreaper} {
		if *into, err = flagIn(spec, "signal_struct", name); err != nil {
			return o, err
		}
	}
	for i := range o.regsArgs {
		o.regsArgs[i] += registerShift[i]
	}
	o.exitHasGroupDead = len(tracepointParams(spec, "sched_process_exit")) >= 2
	o.oomHasTask = oomHasTask(spec)
	o.sockets, o.noSockets = findSocketOffsets(spec) // AF_UNIX may be a module: then the rest is told
	return o, nil
}

// flagOffset is a field of one bit: the four bytes that hold it, and its place there.
type flagOffset struct {
	word uint32
	mask int32
}

func flagIn(spec *btf.Spec, name, field string) (flagOffset, error) {
	var s *btf.Struct
	if err := spec.TypeByName(name, &s); err != nil {
		return flagOffset{}, fmt.Errorf("struct %s: %w", name, err)
	}
	const bits = 32
	for _, m := range s.Members {
		if m.Name == field && m.BitfieldSize == 1 && m.Offset%bits < bits-1 { // the last would be a sign
			return flagOffset{word: uint32(m.Offset / bits * 4), mask: 1 << (m.Offset % bits)}, nil
		}
	}
	return flagOffset{}, fmt.Errorf("struct %s has no flag %s", name, field)
}

// wanted is one offset to find.
type wanted struct {
	into *uint32
	typ  string
	path []string
}

func offsetIn(spec *btf.Spec, name string, path ...string) (uint32, error) {
	var s *btf.Struct
	if err := spec.TypeByName(name, &s); err != nil {
		return 0, fmt.Errorf("struct %s: %w", name, err)
	}
	var typ btf.Type = s
	offset := btf.Bits(0)
	for _, field := range path {
		at, next, ok := member(typ, field)
		if !ok {
			return 0, fmt.Errorf("struct %s has no %s", name, field)
		}
		offset, typ = offset+at, next
	}
	return offset.Bytes(), nil
}

// member finds a field, also in the anonymous structs that layout randomisation puts around fields.
func member(typ btf.Type, name string) (btf.Bits, btf.Type, bool) {
	for _, m := range members(typ) {
		if m.Name == name && m.BitfieldSize == 0 {
			return m.Offset, m.Type, true
		}
		if m.Name == "" {
			if at, t, ok := member(m.Type, name); ok {
				return m.Offset + at, t, true
			}
		}
	}
	return 0, nil, false
}

func members(typ btf.Type) []btf.Member {
	switch t := btf.UnderlyingType(typ).(type) {
	case *btf.Struct:
		return t.Members
	case *btf.Union:
		return t.Members
	}
	return nil
}

// tracepointParams are a raw tracepoint's arguments; in its prototype the first parameter is the kernel's own.
func tracepointParams(spec *btf.Spec, name string) []btf.FuncParam {
	var def *btf.Typedef
	if err := spec.TypeByName("btf_trace_"+name, &def); err != nil {
		return nil
	}
	ptr, ok := def.Type.(*btf.Pointer)
	if !ok {
		return nil
	}
	proto, ok := ptr.Target.(*btf.FuncProto)
	if !ok || len(proto.Params) == 0 {
		return nil
	}
	return proto.Params[1:]
}
