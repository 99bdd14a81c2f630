package observe

import (
	"encoding/binary"
	"net"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/text"
)

// link is an interface with the index of the bridge it is a port of; the bridge's name is known when all have been read.
type link struct {
	sandbox.Interface
	master int
}

// parseLink reads the payload of RTM_NEWLINK (rtnetlink(7)).
func parseLink(b []byte) (l link, err error) {
	if len(b) < unix.SizeofIfInfomsg {
		return l, errFormat
	}
	l.Index = int(int32(binary.NativeEndian.Uint32(b[4:])))
	flags := binary.NativeEndian.Uint32(b[8:])
	l.Up = flags&unix.IFF_UP != 0
	l.Kind, l.Addrs = "other", []string{}
	if flags&unix.IFF_LOOPBACK != 0 {
		l.Kind = "loopback"
	}
	eachAttribute(b[unix.SizeofIfInfomsg:], func(kind uint16, value []byte) {
		switch kind {
		case unix.IFLA_IFNAME:
			l.Name = text.Clean(attrText(value), maxShortName)
		case unix.IFLA_ADDRESS:
			l.MAC = net.HardwareAddr(value[:min(len(value), 8)]).String()
		case unix.IFLA_MTU:
			l.MTU = attr32(value)
		case unix.IFLA_LINK:
			l.Peer = attr32(value)
		case unix.IFLA_MASTER:
			l.master = attr32(value)
		case unix.IFLA_LINKINFO:
			l.setKind(value)
		case unix.IFLA_STATS64:
			l.setStats(value)
		}
	})
	if l.Kind != "veth" {
		l.Peer = 0 // IFLA_LINK of other kinds is a lower device
	}
	return l, nil
}

func (l *link) setKind(info []byte) {
	eachAttribute(info, func(kind uint16, value []byte) {
		if kind != unix.IFLA_INFO_KIND {
			return
		}
		if name := attrText(value); name == "veth" || name == "bridge" {
			l.Kind = name
		}
	})
}

// setStats reads struct rtnl_link_stats64: packets in and out, then bytes in and out.
func (l *link) setStats(b []byte) {
	if len(b) < 32 {
		return
	}
	l.RXPackets = int64(binary.NativeEndian.Uint64(b))
	l.TXPackets = int64(binary.NativeEndian.Uint64(b[8:]))
	l.RXBytes = int64(binary.NativeEndian.Uint64(b[16:]))
	l.TXBytes = int64(binary.NativeEndian.Uint64(b[24:]))
}
