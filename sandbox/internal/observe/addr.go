package observe

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// parseAddr reads the payload of RTM_NEWADDR: the interface's index and its address as CIDR.
func parseAddr(b []byte) (index int, cidr string, err error) {
	if len(b) < unix.SizeofIfAddrmsg {
		return 0, "", errFormat
	}
	index = int(binary.NativeEndian.Uint32(b[4:]))
	var addr, local netip.Addr
	eachAttribute(b[unix.SizeofIfAddrmsg:], func(kind uint16, value []byte) {
		switch kind {
		case unix.IFA_ADDRESS:
			addr = attrAddr(value)
		case unix.IFA_LOCAL: // on a point-to-point link IFA_ADDRESS is the other end's
			local = attrAddr(value)
		}
	})
	if local.IsValid() {
		addr = local
	}
	if !addr.IsValid() {
		return 0, "", errFormat
	}
	return index, netip.PrefixFrom(addr, int(b[1])).String(), nil
}
