package observe

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"

	"podlab/sandbox"
)

// parseUDP reads /proc/PID/net/udp or udp6 (proc_pid_net(5)); proto is the file's name.
func parseUDP(b []byte, proto string, limit int) (all []sandbox.Socket, more bool) {
	first := true
	for line := range bytes.Lines(b) {
		if first { // column titles
			first = false
			continue
		}
		words := bytes.Fields(line)
		if len(words) < 10 {
			continue
		}
		local, ok := parseHexAddr(words[1])
		remote, ok2 := parseHexAddr(words[2])
		if !ok || !ok2 {
			continue
		}
		if len(all) == limit {
			return all, true
		}
		state := "UNCONN" // as ss(8) says; the kernel shows 07, TCP_CLOSE
		if string(words[3]) == "01" {
			state = "ESTABLISHED"
		}
		all = append(all, sandbox.Socket{Proto: proto, Local: local, Remote: remote, State: state, Inode: number(words[9])})
	}
	return all, false
}

// parseHexAddr reads ADDRESS:PORT as the kernel prints it: the address in words of 32 bits in the machine's byte order.
func parseHexAddr(b []byte) (string, bool) {
	host, port, ok := bytes.Cut(b, []byte{':'})
	raw := make([]byte, hex.DecodedLen(len(host)))
	if _, err := hex.Decode(raw, host); err != nil || !ok || len(raw)%4 != 0 {
		return "", false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	addr, ok := netip.AddrFromSlice(raw)
	p, err := strconv.ParseUint(string(port), 16, 16)
	if !ok || err != nil {
		return "", false
	}
	return netip.AddrPortFrom(addr, uint16(p)).String(), true
}
