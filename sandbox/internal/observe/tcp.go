package observe

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// connection asks a socket that a process holds open for its addresses and state, over a duplicate of the descriptor
// (pidfd_getfd(2)) that lives for these few calls. It is false for what is not a TCP connection.
func connection(pid int, held heldSocket) (s sandbox.Socket, ok bool) {
	fd, err := duplicate(pid, held.fd)
	if err != nil {
		return s, false
	}
	defer unix.Close(fd)
	// The process may have another file under that number by now.
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Ino != held.inode || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return s, false
	}
	protocol, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err != nil || protocol != unix.IPPROTO_TCP {
		return s, false
	}
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return s, false
	}
	local, err := unix.Getsockname(fd)
	if err != nil {
		return s, false
	}
	s.Proto, s.Local = address(local)
	if s.Proto == "" {
		return s, false
	}
	if remote, err := unix.Getpeername(fd); err == nil {
		_, s.Remote = address(remote)
	}
	s.State, s.Inode = tcpState(info.State), held.inode
	s.RXBytes, s.TXBytes = int64(info.Bytes_received), int64(info.Bytes_sent-info.Bytes_retrans)
	s.RXPackets, s.TXPackets = int64(info.Segs_in), int64(info.Segs_out)
	return s, s.Remote != "" || s.State != "CLOSE" // a socket that was only made
}

func duplicate(pid, fd int) (int, error) {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(pidfd)
	return unix.PidfdGetfd(pidfd, fd, 0)
}

func address(a unix.Sockaddr) (proto, text string) {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return "tcp", netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
	case *unix.SockaddrInet6:
		return "tcp6", netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)).String()
	}
	return "", ""
}
