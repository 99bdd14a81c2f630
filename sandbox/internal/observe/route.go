package observe

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// route is one entry of the main table; the device's name is known when all interfaces have been read.
type route struct {
	dst     string
	gateway string
	index   int
}

// parseRoute reads the payload of RTM_NEWROUTE. It is false for what is not in the main table or says nothing.
func parseRoute(b []byte) (r route, ok bool) {
	if len(b) < unix.SizeofRtMsg {
		return r, false
	}
	family, dstLen, table, kind := b[0], int(b[1]), int(b[4]), b[7]
	var dst netip.Addr
	eachAttribute(b[unix.SizeofRtMsg:], func(kind uint16, value []byte) {
		switch kind {
		case unix.RTA_DST:
			dst = attrAddr(value)
		case unix.RTA_GATEWAY:
			if a := attrAddr(value); a.IsValid() {
				r.gateway = a.String()
			}
		case unix.RTA_OIF:
			r.index = attr32(value)
		case unix.RTA_TABLE:
			table = attr32(value)
		}
	})
	if table != unix.RT_TABLE_MAIN || kind != unix.RTN_UNICAST || family != unix.AF_INET && family != unix.AF_INET6 {
		return r, false
	}
	if dst.IsLinkLocalUnicast() {
		return r, false // every interface has one
	}
	r.dst = "default"
	if dst.IsValid() && dstLen > 0 {
		r.dst = netip.PrefixFrom(dst, dstLen).String()
	}
	return r, true
}
