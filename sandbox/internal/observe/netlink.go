package observe

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// A netlink dump is asked for and read here with a handful of calls: package vishvananda/netlink reads far more than a snapshot
// needs, ten times a second.

var errNetlink = errors.New("observe: netlink answered with an error")

// netlinkSocket is a netlink socket in the network namespace of the thread that opened it.
type netlinkSocket int

func openNetlink(protocol int) (netlinkSocket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return -1, err
	}
	// The kernel answers at once; the limit is for the case that an answer is lost.
	wait := unix.NsecToTimeval(int64(time.Second))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return netlinkSocket(fd), nil
}

func (n netlinkSocket) close() { _ = unix.Close(int(n)) }

// dump asks for all objects of a kind and calls fn with the payload of each. buf is where answers are read into.
func (n netlinkSocket) dump(buf []byte, kind uint16, request []byte, fn func(payload []byte)) error {
	const header = unix.SizeofNlMsghdr
	msg := make([]byte, header, header+len(request))
	msg = append(msg, request...)
	binary.NativeEndian.PutUint32(msg[0:], uint32(len(msg)))
	binary.NativeEndian.PutUint16(msg[4:], kind)
	binary.NativeEndian.PutUint16(msg[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	if err := unix.Sendto(int(n), msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	for total := 0; total < maxNetlinkBytes; {
		got, _, err := unix.Recvfrom(int(n), buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		total += got
		if done, err := eachMessage(buf[:got], fn); done || err != nil {
			return err
		}
	}
	return errNetlink
}

// eachMessage walks one datagram; done says that the dump ends with it.
func eachMessage(b []byte, fn func(payload []byte)) (done bool, err error) {
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return true, errFormat
		}
		switch binary.NativeEndian.Uint16(b[4:]) {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			return true, errNetlink
		}
		fn(b[unix.SizeofNlMsghdr:size])
		b = b[min(align4(size), len(b)):]
	}
	return false, nil
}

// eachAttribute walks attributes (struct rtattr). The upper two bits of a type are flags (NLA_TYPE_MASK).
func eachAttribute(b []byte, fn func(kind uint16, value []byte)) {
	for len(b) >= unix.SizeofRtAttr {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofRtAttr || size > len(b) {
			return
		}
		fn(binary.NativeEndian.Uint16(b[2:])&0x3fff, b[unix.SizeofRtAttr:size])
		b = b[min(align4(size), len(b)):]
	}
}

func align4(n int) int { return (n + 3) &^ 3 }

// attr32 reads a 32-bit value, 0 when it is shorter.
func attr32(b []byte) int {
	if len(b) < 4 {
		return 0
	}
	return int(binary.NativeEndian.Uint32(b))
}

// attrText reads a string that ends with a zero.
func attrText(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// attrAddr reads an IP address.
func attrAddr(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a
}
