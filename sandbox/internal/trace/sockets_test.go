package trace

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// runSockets opens and closes UDP and Unix sockets in the directory that it is given, one after the other.
func runSockets(dir string) {
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	check(err)
	client, err := net.Dial("udp4", server.LocalAddr().String())
	check(err)
	check(client.Close())
	check(server.Close())

	stream, err := net.Listen("unix", filepath.Join(dir, "stream"))
	check(err)
	conn, err := net.Dial("unix", filepath.Join(dir, "stream"))
	check(err)
	accepted, err := stream.Accept()
	check(err)
	check(accepted.Close())
	check(conn.Close())
	check(stream.Close())

	datagrams, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "@" + filepath.Base(dir)})
	check(err)
	sender, err := net.Dial("unixgram", "@"+filepath.Base(dir))
	check(err)
	check(sender.Close())
	check(datagrams.Close())

	// What was told neither way: a pair, an address of nobody's choice, a datagram without one.
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	check(err)
	check(unix.Close(pair[0]))
	check(unix.Close(pair[1]))

	// Open in the child as well, which ends later, and holds it until then.
	kept, err := net.ListenPacket("udp4", "127.0.0.1:0")
	check(err)
	file, err := kept.(*net.UDPConn).File()
	check(err)
	_, err = os.StartProcess("/bin/sleep", []string{"sleep", "0.2"}, &os.ProcAttr{Files: []*os.File{nil, nil, nil, file}})
	check(err)
	check(file.Close())
	check(kept.Close())
}

// runFlood opens and closes sockets as fast as it can, and runs 20 programs meanwhile.
func runFlood(rounds string) {
	n, err := strconv.Atoi(rounds)
	if err != nil {
		panic(err)
	}
	for i := range n {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			panic(err)
		}
		if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Close(fd)); err != nil {
			panic(err)
		}
		if i%(n/20) == 0 {
			if err := exec.Command("true").Run(); err != nil {
				panic(err)
			}
		}
	}
}

func TestEBPFTellsSockets(t *testing.T) {
	needRoot(t)
	tr, got := listen(t, KindEBPF)
	if untold := tr.Untold(); slices.Contains(untold, sandbox.UntoldSockets) {
		t.Fatalf("this kernel's tracer cannot tell of %v: %v", untold, tr.partial())
	}
	node := newPIDNS(t)
	must(t, tr.Add(node.inode, node.pid))
	dir := t.TempDir()
	node.run(t, "/proc/self/exe\tsockets\t"+dir+"\n")
	all := got.until(t, node.inode, func(all []sandbox.Moment) bool { return len(ofKind(all, sandbox.MomentClose)) >= 8 })
	here := namespaceOf(t, "net")
	var story []string
	ports := map[string]string{}
	for _, m := range ofKind(all, sandbox.MomentBind, sandbox.MomentListen, sandbox.MomentConnect, sandbox.MomentAccept, sandbox.MomentClose) {
		if m.PID < 2 || m.PIDInside != m.PID || m.PIDNS != node.inode || m.Thread || m.Params["net"] != here {
			t.Errorf("%+v", m)
		}
		end := func(key string) string {
			s := m.Params[key]
			if strings.HasPrefix(s, "127.0.0.1:") {
				if ports[s] == "" {
					ports[s] = fmt.Sprintf("port%d", len(ports))
				}
				s = ports[s]
			}
			return strings.ReplaceAll(strings.ReplaceAll(s, dir, "DIR"), filepath.Base(dir), "NAME")
		}
		kind := strings.TrimSpace(m.Kind + " " + strings.ToLower(m.Reason))
		story = append(story, fmt.Sprintf("%s %s %s %s>%s", m.Name, kind, m.Params["proto"], end("local"), end("remote")))
	}
	want := []string{
		"exe bind udp port0>", "exe connect udp port1>port0", "exe close udp port1>port0", "exe close udp port0>",
		"exe listen unix DIR/stream>", "exe connect unix >DIR/stream", "exe accept unix DIR/stream>",
		"exe close accepted unix DIR/stream>", "exe close unix >DIR/stream", "exe close unix DIR/stream>",
		"exe bind unix @NAME>", "exe connect unix >@NAME", "exe close unix >@NAME", "exe close unix @NAME>",
		"exe bind udp port2>", "sleep close udp port2>",
	}
	if !slices.Equal(story, want) {
		t.Errorf("%s", strings.Join(story, "\n"))
	}
}

// A program that opens sockets without end loses its own, and is told how many; forks, execs and exits beside it are all told.
func TestFloodOfSockets(t *testing.T) {
	needRoot(t)
	tr, got := listen(t, KindEBPF)
	node := newPIDNS(t)
	must(t, tr.Add(node.inode, node.pid))
	const rounds = 20_000
	node.run(t, fmt.Sprintf("/proc/self/exe\tflood\t%d\n", rounds))
	opened := func(all []sandbox.Moment) (n int) { return len(ofKind(all, sandbox.MomentBind, sandbox.MomentClose)) }
	all := got.until(t, node.inode, func(all []sandbox.Moment) bool {
		return ends("true", 20)(all) && opened(all)+got.missing(node.inode) >= 2*rounds
	})
	byKind := map[string]int{}
	for _, m := range all {
		if m.Name == "true" && !m.Thread {
			byKind[m.Kind]++
		}
	}
	if want := map[string]int{sandbox.MomentExec: 20, sandbox.MomentExit: 20}; !maps.Equal(byKind, want) {
		t.Errorf("of 20 programs: %v", byKind)
	}
	t.Logf("%d told, %d lost", opened(all), got.missing(node.inode))
	if got.missing(node.inode) == 0 {
		t.Error("nothing was lost")
	}
}

// aloneOnTheHost ends a benchmark beside another tracer, whose programs would be measured as what there is without one.
func aloneOnTheHost(b *testing.B) {
	b.Helper()
	for id := ebpf.ProgramID(0); ; {
		next, err := ebpf.ProgramGetNextID(id)
		if errors.Is(err, os.ErrNotExist) {
			return
		}
		must(b, err)
		id = next
		program, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue // it has gone
		}
		info, err := program.Info()
		must(b, errors.Join(err, program.Close()))
		if strings.HasPrefix(info.Name, "podlab_") {
			b.Fatalf("another tracer is at work: program %d, %s", id, info.Name)
		}
	}
}

// BenchmarkEBPFCalls measures what a system call of the host takes, of a process that is on no node: without a tracer, with one that does
// not tell of UDP and Unix sockets, and with one that does.
func BenchmarkEBPFCalls(b *testing.B) {
	needRoot(b)
	aloneOnTheHost(b)
	var st unix.Stat_t
	calls := map[string]func(){
		"getpid":    func() { _, _, _ = unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0) },
		"close":     func() { _, _, _ = unix.RawSyscall(unix.SYS_CLOSE, 1<<20, 0, 0) },
		"stat":      func() { _ = unix.Stat("/", &st) }, // the kernel frees something: the path
		"openclose": func() { fd, _ := unix.Open("/", unix.O_RDONLY|unix.O_CLOEXEC, 0); _ = unix.Close(fd) },
		"socket":    func() { fd, _ := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); _ = unix.Close(fd) },
	}
	at, err := kernelOffsets()
	must(b, err)
	without := at
	without.noSockets = errors.New("not asked for")
	for name, call := range calls {
		for _, tracer := range []struct {
			name string
			at   *offsets
		}{{"none", nil}, {"without", &without}, {"sockets", &at}} {
			b.Run(name+"/"+tracer.name, func(b *testing.B) {
				if tracer.at != nil {
					source, err := openKernel(*tracer.at, limitsFor(50))
					must(b, err)
					defer func() { must(b, source.close()) }()
				}
				const run = 1000
				least := time.Hour // of many short runs: the machine is never idle
				for b.Loop() {
					begin := time.Now()
					for range run {
						call()
					}
					least = min(least, time.Since(begin))
				}
				b.ReportMetric(float64(least)/run, "least-ns/call")
			})
		}
	}
}
