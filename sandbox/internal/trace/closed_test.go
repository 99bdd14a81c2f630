package trace

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// closers are the programs that let the sockets of runClosings go, by what each socket is called.
var closers = map[string]string{
	"close": "exe", "twice": "exe", "dup3": "exe", "range": "exe", "message": "exe", "reading": "exe", "high": "exe",
	"dup2": "perl", "exec": "true", "exit": "sh", "killed": "cat",
}

// runClosings lets go of a socket in each way that there is, one after the other.
func runClosings(name string) {
	open := func(way string) int {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		check(errors.Join(err, unix.Bind(fd, &unix.SockaddrUnix{Name: "@" + name + way})))
		return fd
	}
	null, err := os.Open(os.DevNull)
	check(err)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	check(err)

	check(unix.Close(open("close")))
	check(unix.Dup3(int(null.Fd()), open("dup3"), unix.O_CLOEXEC))
	fd := open("range")
	check(unix.CloseRange(uint(fd), uint(fd), 0))

	fd = open("twice")
	other, err := unix.Dup(fd)
	check(errors.Join(err, unix.Close(fd), unix.Close(other)))

	fd = open("message") // that nobody receives
	check(unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(fd), nil, 0))
	check(errors.Join(unix.Close(fd), unix.Close(pair[0]), unix.Close(pair[1])))

	closeWhileRead(open("reading"))
	for _, way := range [][]string{
		{"dup2", "perl", "-MPOSIX", "-e", `<STDIN>; POSIX::dup2(0, 3); exec "true"`},
		{"exec", "/proc/self/exe", "exec"},
		{"exit", "sh", "-c", "read line"},
	} {
		bequeath(open(way[0]), way[1:]...)
	}
	bequeath(open("killed"), "cat")

	fd = open("high") // held until the end, beyond the first word of the table of open descriptors
	check(errors.Join(unix.Dup3(fd, 200, unix.O_CLOEXEC), unix.Close(fd)))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// closeWhileRead closes a socket while another thread is in a call with it: that thread lets it go.
func closeWhileRead(fd int) {
	check(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 500_000}))
	thread, done := make(chan string), make(chan error)
	go func() {
		runtime.LockOSThread()
		self, err := os.Readlink("/proc/thread-self")
		check(err)
		thread <- self
		_, err = unix.Read(fd, make([]byte, 1))
		done <- err
	}()
	now := filepath.Join("/proc", <-thread, "syscall") // proc_pid_syscall(5)
	for reads := strconv.Itoa(unix.SYS_READ) + " "; ; time.Sleep(time.Millisecond) {
		b, err := os.ReadFile(now)
		check(err)
		if strings.HasPrefix(string(b), reads) {
			break
		}
	}
	check(unix.Close(fd))
	if err := <-done; !errors.Is(err, unix.EAGAIN) {
		panic(err)
	}
}

// bequeath leaves a socket to a program, as its descriptor 3. Its input ends when nobody else has the socket any more; cat is killed instead,
// once it has answered: a process that is killed in its execve may end without having executed anything.
func bequeath(fd int, argv ...string) {
	file := os.NewFile(uintptr(fd), "socket")
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.ExtraFiles = []*os.File{file}
	in, err := cmd.StdinPipe()
	check(err)
	out, err := cmd.StdoutPipe()
	check(err)
	check(errors.Join(cmd.Start(), file.Close()))
	if argv[0] == "cat" {
		_, err := in.Write([]byte{'\n'})
		_, err2 := out.Read(make([]byte, 1))
		check(errors.Join(err, err2, cmd.Process.Kill()))
	}
	check(in.Close())
	_ = cmd.Wait()
}

// runExec executes a program to which it does not leave its descriptor 3.
func runExec() {
	_, _ = os.Stdin.Read(make([]byte, 1))
	unix.CloseOnExec(3)
	path, err := exec.LookPath("true")
	check(err)
	check(syscall.Exec(path, []string{"true"}, nil))
}

// Whatever lets a socket go, its end is told once, of whoever it was.
func TestEBPFTellsEveryEndOfASocket(t *testing.T) {
	needRoot(t)
	tr, got := listen(t, KindEBPF)
	node := newPIDNS(t)
	must(t, tr.Add(node.inode, node.pid))
	name := filepath.Base(t.TempDir()) + strconv.Itoa(os.Getpid())
	node.run(t, "/proc/self/exe\tclosings\t"+name+"\ntrue\n")
	all := got.until(t, node.inode, ends("true", 3)) // two of them in its course
	here := namespaceOf(t, "net")
	story, comms := map[string][]string{}, map[int]string{}
	for _, m := range all {
		if m.Kind == sandbox.MomentExec {
			comms[m.PID] = m.Name
		}
		way, ok := strings.CutPrefix(m.Params["local"], "@"+name)
		if !ok {
			continue
		}
		story[way] = append(story[way], m.Kind+" "+m.Name)
		right := comms[m.PID] == closers[way] && !m.Thread && m.PIDNS == node.inode && m.PIDInside == m.PID && m.Params["net"] == here
		if m.Kind == sandbox.MomentClose && !right {
			t.Errorf("%s, of %s: %+v", way, comms[m.PID], m)
		}
	}
	for way, comm := range closers {
		if want := []string{"bind exe", "close " + comm}; !slices.Equal(story[way], want) {
			t.Errorf("%s: %q, want %q", way, story[way], want)
		}
	}
	if len(story) != len(closers) {
		t.Errorf("%q", slices.Collect(maps.Keys(story)))
	}
}

// runRefused tries to connect where that fails, as TestEBPFTellsFailedConnects expects it.
func runRefused(dir string) {
	socket := func(family, kind int) int {
		fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
		check(err)
		return fd
	}
	path := func(name string) *unix.SockaddrUnix { return &unix.SockaddrUnix{Name: filepath.Join(dir, name)} }
	fails := func(want error, fd int, addr unix.Sockaddr) {
		if err := unix.Connect(fd, addr); !errors.Is(err, want) {
			panic(fmt.Sprintf("%+v: %v, want %v", addr, err, want))
		}
	}
	left := socket(unix.AF_UNIX, unix.SOCK_STREAM) // a server has ended: its path is there
	check(errors.Join(unix.Bind(left, path("left")), unix.Close(left)))
	full := socket(unix.AF_UNIX, unix.SOCK_STREAM)
	check(errors.Join(unix.Bind(full, path("full")), unix.Listen(full, 0)))
	client := socket(unix.AF_UNIX, unix.SOCK_STREAM)
	fails(unix.ECONNREFUSED, client, path("left"))
	fails(unix.ENOENT, client, path("nowhere"))
	fails(unix.ECONNREFUSED, client, &unix.SockaddrUnix{Name: "@" + filepath.Base(dir)})
	datagrams := socket(unix.AF_UNIX, unix.SOCK_DGRAM)
	check(unix.Bind(datagrams, path("own")))
	fails(unix.EPROTOTYPE, datagrams, path("full"))
	check(unix.Connect(client, path("full"))) // it fits, though it was refused before
	fails(unix.EAGAIN, socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK), path("full"))
	fails(unix.EINVAL, socket(unix.AF_UNIX, unix.SOCK_STREAM), &unix.SockaddrInet4{Port: 9})
	fails(unix.EACCES, socket(unix.AF_INET, unix.SOCK_DGRAM), &unix.SockaddrInet4{Addr: [4]byte{127, 255, 255, 255}, Port: 9}) // of all
	fails(unix.EINVAL, socket(unix.AF_INET6, unix.SOCK_DGRAM), &unix.SockaddrInet6{Addr: [16]byte{0xff, 2, 15: 1}, Port: 9})   // by no device
}

// A connect that fails is told with its error, and with the address that was asked for.
func TestEBPFTellsFailedConnects(t *testing.T) {
	needRoot(t)
	tr, got := listen(t, KindEBPF)
	node := newPIDNS(t)
	must(t, tr.Add(node.inode, node.pid))
	dir := t.TempDir()
	node.run(t, "/proc/self/exe\trefused\t"+dir+"\ntrue\n")
	var story []string
	for _, m := range ofKind(got.until(t, node.inode, ends("true", 1)), sandbox.MomentConnect) {
		if m.Name != "exe" || m.PID < 2 || m.PIDInside != m.PID || m.PIDNS != node.inode || m.Thread || m.Params["net"] != namespaceOf(t, "net") {
			t.Errorf("%+v", m)
		}
		line := fmt.Sprintf("%s %s>%s %s %s", m.Params["proto"], m.Params["local"], m.Params["remote"], m.Reason, m.Params["error"])
		if m.Params["proto"] == "udp" {
			line = strings.Replace(line, m.Params["local"], "", 1) // a port of nobody's choice
		}
		story = append(story, strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(line, dir, "DIR"), filepath.Base(dir), "NAME")))
	}
	want := []string{
		"unix >DIR/left Failed ECONNREFUSED", "unix >DIR/nowhere Failed ENOENT", "unix >@NAME Failed ECONNREFUSED",
		"unix DIR/own>DIR/full Failed EPROTOTYPE", "unix >DIR/full", "unix >DIR/full Failed EAGAIN", "unix > Failed EINVAL",
		"udp >127.255.255.255:9 Failed EACCES", "udp >[ff02::1]:9 Failed EINVAL",
	}
	if !slices.Equal(story, want) {
		t.Errorf("%s", strings.Join(story, "\n"))
	}
}

// runUnsent tries TCP connections in a network of its own that fail without anything sent, and some that fail otherwise.
func runUnsent() {
	check(unix.Unshare(unix.CLONE_NEWNET))
	connect := func(want error, family int, addr unix.Sockaddr) int {
		fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		check(err)
		if err := unix.Connect(fd, addr); !errors.Is(err, want) {
			panic(fmt.Sprintf("%+v: %v, want %v", addr, err, want))
		}
		return fd
	}
	local := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 1024}
	connect(unix.ENETUNREACH, unix.AF_INET, &unix.SockaddrInet4{Addr: [4]byte{10, 9, 9, 9}, Port: 80})
	check(exec.Command("ip", "link", "set", "lo", "up").Run())
	connect(unix.ENETUNREACH, unix.AF_INET6, &unix.SockaddrInet6{Addr: [16]byte{0x20, 1, 0xd, 0xb8, 15: 1}, Port: 80})
	check(os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("40000 40001"), 0))
	refused := connect(unix.ECONNREFUSED, unix.AF_INET, local)
	check(unix.Close(refused))
	later, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	check(err)
	if err := unix.Connect(later, local); !errors.Is(err, unix.EINPROGRESS) && !errors.Is(err, unix.ECONNREFUSED) {
		panic(err)
	}
	check(unix.Close(later))
	server, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	check(errors.Join(err, unix.Bind(server, local), unix.Listen(server, 5)))
	connect(nil, unix.AF_INET, local)
	connect(nil, unix.AF_INET, local)
	connect(unix.EADDRNOTAVAIL, unix.AF_INET, local) // no port is left
}

// A TCP connection that fails before anything is sent is told once, with its error, and so is one that is refused.
func TestEBPFTellsUnsentConnects(t *testing.T) {
	needRoot(t)
	tr, got := listen(t, KindEBPF)
	node, other := newPIDNS(t), newPIDNS(t)
	must(t, tr.Add(node.inode, node.pid))
	must(t, tr.Add(other.inode, other.pid))
	node.run(t, "/proc/self/exe\tunsent\ntrue\n")
	var story []string
	for _, m := range ofKind(got.until(t, node.inode, ends("true", 1)), sandbox.MomentConnect) {
		if m.Name != "exe" || m.PID < 2 || m.PIDInside != m.PID || m.PIDNS != node.inode || m.Thread || m.Params["proto"] != "tcp" || m.Params["net"] == "" {
			t.Errorf("%+v", m)
		}
		story = append(story, strings.TrimSpace(m.Params["remote"]+" "+m.Reason+" "+m.Params["error"]))
	}
	want := []string{
		"10.9.9.9:80 Failed ENETUNREACH", "[2001:db8::1]:80 Failed ENETUNREACH", "127.0.0.1:1024 Failed ECONNREFUSED",
		"127.0.0.1:1024 Failed ECONNREFUSED", "127.0.0.1:1024", "127.0.0.1:1024", "127.0.0.1:1024 Failed EADDRNOTAVAIL",
	}
	if !slices.Equal(story, want) {
		t.Errorf("%s", strings.Join(story, "\n"))
	}
	other.run(t, "true\n")
	if n := len(ofKind(got.until(t, other.inode, ends("true", 1)), sandbox.MomentConnect)); n > 0 {
		t.Errorf("%d are told of another node", n)
	}
}

// An accepted Unix connection whose other end is on another node, or on none, is told of neither when it is made nor when it is closed.
func TestEBPFTellsNoStrangersConnections(t *testing.T) {
	needRoot(t)
	tr, got := listen(t, KindEBPF)
	node, other := newPIDNS(t), newPIDNS(t)
	must(t, tr.Add(node.inode, node.pid))
	must(t, tr.Add(other.inode, other.pid))
	dir := t.TempDir()
	node.starts(t, "/proc/self/exe\taccept\t"+dir+"\ntrue\n")
	got.until(t, node.inode, func(all []sandbox.Moment) bool { return len(ofKind(all, sandbox.MomentListen)) == 1 })
	conn, err := net.Dial("unix", filepath.Join(dir, "door")) // of the host
	must(t, err)
	must(t, conn.Close())
	other.run(t, "/proc/self/exe\tknock\t"+dir+"\n")
	node.says(t, isDone)
	all := got.until(t, node.inode, ends("true", 1))
	if accepts, closes := ofKind(all, sandbox.MomentAccept), ofKind(all, sandbox.MomentClose); len(accepts) != 0 || len(closes) != 1 {
		t.Errorf("accepted %+v, closed %+v, and its own socket is one", accepts, closes)
	}
}

// runAccept takes two connections, one after the other, and ends each when its client has.
func runAccept(dir string) {
	l, err := net.Listen("unix", filepath.Join(dir, "door"))
	check(err)
	for range 2 {
		conn, err := l.Accept()
		check(err)
		_, _ = conn.Read(make([]byte, 1))
		check(conn.Close())
	}
	check(l.Close())
}

func runKnock(dir string) {
	conn, err := net.Dial("unix", filepath.Join(dir, "door"))
	check(err)
	check(conn.Close())
}

// runHold opens as many sockets as it is told, with as many programs as that takes, and holds them until the file is at its end: Unix sockets
// with a name, or TCP sockets that listen.
func runHold(proto, sockets, until string) {
	const each = 4000 // descriptors that a process may have anywhere
	n, err := strconv.Atoi(sockets)
	check(err)
	check(unix.Unshare(unix.CLONE_NEWNET)) // where all ports are free
	for i := range min(n, each) {
		if proto == "tcp" {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			check(errors.Join(err, unix.Bind(fd, &unix.SockaddrInet4{Port: 1024 + i}), unix.Listen(fd, 1)))
			continue
		}
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		check(errors.Join(err, unix.Bind(fd, &unix.SockaddrUnix{}))) // the kernel gives it a name
	}
	if n > each {
		check(exec.Command("/proc/self/exe", "hold", proto, strconv.Itoa(n-each), until).Run())
		return
	}
	_, err = os.ReadFile(until)
	check(err)
}

// What a node holds costs it ends of its own sockets, which are counted, and none of another node's.
func TestHeldSocketsAreTheNodesOwn(t *testing.T) {
	needRoot(t)
	for _, c := range []struct {
		proto, begin string
		held         int
	}{
		{"unix", sandbox.MomentBind, toldEach + 1000},
		{"tcp", sandbox.MomentListen, ownersEach/2 + 1000}, // each is kept by its port, too
	} {
		t.Run(c.proto, func(t *testing.T) { heldSocketsAreTheNodesOwn(t, c.proto, c.begin, c.held) })
	}
}

func heldSocketsAreTheNodesOwn(t *testing.T, proto, begin string, held int) {
	tr, got := listen(t, KindEBPF)
	quiet, greedy := newPIDNS(t), newPIDNS(t)
	must(t, tr.Add(quiet.inode, quiet.pid))
	must(t, tr.Add(greedy.inode, greedy.pid))
	gate := filepath.Join(t.TempDir(), "gate")
	must(t, unix.Mkfifo(gate, 0o600))
	quiet.starts(t, "/proc/self/exe\thold\t"+proto+"\t1\t"+gate+"\n")
	got.until(t, quiet.inode, func(all []sandbox.Moment) bool { return len(ofKind(all, begin)) == 1 })

	greedy.run(t, fmt.Sprintf("/proc/self/exe\thold\t%s\t%d\t/dev/null\n", proto, held))
	must(t, os.WriteFile(gate, nil, 0))
	quiet.says(t, isDone)
	got.until(t, quiet.inode, func(all []sandbox.Moment) bool { return len(ofKind(all, sandbox.MomentClose)) == 1 })
	got.until(t, greedy.inode, func(all []sandbox.Moment) bool {
		return len(ofKind(all, begin, sandbox.MomentClose))+got.missing(greedy.inode) >= 2*held
	})
}

// As many nodes as a daemon may have, each of which holds all it can, cost a quiet one nothing.
func TestManyNodesHoldSockets(t *testing.T) {
	needRoot(t)
	for _, c := range []struct {
		proto, begin string
		held         int
	}{{"unix", sandbox.MomentBind, toldEach}, {"tcp", sandbox.MomentListen, ownersEach / 2}} {
		t.Run(c.proto, func(t *testing.T) {
			tr, got := listen(t, KindEBPF)
			dir := t.TempDir()
			holds := func(n int, gate string) *pidns {
				node := newPIDNS(t)
				must(t, tr.Add(node.inode, node.pid))
				must(t, unix.Mkfifo(gate, 0o600))
				node.starts(t, fmt.Sprintf("/proc/self/exe\thold\t%s\t%d\t%s\n", c.proto, n, gate))
				got.until(t, node.inode, func(all []sandbox.Moment) bool { return len(ofKind(all, c.begin))+got.missing(node.inode) >= n })
				return node
			}
			gate := filepath.Join(dir, "quiet")
			quiet := holds(1, gate)
			for i := range mostNodes - 1 {
				holds(c.held, filepath.Join(dir, strconv.Itoa(i))) // until the test ends
			}
			must(t, os.WriteFile(gate, nil, 0))
			quiet.says(t, isDone)
			got.until(t, quiet.inode, func(all []sandbox.Moment) bool { return len(ofKind(all, sandbox.MomentClose)) == 1 })
		})
	}
}
