package truth

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"podlab/sandbox"
)

// row is what the host's /proc says of a socket.
type row struct {
	proto, local, remote, state string
	container                   string
	pids                        []int // the node's
}

var (
	group  = regexp.MustCompile(`/pods/([^/\n]+)/([^/\n]+)`)
	states = map[string]string{"01": "ESTABLISHED", "0A": "LISTEN"}
)

// againstHost compares what is seen in containers with the host's /proc: the same sockets, and no others.
func againstHost(t *testing.T, init int, seen map[uint64]sandbox.Socket, claims []*claim) (wrong []string) {
	t.Helper()
	rows := hostSockets(t, init)
	for inode, r := range rows {
		got := seen[inode]
		differs := got.Proto != r.proto || got.Local != r.local || got.Container != r.container || !slices.Equal(got.PIDs, r.pids)
		if differs || r.state != "" && got.State != r.state || r.remote != "" && got.Remote != r.remote {
			wrong = append(wrong, fmt.Sprintf("the host's %d %+v: %+v", inode, r, got))
		}
	}
	for inode, sock := range seen {
		_, there := rows[inode]
		nameless := slices.ContainsFunc(claims, func(c *claim) bool { return c.inode == inode && strings.HasPrefix(c.network, "unix") && c.local == "-" })
		if sock.Container != "" && !there && !nameless {
			wrong = append(wrong, fmt.Sprintf("the host knows of no %+v", sock))
		}
	}
	return wrong
}

// hostSockets reads what the processes of a node's containers have open, by inode: TCP, UDP, and Unix sockets that have a name.
func hostSockets(t *testing.T, init int) map[uint64]row {
	t.Helper()
	depth := len(statusField(init, "NSpid"))
	holders := map[uint64]*row{}
	networks := map[string]int{}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		host, _ := strconv.Atoi(filepath.Base(dir))
		numbers := statusField(host, "NSpid")
		b, _ := os.ReadFile(filepath.Join(dir, "cgroup"))
		in := group.FindStringSubmatch(string(b))
		if len(numbers) < depth || in == nil || !below(host, init) {
			continue
		}
		pid, _ := strconv.Atoi(numbers[depth-1])
		network, _ := os.Readlink(filepath.Join(dir, "ns/net"))
		networks[network] = host
		for _, inode := range openSockets(dir) {
			if holders[inode] == nil {
				holders[inode] = &row{container: in[1] + "/" + in[2]}
			}
			if r := holders[inode]; !slices.Contains(r.pids, pid) {
				r.pids = append(r.pids, pid)
			}
		}
	}
	rows := map[uint64]row{}
	for _, host := range networks {
		for inode, r := range tables(t, host) {
			if held := holders[inode]; held != nil {
				slices.Sort(held.pids)
				r.container, r.pids = held.container, held.pids
				rows[inode] = r
			}
		}
	}
	return rows
}

// below: the host's process is in the pid namespace of the node, or in one below it.
func below(host, init int) bool {
	for ; host > 1; host = parent(host) {
		if host == init {
			return true
		}
	}
	return false
}

func parent(host int) int {
	field := statusField(host, "PPid")
	if len(field) == 0 {
		return 0
	}
	pid, _ := strconv.Atoi(field[0])
	return pid
}

func statusField(host int, key string) []string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", host)) // it may have ended
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			return strings.Fields(rest)
		}
	}
	return nil
}

func openSockets(dir string) (inodes []uint64) {
	fds, _ := filepath.Glob(dir + "/fd/*")
	for _, fd := range fds {
		var inode uint64
		if link, _ := os.Readlink(fd); strings.HasPrefix(link, "socket:[") {
			if _, err := fmt.Sscanf(link, "socket:[%d]", &inode); err == nil {
				inodes = append(inodes, inode)
			}
		}
	}
	return inodes
}

// tables reads the sockets of a process's network.
func tables(t *testing.T, host int) map[uint64]row {
	t.Helper()
	rows := map[uint64]row{}
	each := func(proto string, fn func(words []string)) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", host, proto))
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
			if i > 0 {
				fn(strings.Fields(line))
			}
		}
	}
	for _, proto := range []string{"tcp", "tcp6", "udp", "udp6"} {
		each(proto, func(words []string) {
			inode, _ := strconv.ParseUint(words[9], 10, 64)
			r := row{proto: proto, local: address(t, words[1]), remote: address(t, words[2]), state: states[words[3]]}
			if strings.HasPrefix(proto, "udp") && words[3] == "07" {
				r.state = "UNCONN"
			}
			rows[inode] = r
		})
	}
	each("unix", func(words []string) {
		if len(words) < 8 {
			return // no name
		}
		inode, _ := strconv.ParseUint(words[6], 10, 64)
		r := row{proto: "unix", local: words[7]}
		if words[3] == "00010000" {
			r.state = "LISTEN"
		}
		rows[inode] = r
	})
	return rows
}

// address reads the kernel's hexadecimal ADDRESS:PORT, the address in words of four bytes, the last byte of each first.
func address(t *testing.T, text string) string {
	t.Helper()
	ip, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(ip)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(b); i += 4 {
		slices.Reverse(b[i : i+4])
	}
	addr, _ := netip.AddrFromSlice(b)
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(addr, uint16(n)).String()
}
