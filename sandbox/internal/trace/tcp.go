package trace

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"strconv"
	"syscall"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// TCP's changes of state: who listens, which connections are made, refused and ended. The kernel makes many of them while it handles
// a packet, in the place of any task: so the program remembers which process a socket is of when that process itself begins to listen
// or to connect. A connection that is accepted is of the process that listens.

// Layout of a socket's record after the common part, in bytes.
const (
	recNetNS   int16 = recordSize      // inode of its network namespace
	recFamily  int16 = recordSize + 4  // AF_INET or AF_INET6, u16
	recPort    int16 = recordSize + 6  // local; ports are in the network's order
	recPeer    int16 = recordSize + 8  // of the other side
	recBefore  int16 = recordSize + 12 // states of TCP
	recAfter   int16 = recordSize + 16
	recAddr    int16 = recordSize + 20 // 16 bytes each; of IPv4 the first four
	recPeerIP  int16 = recordSize + 36
	recError   int16 = recordSize + 52 // errno of a connection that failed, 0 where nothing is known of it
	tcpSize          = 56
	addressLen       = 16
)

// Layout of what is remembered of a socket's process. The key is the address of a struct sock, or namespace<<32 | port of one that
// listens: an address in the kernel is never that small.
const (
	ownerPID    int16 = 0
	ownerInside int16 = 4
	ownerPIDNS  int16 = 8
	ownerNode   int16 = 12
	ownerComm   int16 = 16
	ownerSize         = 32

	ownersEach = 1024 // of one node, for each of which there is as much room: beyond that the end of one is counted as lost when its beginning is told
)

// More slots on the stack: see program.go.
const (
	slotSock   int16 = -104 // struct sock *
	slotBefore int16 = -112
	slotAfter  int16 = -120
	slotOwner  int16 = -152 // ownerSize bytes
	slotPort   int16 = -160 // key of a listener
)

// Offsets in the map's key of a listener.
const (
	keyPort int16 = 0
	keyNS   int16 = 4
)

// tcpProgram is for inet_sock_set_state(sk, old state, new state).
func tcpProgram(a *assembly) {
	a.add(
		asm.LoadMem(asm.R6, asm.R1, 0, asm.DWord),
		asm.StoreMem(asm.R10, slotSock, asm.R6, asm.DWord),
		asm.LoadMem(asm.R2, asm.R1, 8, asm.DWord),
		asm.StoreMem(asm.R10, slotBefore, asm.R2, asm.DWord),
		asm.LoadMem(asm.R7, asm.R1, 16, asm.DWord),
		asm.StoreMem(asm.R10, slotAfter, asm.R7, asm.DWord),
		asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.R10, slotPort, asm.R1, asm.DWord),
		asm.StoreMem(asm.R10, slotTmp, asm.R1, asm.DWord),
	)
	a.read(asm.R10, slotTmp, 2, asm.R6, a.at.sockProtocol)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotTmp, asm.DWord),
		asm.JNE.Imm(asm.R1, unix.IPPROTO_TCP, "end"), // a socket of MPTCP has one of TCP below it
	)
	a.listenerKey()
	a.add(
		asm.JEq.Imm(asm.R7, unix.BPF_TCP_LISTEN, "own"),
		asm.JEq.Imm(asm.R7, unix.BPF_TCP_SYN_SENT, "own"),
		asm.JEq.Imm(asm.R7, unix.BPF_TCP_ESTABLISHED, "theirs"),
		asm.JEq.Imm(asm.R7, unix.BPF_TCP_CLOSE, "theirs"),
		asm.Ja.Label("end"),
	)
	a.label("own")
	a.ownSocket()
	a.label("theirs")
	a.theirSocket()
	a.label("tell")
	a.tellSocket()
	a.finish()
}

// listenerKey makes the key of who listens at the socket's port.
func (a *assembly) listenerKey() {
	a.read(asm.R10, slotPort+keyPort, 2, asm.R6, a.at.sockPort)
	a.read(asm.R10, slotTmp, 8, asm.R6, a.at.sockNet)
	a.follow(slotTmp, a.at.netInum, asm.R10, slotPort+keyNS, 4)
}

// ownSocket remembers the process that begins to listen or to connect, and goes on to "tell" or to "end".
func (a *assembly) ownSocket() {
	a.add(asm.FnGetCurrentTask.Call(), asm.Mov.Reg(asm.R6, asm.R0))
	a.findNode("end")
	a.read(asm.R10, slotOwner+ownerComm, commSize, asm.R6, a.at.taskComm)
	a.read(asm.R10, slotLeader, 8, asm.R6, a.at.taskLeader)
	a.follow(slotLeader, a.at.taskThreadPID, asm.R10, slotOther, 8)
	a.number(slotOther, asm.R7, slotUpid2)
	a.remember(slotUpid2+int16(a.at.upidNr), ownerPID)
	a.add(asm.LoadMem(asm.R5, asm.R10, slotLevel, asm.DWord))
	a.number(slotOther, asm.R5, slotUpid2)
	a.remember(slotUpid2+int16(a.at.upidNr), ownerInside)
	a.follow(slotUpid2+int16(a.at.upidNS), a.at.nsInum, asm.R10, slotOwner+ownerPIDNS, 4)
	a.remember(slotKey, ownerNode)
	a.own(slotSock)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotAfter, asm.DWord),
		asm.JNE.Imm(asm.R1, unix.BPF_TCP_LISTEN, "end"), // a connection is told of when it is there, or refused
	)
	a.own(slotPort)
	a.add(asm.Ja.Label("tell"))
}

// remember copies four bytes on the stack into what is kept of the owner.
func (a *assembly) remember(from, into int16) {
	a.add(
		asm.LoadMem(asm.R1, asm.R10, from, asm.Word),
		asm.StoreMem(asm.R10, slotOwner+into, asm.R1, asm.Word),
	)
}

// owners calls a function of the map of owners with the key in a slot.
func (a *assembly) ownersOf(slot int16) {
	a.add(
		asm.LoadMapPtr(asm.R1, a.owners),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, int32(slot)),
	)
}

// own keeps the owner on the stack, of the node in R8, under the key in a slot, where the node has room for it.
func (a *assembly) own(slot int16) {
	name := strconv.Itoa(len(a.ins))
	a.ownersOf(slot)
	a.add(
		asm.FnMapLookupElem.Call(),
		asm.JNE.Imm(asm.R0, 0, "again"+name),
		asm.LoadMem(asm.R1, asm.R8, entryOwned, asm.DWord),
		asm.JSGE.Imm(asm.R1, ownersEach, "full"+name),
	)
	a.update(slot)
	a.add(asm.JNE.Imm(asm.R0, 0, "full"+name))
	a.countOwned(1)
	a.add(asm.Ja.Label("owned" + name))
	a.label("full" + name)
	a.lose()
	a.add(asm.Ja.Label("owned" + name))
	a.label("again" + name)
	a.update(slot)
	a.label("owned" + name)
}

func (a *assembly) update(slot int16) {
	a.ownersOf(slot)
	a.add(
		asm.Mov.Reg(asm.R3, asm.R10),
		asm.Add.Imm(asm.R3, int32(slotOwner)),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnMapUpdateElem.Call(),
	)
}

// disown deletes the owner under the key in a slot, of the node in R8, which is 0 where that is gone. What comes next is called then.
func (a *assembly) disown(slot int16, then string) {
	a.ownersOf(slot)
	a.add(
		asm.FnMapDeleteElem.Call(),
		asm.JNE.Imm(asm.R0, 0, then),
		asm.JEq.Imm(asm.R8, 0, then),
	)
	a.countOwned(-1)
	a.label(then)
}

func (a *assembly) countOwned(change int32) {
	a.add(asm.Mov.Imm(asm.R1, change), asm.AddAtomic.Mem(asm.R8, asm.R1, asm.DWord, entryOwned))
}

// theirSocket finds whose socket it is that was connected or ended, or ends the program.
func (a *assembly) theirSocket() {
	a.ownersOf(slotSock)
	a.add(
		asm.FnMapLookupElem.Call(),
		asm.JNE.Imm(asm.R0, 0, "known"),
		asm.LoadMem(asm.R1, asm.R10, slotAfter, asm.DWord),
		asm.JNE.Imm(asm.R1, unix.BPF_TCP_ESTABLISHED, "end"),
	)
	a.ownersOf(slotPort) // accepted: of the process that listens
	a.add(asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, "end"))
	a.label("known")
	for at := int16(0); at < ownerSize; at += 8 {
		a.add(
			asm.LoadMem(asm.R1, asm.R0, at, asm.DWord),
			asm.StoreMem(asm.R10, slotOwner+at, asm.R1, asm.DWord),
		)
	}
	a.ownersNode()
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotAfter, asm.DWord),
		asm.JEq.Imm(asm.R1, unix.BPF_TCP_CLOSE, "forget"),
		asm.JEq.Imm(asm.R8, 0, "end"),
	)
	a.own(slotSock)
	a.add(asm.Ja.Label("tell"))
	a.label("forget")
	a.disown(slotSock, "disowned")
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotBefore, asm.DWord),
		asm.JNE.Imm(asm.R1, unix.BPF_TCP_LISTEN, "gone"),
	)
	a.disown(slotPort, "gone")
	a.add(asm.JEq.Imm(asm.R8, 0, "end"))
	a.sent()
}

// sent ends the program for a connection that was tried without sending anything: the end of connect tells of it, and why (sockets.go).
func (a *assembly) sent() {
	if a.at.noSockets != nil {
		return
	}
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotBefore, asm.DWord),
		asm.JNE.Imm(asm.R1, unix.BPF_TCP_SYN_SENT, "tell"),
		asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.R10, slotTmp, asm.R1, asm.DWord),
	)
	a.read(asm.R10, slotTmp, 4, asm.R6, a.at.sockets.tcpWriteSeq)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotTmp, asm.DWord),
		asm.JEq.Imm(asm.R1, 0, "end"),
	)
}

// ownersNode leaves the entry of the owner's node in R8, 0 when that is gone, and its inode in slotKey.
func (a *assembly) ownersNode() {
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotOwner+ownerNode, asm.Word),
		asm.StoreMem(asm.R10, slotKey, asm.R1, asm.Word),
		asm.LoadMapPtr(asm.R1, a.nodes),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, int32(slotKey)),
		asm.FnMapLookupElem.Call(),
		asm.Mov.Reg(asm.R8, asm.R0),
	)
}

// tellSocket writes the record of the socket and its owner.
func (a *assembly) tellSocket() {
	a.add(
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.R10, slotUpid, asm.R1, asm.DWord),
		asm.StoreMem(asm.R10, slotUpid+8, asm.R1, asm.DWord),
	)
	a.allowSocket()
	a.reserve(recordTCP, recordSize+tcpSize)
	a.copyWord(slotOwner+ownerPID, recPID)
	a.copyWord(slotOwner+ownerInside, recPIDInside)
	a.copyWord(slotOwner+ownerPIDNS, recPIDNS)
	for at := int16(0); at < commSize; at += 4 {
		a.copyWord(slotOwner+ownerComm+at, recComm+at)
	}
	a.copyWord(slotPort+keyNS, recNetNS)
	a.copyWord(slotBefore, recBefore)
	a.copyWord(slotAfter, recAfter)
	a.add(asm.LoadMem(asm.R6, asm.R10, slotSock, asm.DWord))
	a.read(asm.R9, recError, 4, asm.R6, a.at.sockError)
	a.endpoints()
}

// endpoints writes family, addresses and ports of the struct sock in R6.
func (a *assembly) endpoints() {
	a.read(asm.R9, recFamily, 2, asm.R6, a.at.sockFamily)
	a.read(asm.R9, recPort, 2, asm.R6, a.at.sockPort)
	a.read(asm.R9, recPeer, 2, asm.R6, a.at.sockPeerPort)
	a.read(asm.R10, slotTmp, 2, asm.R6, a.at.sockFamily)
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slotTmp, asm.Half),
		asm.JEq.Imm(asm.R1, unix.AF_INET6, "v6"),
	)
	for i := int16(0); i < addressLen; i += 4 {
		a.add(asm.StoreImm(asm.R9, recAddr+i, 0, asm.Word), asm.StoreImm(asm.R9, recPeerIP+i, 0, asm.Word))
	}
	a.read(asm.R9, recAddr, 4, asm.R6, a.at.sockAddr)
	a.read(asm.R9, recPeerIP, 4, asm.R6, a.at.sockPeer)
	a.add(asm.Ja.Label("written"))
	a.label("v6")
	a.read(asm.R9, recAddr, addressLen, asm.R6, a.at.sockAddr6)
	a.read(asm.R9, recPeerIP, addressLen, asm.R6, a.at.sockPeer6)
	a.label("written")
}

// copyWord copies four bytes from the stack to the record.
func (a *assembly) copyWord(slot, into int16) {
	a.add(
		asm.LoadMem(asm.R1, asm.R10, slot, asm.Word),
		asm.StoreMem(asm.R9, into, asm.R1, asm.Word),
	)
}

// tcp is the moment of a socket: listen, connect, accept or close.
func (r record) tcp() sandbox.Moment {
	m := sandbox.Moment{
		Source: sandbox.SourceKernel, Time: int64(r.u64(recTime) / 1000), //nolint:gosec // microseconds since boot
		PID: r.pid(recPID), PIDInside: r.pid(recPIDInside), PIDNS: uint64(r.u32(recPIDNS)), Name: r.text(r[recComm : recComm+commSize]),
		Params: map[string]string{
			"proto": "tcp",
			"net":   strconv.FormatUint(uint64(r.u32(recNetNS)), 10),
			"local": r.address(recAddr, recPort),
		},
	}
	before, after := r.u32(recBefore), r.u32(recAfter)
	if before != unix.BPF_TCP_LISTEN && after != unix.BPF_TCP_LISTEN {
		m.Params["remote"] = r.address(recPeerIP, recPeer)
	}
	switch {
	case after == unix.BPF_TCP_LISTEN:
		m.Kind = sandbox.MomentListen
	case after == unix.BPF_TCP_ESTABLISHED && before == unix.BPF_TCP_SYN_SENT:
		m.Kind = sandbox.MomentConnect
	case after == unix.BPF_TCP_ESTABLISHED:
		m.Kind = sandbox.MomentAccept
	case before == unix.BPF_TCP_SYN_SENT:
		m.Kind, m.Reason = sandbox.MomentConnect, "Failed"
		r.failed(&m)
	default:
		m.Kind = sandbox.MomentClose
	}
	return m
}

// failed says of a connect why it was none.
func (r record) failed(m *sandbox.Moment) {
	errno := syscall.Errno(r.u32(recError))
	if errno == 0 {
		return
	}
	m.Reason, m.Params["error"] = "Failed", cmp.Or(unix.ErrnoName(errno), strconv.Itoa(int(errno)))
}

// address is one end of a connection: 10.1.0.2:80, [::1]:80. An IPv4 address in an IPv6 socket is written as IPv4.
func (r record) address(at, port int16) string {
	var addr netip.Addr
	if r.u16(recFamily) == unix.AF_INET6 {
		addr = netip.AddrFrom16([16]byte(r[at : at+addressLen])).Unmap()
	} else {
		addr = netip.AddrFrom4([4]byte(r[at : at+4]))
	}
	return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(r[port:])).String()
}
