package observe

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// Listening TCP sockets come from sock_diag(7). /proc/PID/net/tcp would hold the established ones too, but each read of it walks
// the host's whole table of connections: 7 ms for 262,144 buckets (BenchmarkListening). Those are read from their holders instead (tcp.go).

const (
	tcpListen      = 10 // TCP_LISTEN, include/net/tcp_states.h
	sockDiagByName = 20 // SOCK_DIAG_BY_FAMILY
	sizeofDiagReq  = 56 // struct inet_diag_req_v2
	sizeofDiagMsg  = 72 // struct inet_diag_msg
)

// listenRequest asks for one family's listening TCP sockets.
func listenRequest(family uint8) []byte {
	b := make([]byte, sizeofDiagReq)
	b[0], b[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(b[4:], 1<<tcpListen)
	return b
}

// parseDiag reads struct inet_diag_msg.
func parseDiag(b []byte) (s sandbox.Socket, err error) {
	if len(b) < sizeofDiagMsg {
		return s, errFormat
	}
	size, proto := 4, "tcp"
	if b[0] == unix.AF_INET6 {
		size, proto = 16, "tcp6"
	}
	id := b[4:] // struct inet_diag_sockid: ports, then addresses of 16 bytes each
	local, _ := netip.AddrFromSlice(id[4 : 4+size])
	remote, _ := netip.AddrFromSlice(id[20 : 20+size])
	s = sandbox.Socket{
		Proto:  proto,
		Local:  netip.AddrPortFrom(local, binary.BigEndian.Uint16(id)).String(),
		Remote: netip.AddrPortFrom(remote, binary.BigEndian.Uint16(id[2:])).String(),
		State:  tcpState(b[1]),
		Inode:  uint64(binary.NativeEndian.Uint32(b[68:])),
	}
	return s, nil
}

// tcpStates are the names that ss(8) and netstat(8) use, by the kernel's number.
var tcpStates = [...]string{
	"", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN",
	"CLOSING",
}

func tcpState(n byte) string {
	if int(n) < len(tcpStates) {
		return tcpStates[n]
	}
	return ""
}
