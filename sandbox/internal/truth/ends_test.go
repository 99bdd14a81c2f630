package truth

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"podlab/sandbox"
)

// endSome lets peers let go of a part of their UDP and Unix sockets, each in a way chosen at random. The kernel tells of each end once, of the
// process that was the last to have it, and of none while a child has it. Nobody is there then for who connects: that is told, too. It returns
// the sockets that are left.
func endSome(t *testing.T, random *rand.Rand, told *story, s sandbox.Snapshot, claims []*claim) (left []*claim) {
	t.Helper()
	gone := map[uint64]bool{}
	for _, c := range claims {
		if strings.HasPrefix(c.network, "tcp") || c.kind == "accept" || random.IntN(2) == 0 {
			left = append(left, c)
			continue
		}
		pid := number(c.by.says("end %d %s", c.number, ways[random.IntN(len(ways))]))
		closed := key(sandbox.MomentClose, c.by.namespaces(s).PID, pid, c.params(s))
		if c.ended = true; c.heir != 0 {
			told.wanted[closed] += 0 // and no more of it than of others like it
			left = append(left, c)
			continue
		}
		gone[c.inode] = true
		told.until(t, closed)
		if c.kind != "dial" && strings.HasPrefix(c.network, "unix") {
			c.by.refused(t, told, s, c.network, c.local)
		}
	}
	return slices.DeleteFunc(left, func(c *claim) bool { // a Unix socket with neither a name nor another end is not shown
		return gone[c.other] && c.network == "unixgram"
	})
}

// refused lets a peer connect where that fails: the moment says how, as the kernel said it to the peer.
func (p *peer) refused(t *testing.T, told *story, s sandbox.Snapshot, network, address string) {
	t.Helper()
	ns := p.namespaces(s)
	told.until(t, key(sandbox.MomentConnect, ns.PID, p.pid, map[string]string{
		"proto": proto(network), "net": strconv.FormatUint(ns.Net, 10), "remote": address, "error": p.says("refuse %s %s", network, address),
	}))
}

// onlyOnce holds that nothing was told more often than it was wanted.
func (st *story) onlyOnce(t *testing.T) {
	t.Helper()
	for key, n := range st.wanted {
		if st.told[key] != n {
			t.Errorf("told %d times, not %d: %s", st.told[key], n, key)
		}
	}
}
