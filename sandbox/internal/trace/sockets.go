package trace

import (
	"strconv"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/text"
)

// UDP and Unix sockets: who gives one an address, listens at it or connects it. No tracepoint tells of them, so they are met where their
// processes act: at the ends of bind, listen, connect and accept. When one is gone is met where its last holder lets it go: closed.go. A TCP
// socket is met at the end of connect when that failed before its state has changed.

// Layout of a socket's record after the common part, in bytes. Family, ports, addresses and the error lie as in one of TCP.
const (
	recAct       int16 = recordSize + 12
	recNameLen   int16 = recordSize + 56 // bytes of the names of a Unix socket and of its other end
	recOtherLen  int16 = recordSize + 60
	recServer    int16 = recordSize + 64 // the process that listens at a Unix socket's other end: the node's pid
	recServerIn  int16 = recordSize + 68 // in its innermost pid namespace
	recServerNS  int16 = recordSize + 72 // that namespace
	recServerCom int16 = recordSize + 76
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
	actAccept // a Unix connection: it is told of when it is made
	actUnsent // connect of a TCP socket, which has sent nothing
	actClose
	actHangUp // what was accepted is closed
)

// lastErrno is the highest error that a program may see; those above are the kernel's own, of a call that begins anew (linux/errno.h).
const lastErrno = 511

// More slots on the stack: see program.go and calls.go.
const (
	slotSk     int16 = -168 // struct sock *
	slotFile   int16 = -176 // struct file *
	slotFD     int16 = -184
	slotAct    int16 = -192
	slotError  int16 = -200 // errno of a call that failed, 0 of one that has not
	slotFamily int16 = -208
	slotName   int16 = -216 // struct unix_address *, or struct sockaddr * of the process
	slotPeer   int16 = -224 // struct sock * of a Unix socket's other end
	slotDentry int16 = -232 // struct dentry *: see closed.go
	slotHome   int16 = -240 // inode of the node whose socket it was
)

// socketOffsets are where this kernel keeps what tells of UDP and Unix sockets.
type socketOffsets struct {
	taskFiles, filesTable, tableMax, tableFiles         uint32
	fileInode, fileData, fileDentry, inodeMode          uint32
	socketSk, skType, unixAddr, unixPeer, nameLen, name uint32
	skPeerPID, pidTasks, taskPIDLinks, tcpWriteSeq      uint32
}

func findSocketOffsets(spec *btf.Spec) (o socketOffsets, err error) {
	for _, w := range []wanted{
		{&o.taskFiles, "task_struct", []string{"files"}},
		{&o.filesTable, "files_struct", []string{"fdt"}},
		{&o.tableMax, "fdtable", []string{"max_fds"}},
		{&o.tableFiles, "fdtable", []string{"fd"}},
		{&o.fileInode, "file", []string{"f_inode"}},
		{&o.fileData, "file", []string{"private_data"}},
		{&o.fileDentry, "file", []string{"f_path", "dentry"}},
		{&o.inodeMode, "inode", []string{"i_mode"}},
		{&o.socketSk, "socket", []string{"sk"}},
		{&o.skType, "sock", []string{"sk_type"}},
		{&o.unixAddr, "unix_sock", []string{"addr"}},
		{&o.unixPeer, "unix_sock", []string{"peer"}},
		{&o.nameLen, "unix_address", []string{"len"}},
		{&o.name, "unix_address", []string{"name"}},
		{&o.skPeerPID, "sock", []string{"sk_peer_pid"}},
		{&o.pidTasks, "pid", []string{"tasks"}},
		{&o.taskPIDLinks, "task_struct", []string{"pid_links"}},
		{&o.tcpWriteSeq, "tcp_sock", []string{"write_seq"}},
	} {
		if *w.into, err = offsetIn(spec, w.typ, w.path...); err != nil {
			return o, err
		}
	}
	return o, nil
}

// actProgram is for the end of bind, listen or connect. Of these connect is told of when it failed, too.
func actProgram(act int32) func(*assembly) {
	return func(a *assembly) {
		if act == actConnect {
			a.result(lastErrno)
		} else {
			a.result(0)
		}
		a.arguments()
		a.add(
			asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.R10, slotFD, asm.R1, asm.DWord),
			asm.Mov.Imm(asm.R1, act), asm.StoreMem(asm.R10, slotAct, asm.R1, asm.DWord),
		)
		a.read(asm.R10, slotFD, 4, asm.R7, a.at.regsArgs[0])
		a.add(asm.FnGetCurrentTask.Call(), asm.Mov.Reg(asm.R6, asm.R0))
		a.findNode("end")
		a.heldSocket()
		a.draftRecord()
		a.describe()
		a.add(asm.LoadMem(asm.R1, asm.R10, slotError, asm.DWord), asm.JNE.Imm(asm.R1, 0, "failed"))
		a.called()
		a.keep()
		a.add(asm.Ja.Label("tell"))
		a.label("failed")
		a.asked()
		a.label("tell")
		a.tellDraft("end")
		a.label("end")
		a.add(asm.Mov.Imm(asm.R0, 0), asm.Return())
	}
}

// acceptedProgram is for the end of accept: of a Unix connection the end that it gives out is kept until it is gone, where its
// other end is a process's of the same node, which was told of as it connected.
func acceptedProgram(a *assembly) {
	a.add(
		asm.LoadMem(asm.R2, asm.R1, exitResult, asm.DWord),
		asm.JSLT.Imm(asm.R2, 0, "end"),
		asm.StoreMem(asm.R10, slotFD, asm.R2, asm.DWord),
		asm.Mov.Imm(asm.R1, actAccept), asm.StoreMem(asm.R10, slotAct, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.R10, slotError, asm.R1, asm.DWord),
		asm.FnGetCurrentTask.Call(),
		asm.Mov.Reg(asm.R6, asm.R0),
	)
	a.findNode("end")
	a.heldSocket()
	a.peer("end")
	a.draftRecord()
	a.describe()
	a.keep()
	a.add(asm.Ja.Label("end"))
	a.label("end")
	a.add(asm.Mov.Imm(asm.R0, 0), asm.Return())
}

// draftRecord takes this processor's room for a record, its address in R9: what is told of a socket is kept as well (closed.go).
func (a *assembly) draftRecord() {
	a.add(
		asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.R10, slotTmp, asm.R1, asm.DWord),
		asm.LoadMapPtr(asm.R1, a.draft),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, int32(slotTmp)),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "end"),
		asm.Mov.Reg(asm.R9, asm.R0),
	)
}

// tellDraft copies the record in R9 to the ring, or counts it as lost, and goes on.
func (a *assembly) tellDraft(then string) {
	a.allowSocket()
	a.stamp()
	a.add(
		asm.LoadMapPtr(asm.R1, a.ring),
		asm.Mov.Reg(asm.R2, asm.R9),
		asm.Mov.Imm(asm.R3, int32(recordSize+socketSize)),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnRingbufOutput.Call(),
		asm.JEq.Imm(asm.R0, 0, then),
	)
	a.label("lost")
	a.lose()
}

// heldSocket finds the UDP or Unix socket that the task in R6 has open under the descriptor in slotFD, or ends the program.
func (a *assembly) heldSocket() {
	o := &a.at.sockets
	a.add(asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.R10, slotFile, asm.R1, asm.DWord))
	a.read(asm.R10, slotTmp, 8, asm.R6, o.taskFiles)
	a.follow(slotTmp, o.filesTable, asm.R10, slotTmp, 8)
	a.follow(slotTmp, o.tableMax, asm.R10, slotFile, 4)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotFile, asm.DWord),
		asm.LoadMem(asm.R2, asm.R10, slotFD, asm.DWord),
		asm.JGE.Reg(asm.R2, asm.R1, "end"),
	)
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
		asm.JNE.Imm(asm.R1, unix.S_IFSOCK, "end"),
	)
	a.follow(slotFile, o.fileDentry, asm.R10, slotDentry, 8)
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
		asm.JNE.Imm(asm.R1, unix.AF_INET6, "end"),
	)
	a.label("internet")
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotTmp, asm.DWord),
		asm.JEq.Imm(asm.R1, unix.IPPROTO_UDP, "ours"),
		asm.JNE.Imm(asm.R1, unix.IPPROTO_TCP, "end"),
	)
	a.unsent()
	a.label("ours")
}

// unsent ends the program unless it is for a connect of the TCP socket in slotSk that failed before anything was sent, for want of a
// route or of a port: all else about TCP is told as the socket's state changes (tcp.go). One that was tried before has sent something then.
func (a *assembly) unsent() {
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotAct, asm.DWord),
		asm.JNE.Imm(asm.R1, actConnect, "end"),
		asm.LoadMem(asm.R1, asm.R10, slotError, asm.DWord),
		asm.JEq.Imm(asm.R1, 0, "end"),
		asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.R10, slotTmp, asm.R1, asm.DWord),
	)
	a.follow(slotSk, a.at.sockets.tcpWriteSeq, asm.R10, slotTmp, 4)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotTmp, asm.DWord),
		asm.JNE.Imm(asm.R1, 0, "end"),
		asm.Mov.Imm(asm.R1, actUnsent), asm.StoreMem(asm.R10, slotAct, asm.R1, asm.DWord),
	)
}

// called ends the program when the call in slotAct has not done what it is told for.
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
}

// describe writes the record in R9 of the socket in slotSk and of the task in R6, which is lost to it.
func (a *assembly) describe() {
	a.head(recordSocket)
	a.task()
	a.follow(slotSk, a.at.sockNet, asm.R10, slotTmp, 8)
	a.follow(slotTmp, a.at.netInum, asm.R9, recNetNS, 4)
	a.copyWord(slotAct, recAct)
	a.copyWord(slotError, recError)
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

// asked writes whom a connect that failed was for: the address is the process's, its second argument, as long as its third says.
func (a *assembly) asked() {
	const port, addr4, addr6, path = 2, 4, 8, 2 // of struct sockaddr_in, sockaddr_in6, sockaddr_un
	a.add(
		asm.StoreImm(asm.R9, recPeer, 0, asm.Half),
		asm.StoreImm(asm.R9, recOtherLen, 0, asm.Word),
		asm.StoreImm(asm.R9, recServer, 0, asm.Word),
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.R10, slotPeer, asm.R1, asm.DWord),
		asm.StoreMem(asm.R10, slotTmp, asm.R1, asm.DWord),
	)
	a.follow(slotArg, a.at.regsArgs[1], asm.R10, slotName, 8)
	a.follow(slotArg, a.at.regsArgs[2], asm.R10, slotTmp, 4)
	a.add(asm.Mov.Imm(asm.R2, 2))
	a.userBytes(asm.R10, slotPeer, 0)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotPeer, asm.DWord),
		asm.LoadMem(asm.R2, asm.R10, slotFamily, asm.DWord),
		asm.JNE.Reg(asm.R1, asm.R2, "tell"), // an address of another kind
		asm.JEq.Imm(asm.R1, unix.AF_UNIX, "socket"),
		asm.Mov.Imm(asm.R2, 2),
	)
	a.userBytes(asm.R9, recPeer, port)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotFamily, asm.DWord),
		asm.JEq.Imm(asm.R1, unix.AF_INET6, "long"),
		asm.Mov.Imm(asm.R2, 4),
	)
	a.userBytes(asm.R9, recPeerIP, addr4)
	a.add(asm.Ja.Label("tell"))
	a.label("long")
	a.add(asm.Mov.Imm(asm.R2, addressLen))
	a.userBytes(asm.R9, recPeerIP, addr6)
	a.add(asm.Ja.Label("tell"))
	a.label("socket")
	a.add(
		asm.LoadMem(asm.R2, asm.R10, slotTmp, asm.Word),
		asm.JLE.Imm(asm.R2, path, "tell"),
		asm.Sub.Imm(asm.R2, path),
		asm.JGT.Imm(asm.R2, unixNameMax, "tell"),
		asm.StoreMem(asm.R9, recOtherLen, asm.R2, asm.Word),
	)
	a.userBytes(asm.R9, recOther, path)
}

// userBytes copies as many bytes as R2 says of the process's memory, at an offset from the address in slotName.
func (a *assembly) userBytes(dst asm.Register, at int16, offset int32) {
	a.add(
		asm.Mov.Reg(asm.R1, dst),
		asm.Add.Imm(asm.R1, int32(at)),
		asm.LoadMem(asm.R3, asm.R10, slotName, asm.DWord),
		asm.Add.Imm(asm.R3, offset),
		asm.FnProbeReadUser.Call(),
	)
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

// peer leaves in slotOther whose the other end of a Unix connection was when it was made, which the kernel keeps for SO_PEERCRED, and in
// slotTmp how deep below the host's its pid namespace is; or goes elsewhere when that was no process of the node.
func (a *assembly) peer(otherwise string) {
	a.add(asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.R10, slotTmp, asm.R1, asm.DWord))
	a.follow(slotSk, a.at.sockets.skPeerPID, asm.R10, slotOther, 8)
	a.follow(slotOther, a.at.pidLevel, asm.R10, slotTmp, 4)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotTmp, asm.DWord),
		asm.JLT.Reg(asm.R1, asm.R7, otherwise),
	)
	a.number(slotOther, asm.R7, slotUpid2)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotUpid2+int16(a.at.upidNS), asm.DWord),
		asm.LoadMem(asm.R2, asm.R10, slotUpid+int16(a.at.upidNS), asm.DWord),
		asm.JNE.Reg(asm.R1, asm.R2, otherwise),
	)
}

// server writes who listens at the other end of a Unix connection that was just made.
func (a *assembly) server() {
	o := &a.at.sockets
	const ofProcess = 1 // PIDTYPE_TGID: index of a struct hlist_head, and of a struct hlist_node of two pointers
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotAct, asm.DWord),
		asm.JNE.Imm(asm.R1, actConnect, "told"),
	)
	a.peer("told")
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
	case actConnect, actUnsent:
		m.Kind = sandbox.MomentConnect
	case actHangUp:
		m.Kind, m.Reason = sandbox.MomentClose, "Accepted"
	default:
		m.Kind = sandbox.MomentClose
	}
	if m.Kind == sandbox.MomentConnect {
		r.failed(&m)
	}
	if r.u16(recFamily) != unix.AF_UNIX {
		m.Params["proto"] = "udp"
		if r.u32(recAct) == actUnsent {
			m.Params["proto"] = "tcp"
		}
		if r.u16(recPort) != 0 {
			m.Params["local"] = r.address(recAddr, recPort)
		}
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
