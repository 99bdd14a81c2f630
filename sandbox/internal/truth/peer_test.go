package truth

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// A peer is this test's program in a container: it opens sockets as it is told, a line for each, and answers with what it knows of them.

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "drop" {
		drop()
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "peer" {
		if err := obey(); err != nil {
			fmt.Println("peer:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func obey() error {
	fmt.Println("ready", os.Getpid())
	var open []any
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if act := acts[words[0]]; act != nil {
			answer, err := act(words[1:], open)
			if err != nil {
				return fmt.Errorf("%v: %w", words, err)
			}
			fmt.Println(answer)
			continue
		}
		socket, err := do(words, open)
		if err != nil {
			return fmt.Errorf("%v: %w", words, err)
		}
		if socket == nil {
			fmt.Println("done")
			continue
		}
		open = append(open, socket)
		answer, err := describe(socket)
		if err != nil {
			return err
		}
		fmt.Println(answer)
	}
	return lines.Err()
}

// acts are what answers with a word of its own.
var acts = map[string]func(args []string, open []any) (any, error){
	"fork":   func(args []string, open []any) (any, error) { return fork(open[number(args[0])]) },
	"end":    func(args []string, open []any) (any, error) { return end(open[number(args[0])], args[1]) },
	"refuse": func(args []string, _ []any) (any, error) { return refuse(args[0], args[1]) },
}

func number(word string) int {
	n, err := strconv.Atoi(word)
	if err != nil {
		panic(err)
	}
	return n
}

// do opens a socket, or uses one that is open, by its number.
func do(words []string, open []any) (any, error) {
	switch words[0] {
	case "listen":
		return net.Listen(words[1], words[2])
	case "packets":
		return net.ListenPacket(words[1], words[2])
	case "dial":
		return net.Dial(words[1], words[2])
	case "accept":
		return open[number(words[1])].(net.Listener).Accept()
	case "send":
		_, err := open[number(words[1])].(net.Conn).Write(make([]byte, number(words[2])))
		return nil, err
	case "take":
		_, err := io.CopyN(io.Discard, open[number(words[1])].(net.Conn), int64(number(words[2])))
		return nil, err
	}
	return nil, errors.New("unknown")
}

// fork starts a child that has the socket open too, for as long as the container lives.
func fork(socket any) (pid int, err error) {
	file, err := socket.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		return 0, err
	}
	defer file.Close()
	cmd := exec.Command("sleep", "100000")
	cmd.ExtraFiles = []*os.File{file}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	return cmd.Process.Pid, nil
}

// ways are how a process may let a socket go.
var ways = []string{"close", "dup3", "range", "message", "exec"}

// end lets a socket go. It returns the process that is the last to have it.
func end(socket any, way string) (pid int, err error) {
	raw, err := socket.(syscall.Conn).SyscallConn()
	if err != nil {
		return 0, err
	}
	if way == "exec" {
		return endByExec(socket)
	}
	err = errors.Join(raw.Control(func(fd uintptr) { err = endHere(int(fd), way) }), err)
	return os.Getpid(), err
}

// endHere closes a descriptor behind the Go runtime's back: who has it does nothing with it any more.
func endHere(fd int, way string) error {
	switch way {
	case "close":
		return unix.Close(fd)
	case "dup3":
		null, err := os.Open(os.DevNull)
		if err != nil {
			return err
		}
		defer null.Close()
		return unix.Dup3(int(null.Fd()), fd, unix.O_CLOEXEC)
	case "range":
		return unix.CloseRange(uint(fd), uint(fd), 0) //nolint:gosec // a descriptor
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	err = unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(fd), nil, 0) // that nobody receives
	return errors.Join(err, unix.Close(fd), unix.Close(pair[0]), unix.Close(pair[1]))
}

// endByExec leaves a socket to a child, which executes another program without it.
func endByExec(socket any) (pid int, err error) {
	file, err := socket.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command("/proc/self/exe", "drop")
	cmd.ExtraFiles = []*os.File{file}
	in, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	if l, ok := socket.(*net.UnixListener); ok {
		l.SetUnlinkOnClose(false)
	}
	err = errors.Join(cmd.Start(), file.Close(), socket.(io.Closer).Close(), in.Close())
	return cmd.Process.Pid, errors.Join(err, cmd.Wait())
}

// drop is that child.
func drop() {
	_, _ = os.Stdin.Read(make([]byte, 1)) // ends when the parent has closed the socket
	unix.CloseOnExec(3)
	panic(syscall.Exec("/bin/true", []string{"true"}, nil))
}

// refuse tries to connect where that fails. It returns the name of the error.
func refuse(network, address string) (string, error) {
	conn, err := net.Dial(network, address)
	if err == nil {
		return "", errors.Join(errors.New("is connected"), conn.Close())
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return "", err
	}
	return unix.ErrnoName(errno), nil
}

// describe asks the kernel for a socket's inode and its two names, "-" for none.
func describe(socket any) (string, error) {
	raw, err := socket.(syscall.Conn).SyscallConn()
	if err != nil {
		return "", err
	}
	var st unix.Stat_t
	var asked error
	if err := raw.Control(func(fd uintptr) { asked = unix.Fstat(int(fd), &st) }); err != nil || asked != nil {
		return "", errors.Join(err, asked)
	}
	name := func(a net.Addr) string {
		if a == nil || a.String() == "" || a.String() == "@" {
			return "-"
		}
		return a.String()
	}
	local, remote := "-", "-"
	switch s := socket.(type) {
	case net.Listener:
		local = name(s.Addr())
	case net.Conn:
		local, remote = name(s.LocalAddr()), name(s.RemoteAddr())
	}
	return fmt.Sprintf("%d %s %s", st.Ino, local, remote), nil
}

// peer is the test's side.
type peer struct {
	t         *testing.T
	in        io.Writer
	out       *bufio.Reader
	container string
	pid       int // in its own pid namespace
	opened    int
}

// claim is a socket as the process that opened it knows it.
type claim struct {
	by            *peer
	number        int // among what its peer opened
	kind          string
	network       string // of package net
	inode         uint64
	local, remote string
	heir          int    // a child that has it open too, in its own pid namespace
	other         uint64 // inode of the other end
	client        *peer  // who is there, of a connection that was accepted
	sent          int64  // bytes to the other end
	ended         bool   // who opened it has let it go
}

func (c claim) String() string {
	return fmt.Sprintf("%s (%d): %s %s %s > %s, inode %d, other %d", c.by.container, c.by.pid, c.kind, c.network, c.local, c.remote, c.inode, c.other)
}

// startPeer runs the program in a container until the test ends.
func startPeer(ctx context.Context, t *testing.T, agent sandbox.Agent, container string) *peer {
	t.Helper()
	in, keys := io.Pipe()
	answers, out := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := agent.Exec(ctx, sandbox.ExecSpec{Container: container, Argv: []string{"/peer/peer", "peer"}}, sandbox.Streams{In: in, Out: out, Err: out})
		out.CloseWithError(errors.Join(io.EOF, err))
	}()
	t.Cleanup(func() { _ = keys.Close(); _ = answers.Close(); <-done })
	p := &peer{t: t, in: keys, out: bufio.NewReader(answers), container: container}
	if _, err := fmt.Sscanf(p.line(), "ready %d", &p.pid); err != nil {
		t.Fatal(container, err)
	}
	return p
}

func (p *peer) line() string {
	p.t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil || strings.HasPrefix(line, "peer:") {
		p.t.Fatalf("%s: %q %v", p.container, line, err)
	}
	return strings.TrimSpace(line)
}

func (p *peer) says(format string, args ...any) string {
	p.t.Helper()
	if _, err := fmt.Fprintf(p.in, format+"\n", args...); err != nil {
		p.t.Fatal(p.container, err)
	}
	return p.line()
}

// opens gives a command that opens a socket.
func (p *peer) opens(kind, network, to string) *claim {
	p.t.Helper()
	c := &claim{by: p, number: p.opened, kind: kind, network: network}
	p.opened++
	if _, err := fmt.Sscan(p.says("%s %s %s", kind, network, to), &c.inode, &c.local, &c.remote); err != nil {
		p.t.Fatal(p.container, err)
	}
	return c
}

// accepts takes a connection at what listens, and pairs it with who made it.
func (c *claim) accepts(client *claim) *claim {
	c.by.t.Helper()
	far := c.by.opens("accept", strconv.Itoa(c.number), "")
	far.network, far.other, far.client, client.other = c.network, client.inode, client.by, far.inode
	return far
}

// bequeaths lets a child of the peer have the socket as well.
func (c *claim) bequeaths() {
	c.by.t.Helper()
	c.heir = number(c.by.says("fork %d", c.number))
}
