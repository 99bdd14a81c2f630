package trace

import (
	"strconv"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/text"
)

// UDP and Unix sockets: who gives one an address, listens at it or connects it, and when it is gone. No tracepoint tells of them, so they
// are met where their processes act: bind, listen and connect when they have succeeded; the last close(2), and the end of a process that
// holds one. The end of one that dup2(2), close_range(2) or exec(2) closes is not told of.

// Layout of a socket's record after the common part, in bytes. Family, ports and addresses lie as in one of TCP.
const (
	recSockType  int16 = recordSize + 10 // SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET, u16
	recAct       int16 = recordSize + 12
	recNameLen   int16 = recordSize + 52 // bytes of the names of a Unix socket and of its other end
	recOtherLen  int16 = recordSize + 56
	recServer    int16 = recordSize + 60 // the process that listens at a Unix socket's other end: the node's pid
	recServerIn  int16 = recordSize + 64 // in its innermost pid namespace
	recServerNS  int16 = recordSize + 68 // that namespace
	recServerCom int16 = recordSize + 72
	recName      int16 = recServerCom + commSize
	recOther     int16 = recName + unixNameMax
	socketSize         = int(recOther) + unixNameMax - recordSize

	unixNameMax = 108 // sun_path
)

// What was done to a socket.
const (
	actBind = iota + 1
	actListen
	actConnect
	actClose
)

const (
	maxTold   = 16384 // sockets whose opening was told; the longest unused are forgotten
	maxEndFDs = 64    // descriptors of a process that are looked at when it ends: a word of the table of open ones
)

// More slots on the stack: see program.go and calls.go.
const (
	slotSk     int16 = -168 // struct sock *
	slotFile   int16 = -176 // struct file *
	slotFD     int16 = -184
	slotAct    int16 = -192
	slotInode  int16 = -200 // number of the socket's inode: what the map of told sockets holds
	slotOpen   int16 = -208 // bits of the descriptors that are open, the one in slotFD the lowest
	slotFamily int16 = -216
	slotName   int16 = -224 // struct unix_address *
	slotPeer   int16 = -232 // struct sock * of a Unix socket's other end
)

// socketOffsets are where this kernel keeps what tells of UDP and Unix sockets.
type socketOffsets struct {
	taskFiles, filesTable, tableMax, tableFiles, tableOpen uint32
	fileInode, fileData, fileRefs, inodeMode, inodeNumber  uint32
	oneRef                                                 int32 // what fileRefs holds for a file that is open once
	socketSk, skType, unixAddr, unixPeer, nameLen, name    uint32
	skPeerPID, pidTasks, taskPIDLinks                      uint32
}

func findSocketOffsets(spec *btf.Spec) (o socketOffsets, err error) {
	for _, w := range []wanted{
		{&o.taskFiles, "task_struct", []string{"files"}},
		{&o.filesTable, "files_struct", []string{"fdt"}},
		{&o.tableMax, "fdtable", []string{"max_fds"}},
		{&o.tableFiles, "fdtable", []string{"fd"}},
		{&o.tableOpen, "fdtable", []string{"open_fds"}},
		{&o.fileInode, "file", []string{"f_inode"}},
		{&o.fileData, "file", []string{"private_data"}},
		{&o.inodeMode, "inode", []string{"i_mode"}},
		{&o.inodeNumber, "inode", []string{"i_ino"}},
		{&o.socketSk, "socket", []string{"sk"}},
		{&o.skType, "sock", []string{"sk_type"}},
		{&o.unixAddr, "unix_sock", []string{"addr"}},
		{&o.unixPeer, "unix_sock", []string{"peer"}},
		{&o.nameLen, "unix_address", []string{"len"}},
		{&o.name, "unix_address", []string{"name"}},
		{&o.skPeerPID, "sock", []string{"sk_peer_pid"}},
		{&o.pidTasks, "pid", []string{"tasks"}},
		{&o.taskPIDLinks, "task_struct", []string{"pid_links"}},
	} {
		if *w.into, err = offsetIn(spec, w.typ, w.path...); err != nil {
			return o, err
		}
	}
	// Since Linux 6.13 a file counts its references from 0 (include/linux/file_ref.h).
	if o.fileRefs, err = offsetIn(spec, "file", "f_ref"); err != nil {
		o.oneRef = 1
		o.fileRefs, err = offsetIn(spec, "file", "f_count")
	}
	return o, err
}

// actProgram is for the end of bind, listen or connect.
func actProgram(act int32) func(*assembly) {
	return func(a *assembly) {
		a.succeeded()
		a.add(
			asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.R10, slotFD, asm.R1, asm.DWord),
			asm.Mov.Imm(asm.R1, act), asm.StoreMem(asm.R10, slotAct, asm.R1, asm.DWord),
		)
		a.read(asm.R10, slotFD, 4, asm.R7, a.at.regsArgs[0])
		a.add(asm.FnGetCurrentTask.Call(), asm.Mov.Reg(asm.R6, asm.R0))
		a.findNode()
		a.heldSocket("end")
		a.called()
		a.tellHeld()
		a.finish()
	}
}

// closeProgram is for the begin of close: the descriptor is its first argument (events/syscalls/sys_enter_close/format).
func closeProgram(a *assembly) {
	const firstArg = 16
	a.add(
		asm.LoadMem(asm.R1, asm.R1, firstArg, asm.Word),
		asm.StoreMem(asm.R10, slotFD, asm.R1, asm.DWord),
		asm.FnGetCurrentTask.Call(), asm.Mov.Reg(asm.R6, asm.R0),
	)
	a.findNode()
	a.heldSocket("end")
	a.closing("end")
	a.tellHeld()
	a.finish()
}

// endProgram is for sched_process_exit, before the kernel closes what the process holds.
func endProgram(a *assembly) {
	if a.at.exitHasGroupDead {
		a.begin(0, 1)
		a.add(
			asm.LoadMem(asm.R1, asm.R10, slotArg, asm.DWord),
			asm.And.Imm(asm.R1, 0xff), // a bool
			asm.JEq.Imm(asm.R1, 0, "end"),
		)
	} else {
		a.begin(0, -1)
		a.add(asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.R10, slotArg, asm.R1, asm.DWord))
		a.read(asm.R10, slotTmp, 8, asm.R6, a.at.taskSignal)
		a.follow(slotTmp, a.at.signalLive, asm.R10, slotArg, 4)
		a.add(asm.LoadMem(asm.R1, asm.R10, slotArg, asm.DWord), asm.JNE.Imm(asm.R1, 0, "end"))
	}
	a.findNode()
	a.add(
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.R10, slotFD, asm.R1, asm.DWord),
		asm.StoreMem(asm.R10, slotOpen, asm.R1, asm.DWord),
	)
	a.table("end")
	a.follow(slotTmp, a.at.sockets.tableOpen, asm.R10, slotTmp, 8)
	a.follow(slotTmp, 0, asm.R10, slotOpen, 8)
	a.label("descriptor")
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotOpen, asm.DWord),
		asm.And.Imm(asm.R1, 1),
		asm.JEq.Imm(asm.R1, 0, "next"),
	)
	a.heldSocket("next")
	a.closing("next")
	a.full = "missed"
	a.tellHeld()
	a.submit("next")
	a.label("missed")
	a.lose()
	a.label("next")
	a.add(
		asm.FnGetCurrentTask.Call(), asm.Mov.Reg(asm.R6, asm.R0),
		asm.LoadMem(asm.R1, asm.R10, slotFD, asm.DWord),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R10, slotFD, asm.R1, asm.DWord),
		asm.LoadMem(asm.R2, asm.R10, slotOpen, asm.DWord),
		asm.RSh.Imm(asm.R2, 1),
		asm.StoreMem(asm.R10, slotOpen, asm.R2, asm.DWord),
		asm.JEq.Imm(asm.R2, 0, "end"),
		asm.JLT.Imm(asm.R1, maxEndFDs, "descriptor"),
	)
	a.label("end")
	a.add(asm.Mov.Imm(asm.R0, 0), asm.Return())
}

// table leaves the struct fdtable of the task in R6 in slotTmp, or goes elsewhere when it has no descriptor slotFD.
func (a *assembly) table(otherwise string) {
	a.add(asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.R10, slotFile, asm.R1, asm.DWord))
	a.read(asm.R10, slotTmp, 8, asm.R6, a.at.sockets.taskFiles)
	a.follow(slotTmp, a.at.sockets.filesTable, asm.R10, slotTmp, 8)
	a.follow(slotTmp, a.at.sockets.tableMax, asm.R10, slotFile, 4)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotFile, asm.DWord),
		asm.LoadMem(asm.R2, asm.R10, slotFD, asm.DWord),
		asm.JGE.Reg(asm.R2, asm.R1, otherwise),
	)
}

// heldSocket finds the UDP or Unix socket that is open under the descriptor in slotFD, or goes elsewhere.
func (a *assembly) heldSocket(otherwise string) {
	o := &a.at.sockets
	a.table(otherwise)
	a.follow(slotTmp, o.tableFiles, asm.R10, slotTmp, 8)
	a.add(
		asm.LoadMem(asm.R3, asm.R10, slotTmp, asm.DWord),
		asm.LoadMem(asm.R1, asm.R10, slotFD, asm.DWord),
		asm.LSh.Imm(asm.R1, 3),
		asm.Add.Reg(asm.R3, asm.R1),
	)
	a.read(asm.R10, slotFile, 8, asm.R3, 0)
	a.follow(slotFile, o.fileInode, asm.R10, slotOther, 8)
	a.add(asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.R10, slotTmp, asm.R1, asm.DWord))
	a.follow(slotOther, o.inodeMode, asm.R10, slotTmp, 2)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotTmp, asm.DWord),
		asm.And.Imm(asm.R1, unix.S_IFMT),
		asm.JNE.Imm(asm.R1, unix.S_IFSOCK, otherwise),
	)
	a.follow(slotOther, o.inodeNumber, asm.R10, slotInode, 8)
	a.follow(slotFile, o.fileData, asm.R10, slotTmp, 8)
	a.follow(slotTmp, o.socketSk, asm.R10, slotSk, 8)
	a.add(
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.R10, slotFamily, asm.R1, asm.DWord),
		asm.StoreMem(asm.R10, slotTmp, asm.R1, asm.DWord),
	)
	a.follow(slotSk, a.at.sockFamily, asm.R10, slotFamily, 2)
	a.follow(slotSk, a.at.sockProtocol, asm.R10, slotTmp, 2)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotFamily, asm.DWord),
		asm.JEq.Imm(asm.R1, unix.AF_UNIX, "ours"),
		asm.JEq.Imm(asm.R1, unix.AF_INET, "internet"),
		asm.JNE.Imm(asm.R1, unix.AF_INET6, otherwise),
	)
	a.label("internet")
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotTmp, asm.DWord),
		asm.JNE.Imm(asm.R1, unix.IPPROTO_UDP, otherwise),
	)
	a.label("ours")
}

// called goes to "end" when the call in slotAct has not done what it is told for; else it remembers the socket.
func (a *assembly) called() {
	o := &a.at.sockets
	a.add(
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.R10, slotTmp, asm.R1, asm.DWord),
		asm.LoadMem(asm.R1, asm.R10, slotFamily, asm.DWord),
		asm.JEq.Imm(asm.R1, unix.AF_UNIX, "path"),
		asm.LoadMem(asm.R1, asm.R10, slotAct, asm.DWord),
		asm.JNE.Imm(asm.R1, actConnect, "remember"),
	)
	a.follow(slotSk, a.at.sockPeerPort, asm.R10, slotTmp, 2)
	a.add(asm.Ja.Label("partner"))
	a.label("path")
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotAct, asm.DWord),
		asm.JEq.Imm(asm.R1, actListen, "remember"),
		asm.JEq.Imm(asm.R1, actBind, "datagrams"),
	)
	a.follow(slotSk, o.unixPeer, asm.R10, slotTmp, 8)
	a.label("partner") // without one, connect has taken it away (AF_UNSPEC)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotTmp, asm.DWord),
		asm.JEq.Imm(asm.R1, 0, "end"),
		asm.Ja.Label("remember"),
	)
	a.label("datagrams") // the others are told of when they listen
	a.follow(slotSk, o.skType, asm.R10, slotTmp, 2)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotTmp, asm.DWord),
		asm.JNE.Imm(asm.R1, unix.SOCK_DGRAM, "end"),
	)
	a.label("remember")
	a.toldOf(asm.FnMapUpdateElem)
}

// closing goes elsewhere unless the socket was told of, and this is the last descriptor of it.
func (a *assembly) closing(otherwise string) {
	a.follow(slotFile, a.at.sockets.fileRefs, asm.R10, slotTmp, 8)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotTmp, asm.DWord),
		asm.JNE.Imm(asm.R1, a.at.sockets.oneRef, otherwise),
	)
	a.toldOf(asm.FnMapLookupElem)
	a.add(
		asm.JEq.Imm(asm.R0, 0, otherwise),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord),
		asm.LoadMem(asm.R2, asm.R10, slotInode, asm.DWord),
		asm.JNE.Reg(asm.R1, asm.R2, otherwise), // of a socket that was here before
	)
	a.toldOf(asm.FnMapDeleteElem)
	a.add(asm.Mov.Imm(asm.R1, actClose), asm.StoreMem(asm.R10, slotAct, asm.R1, asm.DWord))
}

// toldOf calls a function of the map of told sockets with the one in slotSk.
func (a *assembly) toldOf(call asm.BuiltinFunc) {
	a.add(
		asm.LoadMapPtr(asm.R1, a.told),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, int32(slotSk)),
	)
	if call == asm.FnMapUpdateElem {
		a.add(
			asm.Mov.Reg(asm.R3, asm.R10),
			asm.Add.Imm(asm.R3, int32(slotInode)),
			asm.Mov.Imm(asm.R4, 0),
		)
	}
	a.add(call.Call())
}

// tellHeld writes the record of the socket in slotSk and of the task in R6, which is lost to it.
func (a *assembly) tellHeld() {
	a.allowSocket()
	a.reserve(recordSocket, int32(recordSize+socketSize))
	a.task()
	a.follow(slotSk, a.at.sockNet, asm.R10, slotTmp, 8)
	a.follow(slotTmp, a.at.netInum, asm.R9, recNetNS, 4)
	a.copyWord(slotAct, recAct)
	a.follow(slotSk, a.at.sockets.skType, asm.R9, recSockType, 2)
	a.add(
		asm.StoreImm(asm.R9, recNameLen, 0, asm.Word),
		asm.StoreImm(asm.R9, recOtherLen, 0, asm.Word),
		asm.StoreImm(asm.R9, recServer, 0, asm.Word),
		asm.StoreImm(asm.R9, recServerCom, 0, asm.Byte),
		asm.LoadMem(asm.R6, asm.R10, slotSk, asm.DWord),
		asm.LoadMem(asm.R1, asm.R10, slotFamily, asm.DWord),
		asm.JEq.Imm(asm.R1, unix.AF_UNIX, "names"),
	)
	a.endpoints()
	a.add(asm.Ja.Label("told"))
	a.label("names")
	a.read(asm.R9, recFamily, 2, asm.R6, a.at.sockFamily)
	a.unixName(slotSk, recNameLen, recName)
	a.follow(slotSk, a.at.sockets.unixPeer, asm.R10, slotPeer, 8)
	a.unixName(slotPeer, recOtherLen, recOther)
	a.server()
	a.label("told")
}

// unixName copies the name of the Unix socket in a slot, without its family (unix(7)).
func (a *assembly) unixName(slot, length, into int16) {
	o := &a.at.sockets
	const family = 2
	done, fits := "named"+strconv.Itoa(int(into)), "fits"+strconv.Itoa(int(into))
	a.follow(slot, o.unixAddr, asm.R10, slotName, 8)
	a.add(asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.R10, slotTmp, asm.R1, asm.DWord))
	a.follow(slotName, o.nameLen, asm.R10, slotTmp, 4)
	a.add(
		asm.LoadMem(asm.R2, asm.R10, slotTmp, asm.Word),
		asm.JLE.Imm(asm.R2, family, done),
		asm.Sub.Imm(asm.R2, family),
		asm.JLE.Imm(asm.R2, unixNameMax, fits),
		asm.Mov.Imm(asm.R2, unixNameMax),
	)
	a.label(fits)
	a.add(
		asm.StoreMem(asm.R9, length, asm.R2, asm.Word),
		asm.LoadMem(asm.R3, asm.R10, slotName, asm.DWord),
		asm.Add.Imm(asm.R3, int32(o.name)+family),
		asm.Mov.Reg(asm.R1, asm.R9),
		asm.Add.Imm(asm.R1, int32(into)),
		asm.FnProbeReadKernel.Call(),
	)
	a.label(done)
}

// server writes who listens at the other end of a Unix connection that was just made: the kernel keeps it for SO_PEERCRED.
func (a *assembly) server() {
	o := &a.at.sockets
	const ofProcess = 1 // PIDTYPE_TGID: index of a struct hlist_head, and of a struct hlist_node of two pointers
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotAct, asm.DWord),
		asm.JNE.Imm(asm.R1, actConnect, "told"),
		asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.R10, slotTmp, asm.R1, asm.DWord),
	)
	a.follow(slotSk, o.skPeerPID, asm.R10, slotOther, 8)
	a.follow(slotOther, a.at.pidLevel, asm.R10, slotTmp, 4)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotTmp, asm.DWord),
		asm.JLT.Reg(asm.R1, asm.R7, "told"),
	)
	a.number(slotOther, asm.R7, slotUpid2)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotUpid2+int16(a.at.upidNS), asm.DWord),
		asm.LoadMem(asm.R2, asm.R10, slotUpid+int16(a.at.upidNS), asm.DWord),
		asm.JNE.Reg(asm.R1, asm.R2, "told"), // not on this node
	)
	a.copyNumber(recServer)
	a.add(asm.LoadMem(asm.R5, asm.R10, slotTmp, asm.DWord))
	a.number(slotOther, asm.R5, slotUpid2)
	a.copyNumber(recServerIn)
	a.follow(slotUpid2+int16(a.at.upidNS), a.at.nsInum, asm.R9, recServerNS, 4)
	a.follow(slotOther, o.pidTasks+8*ofProcess, asm.R10, slotTmp, 8)
	a.add(
		asm.LoadMem(asm.R3, asm.R10, slotTmp, asm.DWord),
		asm.JEq.Imm(asm.R3, 0, "told"), // it has ended
		asm.Sub.Imm(asm.R3, int32(o.taskPIDLinks)+16*ofProcess),
	)
	a.read(asm.R9, recServerCom, commSize, asm.R3, a.at.taskComm)
}

// sockets are the moments of a UDP or Unix socket: one, and that of the other end when a Unix connection was made.
func (r record) sockets() []sandbox.Moment {
	m := r.task("")
	m.PID, m.PIDInside, m.PPID, m.Thread = r.pid(recPID), r.pid(recPIDInside), 0, false
	m.Params = map[string]string{"net": strconv.FormatUint(uint64(r.u32(recNetNS)), 10)}
	switch r.u32(recAct) {
	case actBind:
		m.Kind = sandbox.MomentBind
	case actListen:
		m.Kind = sandbox.MomentListen
	case actConnect:
		m.Kind = sandbox.MomentConnect
	default:
		m.Kind = sandbox.MomentClose
	}
	if r.u16(recFamily) != unix.AF_UNIX {
		m.Params["proto"], m.Params["local"] = "udp", r.address(recAddr, recPort)
		if r.u16(recPeer) != 0 {
			m.Params["remote"] = r.address(recPeerIP, recPeer)
		}
		return []sandbox.Moment{m}
	}
	m.Params["proto"] = "unix"
	name(m.Params, "local", r.unixName(recNameLen, recName))
	name(m.Params, "remote", r.unixName(recOtherLen, recOther))
	if m.Kind != sandbox.MomentConnect || r.u32(recServer) == 0 {
		return []sandbox.Moment{m}
	}
	other := m
	other.Kind, other.Name = sandbox.MomentAccept, r.text(r[recServerCom:recServerCom+commSize])
	other.PID, other.PIDInside, other.PIDNS = r.pid(recServer), r.pid(recServerIn), uint64(r.u32(recServerNS))
	other.Params = map[string]string{"net": m.Params["net"], "proto": "unix"}
	name(other.Params, "local", m.Params["remote"])
	name(other.Params, "remote", m.Params["local"])
	return []sandbox.Moment{m, other}
}

// name sets a parameter unless it is empty: most of those who connect have no name.
func name(params map[string]string, key, value string) {
	if value != "" {
		params[key] = value
	}
}

// unixName is a path, or @NAME of an abstract socket.
func (r record) unixName(length, at int16) string {
	b := r[at : int(at)+int(min(r.u32(length), unixNameMax))]
	if len(b) > 0 && b[0] == 0 {
		return text.Clean("@"+string(b[1:]), unixNameMax)
	}
	return r.text(b)
}
