package walls

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// What SECURITY.md says is not walled, measured: how much one learner's node gets of it, and that it is all back with the node's end.

// moreStrangers asks for the link address of one more host that is not there; the first call makes a network of 16 million of them.
func moreStrangers(i int) error {
	if i == 0 {
		if err := strangersCard(); err != nil {
			return err
		}
	}
	return ask(fmt.Sprintf("11.%d.%d.%d", i>>16&0xff, i>>8&0xff, i&0xff))
}

// moreNeighbours asks for one on the node's own bridge.
func moreNeighbours(i int) error { return ask(fmt.Sprintf("10.88.0.%d", 100+i)) }

// moreBuffers fills a connection that nobody reads, up to a megabyte.
func moreBuffers(int) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return err
	}
	unread, err := listener.Accept()
	if err != nil {
		return err
	}
	kept = append(kept, conn, unread)
	if err := conn.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		return err
	}
	_, _ = conn.Write(make([]byte, 8<<20)) // until the kernel takes no more
	return nil
}

var kept []net.Conn

// moreSeccomp gives one more thread as many filters of system calls as one may have, of the longest kind.
func moreSeccomp(int) error {
	const longest, filters = 4096, 7
	failed := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			failed <- err
			return
		}
		program := make([]unix.SockFilter, longest)
		for i := range program {
			program[i] = unix.SockFilter{Code: unix.BPF_LD | unix.BPF_IMM, K: uint32(i)}
		}
		program[longest-1] = unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0x7fff0000} // SECCOMP_RET_ALLOW
		for range filters {
			set := unix.SockFprog{Len: longest, Filter: &program[0]}
			if _, _, e := unix.RawSyscall(unix.SYS_SECCOMP, 1, 0, uintptr(unsafe.Pointer(&set))); e != 0 { // SECCOMP_SET_MODE_FILTER
				failed <- e
				return
			}
		}
		failed <- nil
		select {}
	}()
	return <-failed
}

// strangersCard makes a card with a network of 16 million addresses behind it.
func strangersCard() error {
	for _, line := range []string{"link add far type veth peer name off", "addr add 11.255.255.1/8 dev far", "link set far up", "link set off up"} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", line, err, out)
		}
	}
	return nil
}

// ask sends a datagram, for which the kernel needs a link address. It says that there is no room for that only to who wants to hear errors (ip(7)).
func ask(host string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1); err != nil {
		return err
	}
	return unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrInet4{Port: 9, Addr: netip.MustParseAddr(host).As4()})
}

// TestSharedNeighbours: the table of link addresses is one for all nodes (arp(7)). Who may make a network fills it; the neighbour then finds no new
// address, and finds them again when the node is gone.
func TestSharedNeighbours(t *testing.T) {
	d := sandboxtest.Start(t)
	neighbour := d.Agent(d.Node(t, sandbox.NodeSpec{ID: "neighbour"}))
	smuggle(t, neighbour, "")
	hog := occupied(t, d)
	took := held(t, hog, "hold", "strangers", "20000") // from a node shell; a privileged pod has as much
	found := func() string {
		return strings.TrimSpace(run(t, neighbour, "", attacker, "hold", "neighbours", "8", "and go"))
	}
	t.Logf("the attacker asked for %s; the neighbour at once: %s", took, found())
	destroyAllBut(t, d, "neighbour")
	began := time.Now()
	for got := found(); !strings.HasPrefix(got, "8 "); got = found() {
		if time.Since(began) > sandboxtest.Within(10*time.Second) {
			t.Fatalf("the node is gone, and the neighbour finds only %s", got)
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("all again %v after the node's end", time.Since(began))
}

// TestSharedBuffers: on cgroup v1 the buffers of connections are charged to nobody, and bounded by what the whole host has for them.
func TestSharedBuffers(t *testing.T) {
	d := sandboxtest.Start(t)
	hog := d.Agent(d.Node(t, sandbox.NodeSpec{ID: "hog"}))
	smuggle(t, hog, "")
	before := bufferPages(t)
	took := held(t, hog, "hold", "buffers", "400")
	during := bufferPages(t)
	t.Logf("the attacker: %s connections, %d MiB", took, (during-before)/256)
	most := strings.Fields(read(t, "/proc/sys/net/ipv4/tcp_mem"))[2] // pages, for all namespaces
	if limit := atoi(t, most); during > limit+limit/10 {
		t.Errorf("%d pages of buffers, and the host has a limit of %d", during, limit)
	}
	if err := d.Destroy(t.Context(), "hog"); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(sandboxtest.Within(5 * time.Second)); bufferPages(t) > before+(during-before)/10; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the node is gone, and %d pages of its %d are not back", bufferPages(t)-before, during-before)
		}
	}
}

// TestSharedFilters: memory for translated filters of system calls (net.core.bpf_jit_limit) is the host's. One node gets so much, bounded by its
// threads; the neighbour still gets its own.
func TestSharedFilters(t *testing.T) {
	d := sandboxtest.Start(t)
	neighbour := d.Agent(d.Node(t, sandbox.NodeSpec{ID: "neighbour"}))
	smuggle(t, neighbour, "")
	hog := d.Agent(d.Node(t, sandbox.NodeSpec{ID: "hog"}))
	smuggle(t, hog, "")
	before := filterBytes(t)
	took := held(t, hog, "hold", "seccomp", "440") // the rest of 512 is the agent's, the shell's
	share := filterBytes(t) - before
	limit := atoi(t, strings.TrimSpace(read(t, "/proc/sys/net/core/bpf_jit_limit")))
	t.Logf("the attacker: %s threads, %d MiB of the host's %d", took, share>>20, limit>>20)
	if share >= limit {
		t.Errorf("one node holds all of the host's %d bytes for filters", limit)
	}
	if left := strings.TrimSpace(run(t, neighbour, "", attacker, "hold", "seccomp", "8", "and go")); !strings.HasPrefix(left, "8 ") {
		t.Errorf("the attacker has %s, and the neighbour gets %s", took, left)
	}
	reset(t, d, "hog")
}

// destroyAllBut destroys all nodes but one.
func destroyAllBut(t *testing.T, d *sandboxtest.Daemon, id string) {
	t.Helper()
	nodes, err := d.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		if n.Spec.ID != id {
			if err := d.Destroy(t.Context(), n.Spec.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// bufferPages are the pages that TCP's buffers have on the whole host (Documentation/networking/proc_net_tcp.rst, sockstat).
func bufferPages(t *testing.T) int {
	t.Helper()
	found := regexp.MustCompile(`(?m)^TCP: .* mem (\d+)`).FindStringSubmatch(read(t, "/proc/net/sockstat"))
	if found == nil {
		t.Fatal("the kernel does not say what TCP's buffers have")
	}
	return atoi(t, found[1])
}

// filterBytes are those of translated BPF programs on the whole host: packs of them, and the ones too large for a pack.
func filterBytes(t *testing.T) (all int) {
	t.Helper()
	for line := range strings.Lines(read(t, "/proc/vmallocinfo")) {
		if fields := strings.Fields(line); len(fields) > 2 && (strings.HasPrefix(fields[2], "bpf_prog_pack_alloc") || strings.HasPrefix(fields[2], "bpf_jit_")) {
			all += atoi(t, fields[1])
		}
	}
	if all == 0 { // there is one at least: this test's own node's
		t.Fatal("the kernel does not say what translated programs have")
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func atoi(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
