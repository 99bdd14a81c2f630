package observe

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// A peer is a process of a container that opens sockets as the test says, a line for each, and answers with what the kernel calls
// the socket: its inode, local and remote address. It lives in the network namespace of its pod's first process.

func init() {
	if os.Getenv(asMember) == "peer" {
		runtime.LockOSThread() // the first thread, whose namespaces are the process's for all who look
	}
}

// obey is the member's side.
func obey() error {
	fmt.Println("ready")
	var open []any
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		words := strings.Fields(in.Text())
		socket, err := do(words, open)
		if err != nil {
			return fmt.Errorf("%v: %w", words, err)
		}
		open = append(open, socket)
		answer, err := describe(socket)
		if err != nil {
			return err
		}
		fmt.Println(answer)
	}
	return in.Err()
}

// do opens a socket, or uses one that was opened, by its number.
func do(words []string, open []any) (any, error) {
	at := func(word string) any {
		var i int
		_, _ = fmt.Sscan(word, &i)
		return open[i]
	}
	switch words[0] {
	case "up":
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return nil, err
		}
		return nil, netlink.LinkSetUp(lo)
	case "join":
		return nil, join(words[1])
	case "listen":
		return net.Listen(words[1], words[2])
	case "packets":
		return net.ListenPacket(words[1], words[2])
	case "dial":
		return net.Dial(words[1], words[2])
	case "accept":
		return at(words[1]).(net.Listener).Accept()
	case "send":
		var n int
		_, _ = fmt.Sscan(words[2], &n)
		_, err := at(words[1]).(net.Conn).Write(make([]byte, n))
		return nil, err
	case "take":
		var n int64
		_, _ = fmt.Sscan(words[2], &n)
		_, err := io.CopyN(io.Discard, at(words[1]).(net.Conn), n)
		return nil, err
	}
	return nil, errors.New("unknown")
}

func join(pid string) error {
	fd, err := unix.Open("/proc/"+pid+"/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Setns(fd, unix.CLONE_NEWNET)
}

// describe asks the kernel for a socket's inode, and its owner's library for its addresses.
func describe(socket any) (string, error) {
	if socket == nil {
		return "done", nil
	}
	raw, err := socket.(syscall.Conn).SyscallConn()
	if err != nil {
		return "", err
	}
	var st unix.Stat_t
	if err := raw.Control(func(fd uintptr) { err = unix.Fstat(int(fd), &st) }); err != nil {
		return "", err
	}
	local, remote := "-", "-"
	switch s := socket.(type) {
	case net.Listener:
		local = s.Addr().String()
	case net.Conn:
		local = s.LocalAddr().String()
		if to := s.RemoteAddr(); to != nil { // packets come from everywhere
			remote = to.String()
		}
	}
	return fmt.Sprintf("%d %q %q", st.Ino, local, remote), err
}

// peer is the test's side.
type peer struct {
	t         *testing.T
	cmd       *exec.Cmd
	in        io.Writer
	out       *bufio.Reader
	container string
	opened    int
}

// owned is a socket as the process that opened it knows it.
type owned struct {
	number        int // among what its peer opened
	by            *peer
	inode         uint64
	local, remote string
}

func startPeer(t *testing.T, container string, flags uintptr) *peer {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "member")
	cmd.Env = append(os.Environ(), asMember+"=peer")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	runtime.LockOSThread() // Pdeathsig is of the thread that starts it
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		runtime.UnlockOSThread()
	})
	p := &peer{t: t, cmd: cmd, in: in, out: bufio.NewReader(out), container: container}
	if got := p.line(); got != "ready" {
		t.Fatalf("%s: %q", container, got)
	}
	return p
}

func (p *peer) line() string {
	p.t.Helper()
	line, err := p.out.ReadString('\n')
	must(p.t, err)
	return strings.TrimSpace(line)
}

// says gives a command; what it opened is described.
func (p *peer) says(format string, args ...any) owned {
	p.t.Helper()
	_, err := fmt.Fprintf(p.in, format+"\n", args...)
	must(p.t, err)
	o := owned{by: p, number: p.opened}
	p.opened++
	if answer := p.line(); answer != "done" {
		_, err = fmt.Sscanf(answer, "%d %q %q", &o.inode, &o.local, &o.remote)
		must(p.t, err)
	}
	return o
}

// inNodeOwners opens sockets at random in pods of two to five containers, and knows whose each is: the snapshot must say the same of
// every one, and of no other.
func inNodeOwners(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	var all []owned
	in := Input{InitPID: 1}
	for members := 2; members <= 5; members++ {
		pod := fmt.Sprintf("pod%d", members)
		var peers []*peer
		for i := range members {
			flags := uintptr(syscall.CLONE_NEWPID)
			if i == 0 {
				flags |= syscall.CLONE_NEWNET
			}
			p := startPeer(t, fmt.Sprintf("%s/c%d", pod, i), flags)
			if i > 0 {
				p.says("join %d", peers[0].cmd.Process.Pid)
			} else {
				p.says("up")
			}
			peers = append(peers, p)
			in.Containers = append(in.Containers, Subject{sandbox.Container{ID: p.container, Pod: pod, PID: p.cmd.Process.Pid}, ""})
		}
		all = append(all, traffic(random, peers, members)...)
	}
	s := newObserver(t).Snapshot(in)
	seen := map[uint64]sandbox.Socket{}
	for _, n := range s.Networks[1:] {
		for _, sock := range n.Sockets {
			seen[sock.Inode] = sock
		}
	}
	for _, o := range all {
		got, ok := seen[o.inode]
		delete(seen, o.inode)
		if !ok || !slices.Equal(got.PIDs, []int{o.by.cmd.Process.Pid}) {
			t.Errorf("%s opened %s → %s: %+v", o.by.container, o.local, o.remote, got)
		}
		if !strings.HasPrefix(got.Proto, "unix") && (got.Local != o.local || o.remote != "-" && got.Remote != o.remote) {
			t.Errorf("%s opened %s → %s: %+v", o.by.container, o.local, o.remote, got)
		}
	}
	for _, sock := range seen {
		t.Errorf("nobody opened %+v", sock)
	}
	checkCounted(t, &s, all)
	t.Logf("%d sockets", len(all))
}

// traffic lets every member listen and connect to members chosen at random; it returns all sockets there are.
func traffic(random *rand.Rand, peers []*peer, pod int) (all []owned) {
	for i, server := range peers {
		tcp := server.says("listen tcp4 127.0.0.1:%d", 8000+i)
		unixSock := server.says("listen unix @pod%d-c%d", pod, i)
		all = append(all, tcp, unixSock, server.says("packets udp4 127.0.0.1:%d", 9000+i))
		for range 1 + random.IntN(3) {
			client := peers[random.IntN(len(peers))]
			near := client.says("dial tcp4 127.0.0.1:%d", 8000+i)
			far := server.says("accept %d", tcp.number)
			near.by.says("send %d %d", near.number, 1000*(1+i))
			far.by.says("take %d %d", far.number, 1000*(1+i))
			all = append(all, near, far)
		}
		client := peers[random.IntN(len(peers))]
		all = append(all, client.says("dial unix @pod%d-c%d", pod, i), server.says("accept %d", unixSock.number))
	}
	return all
}

// checkCounted: what one end of a TCP connection has sent, the other has received; and both ends of a Unix connection name each other.
func checkCounted(t *testing.T, s *sandbox.Snapshot, all []owned) {
	t.Helper()
	for _, n := range s.Networks[1:] {
		byEnds, byInode := map[string]sandbox.Socket{}, map[uint64]sandbox.Socket{}
		for _, sock := range n.Sockets {
			byEnds[sock.Proto+sock.Local+">"+sock.Remote] = sock
			byInode[sock.Inode] = sock
		}
		for _, sock := range n.Sockets {
			if sock.State != "ESTABLISHED" {
				continue
			}
			other := byInode[sock.Peer]
			if sock.Proto == "tcp" {
				other = byEnds["tcp"+sock.Remote+">"+sock.Local]
				if sock.RXBytes != other.TXBytes || sock.RXBytes+sock.TXBytes < 1000 || sock.RXPackets == 0 || sock.TXPackets == 0 {
					t.Errorf("%+v and %+v", sock, other)
				}
			}
			if sock.Proto == "unix" && other.Peer != sock.Inode {
				t.Errorf("%+v and %+v", sock, other)
			}
		}
	}
	if len(all) < 2*4+3*4+4*4+5*4 {
		t.Errorf("%d sockets only", len(all))
	}
}
