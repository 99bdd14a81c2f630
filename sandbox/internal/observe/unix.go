package observe

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/text"
)

// parseUnix reads the sockets that have a name from /proc/PID/net/unix (proc_pid_net(5)).
func parseUnix(b []byte, limit int) (all []sandbox.Socket, more bool) {
	const acceptsFlag = 1 << 16 // __SO_ACCEPTCON
	first := true
	for line := range bytes.Lines(b) {
		if first { // column titles
			first = false
			continue
		}
		words, name := cutFields(bytes.TrimSuffix(line, []byte{'\n'}), 7)
		if len(name) == 0 {
			continue
		}
		if len(all) == limit {
			return all, true
		}
		flags, err := strconv.ParseUint(string(words[3]), 16, 32)
		if err != nil {
			continue
		}
		state := "UNCONN"
		switch {
		case flags&acceptsFlag != 0:
			state = "LISTEN"
		case string(words[5]) == "03":
			state = "ESTABLISHED"
		}
		all = append(all, sandbox.Socket{
			Proto: "unix", Type: unixTypes[string(words[4])], Local: text.Clean(string(name), maxName), State: state, Inode: number(words[6]),
		})
	}
	return all, false
}

// unixTypes are the kinds of Unix sockets by the kernel's number, as /proc/PID/net/unix prints it.
var unixTypes = map[string]string{"0001": "stream", "0002": "dgram", "0005": "seqpacket"}

const (
	sizeofUnixReq = 24 // struct unix_diag_req
	sizeofUnixMsg = 16 // struct unix_diag_msg
	unixDiagPeer  = 2  // UNIX_DIAG_PEER, include/uapi/linux/unix_diag.h
	unixShowPeer  = 4  // UDIAG_SHOW_PEER
	tcpEstab      = 1  // Unix sockets use TCP's states
)

// unixRequest asks for connected Unix sockets and their other ends.
func unixRequest() []byte {
	b := make([]byte, sizeofUnixReq)
	b[0] = unix.AF_UNIX
	binary.NativeEndian.PutUint32(b[4:], 1<<tcpEstab)
	binary.NativeEndian.PutUint32(b[12:], unixShowPeer)
	return b
}

// parseUnixDiag reads struct unix_diag_msg: a socket and its other end.
func parseUnixDiag(b []byte) (inode, peer uint64, ok bool) {
	if len(b) < sizeofUnixMsg {
		return 0, 0, false
	}
	eachAttribute(b[sizeofUnixMsg:], func(kind uint16, value []byte) {
		if kind == unixDiagPeer {
			peer = uint64(attr32(value)) //nolint:gosec // an inode of sockfs has 32 bits
		}
	})
	return uint64(binary.NativeEndian.Uint32(b[4:])), peer, peer != 0
}

// joinUnix notes the other ends of named sockets, and adds those of them that have no name: whoever connected. A path may lead to a
// socket of another network: it is of the file system.
func joinUnix(spaces []*space) {
	type known struct {
		sp *space
		i  int
	}
	at := map[uint64]known{}
	for _, sp := range spaces {
		for i := range sp.sockets {
			if sock := &sp.sockets[i]; sock.Proto == "unix" {
				at[sock.Inode] = known{sp, i}
				sock.Peer = sp.unix[sock.Inode]
			}
		}
	}
	for _, sp := range spaces {
		for _, inode := range slices.Sorted(maps.Keys(sp.unix)) {
			peer := sp.unix[inode]
			other, isNamed := at[peer]
			if _, itself := at[inode]; itself || !isNamed {
				continue // both ends without a name: a socketpair
			}
			named := other.sp.sockets[other.i]
			sp.sockets = append(sp.sockets, sandbox.Socket{
				Proto: "unix", Type: named.Type, Remote: named.Local, State: "ESTABLISHED", Inode: inode, Peer: peer,
			})
		}
	}
	settle(spaces)
}

// settle says of sockets for datagrams what they are themselves: a connection to one makes the kernel call both ends connected.
func settle(spaces []*space) {
	for _, sp := range spaces {
		for i := range sp.sockets {
			if sock := &sp.sockets[i]; sock.Type == "dgram" && sock.Peer == 0 {
				sock.State = "UNCONN"
			}
		}
	}
}

// cutFields takes n words off a line; rest is what follows them, which may hold spaces of its own. Both are empty when the line has
// fewer.
func cutFields(line []byte, n int) (words [][]byte, rest []byte) {
	rest = line
	for range n {
		rest = bytes.TrimLeft(rest, " ")
		end := bytes.IndexByte(rest, ' ')
		if end < 0 {
			return nil, nil
		}
		words = append(words, rest[:end])
		rest = rest[end+1:]
	}
	return words, rest
}
