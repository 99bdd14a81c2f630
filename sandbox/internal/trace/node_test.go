package trace

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// The test program is also the PID 1 of the pid namespaces it makes, when this is set: it runs the script that comes on its
// standard input, one command a line, its arguments parted by tabs.
const asInit = "PODLAB_TRACE_TEST_INIT"

// What it says: when it waits for its script, and when that is worked off.
const (
	isReady = "ready\n"
	isDone  = "done\n"
)

func TestMain(m *testing.M) {
	if os.Getenv(asInit) != "" {
		runAsInit()
		return
	}
	os.Exit(m.Run())
}

func runAsInit() {
	if len(os.Args) > 1 {
		runThreads(os.Args[1])
		return
	}
	fmt.Print(isReady) // its own exec is over
	script, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(script)) {
		args := strings.Split(strings.TrimSpace(line), "\t")
		for range count(&args) {
			cmd := exec.Command(args[0], args[1:]...)
			_ = cmd.Run() // how it ended is what the tracer shall tell
		}
	}
	fmt.Print(isDone)
	_, _ = io.Copy(io.Discard, os.NewFile(3, "hold")) // until the test lets go
}

// runThreads is what the script may call: a program with threads, and with "leader" one whose first thread ends before the last.
func runThreads(how string) {
	switch how {
	case "tcp":
		runTCP()
		return
	case "subreaper":
		runSubreaper()
		return
	case "sockets":
		runSockets(os.Args[2])
		return
	case "closings":
		runClosings(os.Args[2])
		return
	case "exec":
		runExec()
		return
	case "refused":
		runRefused(os.Args[2])
		return
	case "accept":
		runAccept(os.Args[2])
		return
	case "knock":
		runKnock(os.Args[2])
		return
	case "unsent":
		runUnsent()
		return
	case "flood":
		runFlood(os.Args[2])
		return
	case "hold":
		runHold(os.Args[2], os.Args[3], os.Args[4])
		return
	case "leader":
	default:
		return
	}
	go func() {
		time.Sleep(300 * time.Millisecond)
		os.Exit(7)
	}()
	_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT, 0, 0, 0) // the thread, not the process
}

func init() { runtime.LockOSThread() } // main stays on the first thread, for runThreads

// count takes a leading "N*" from the arguments.
func count(args *[]string) int {
	if n, ok := strings.CutSuffix((*args)[0], "*"); ok {
		*args = (*args)[1:]
		v, err := strconv.Atoi(n)
		if err != nil {
			panic(err)
		}
		return v
	}
	return 1
}

// pidns is a process in a new pid namespace that waits for a script.
type pidns struct {
	inode uint64
	pid   int
	in    io.WriteCloser
	out   io.Reader
}

// newPIDNS starts one; flags are further namespaces.
func newPIDNS(t testing.TB) *pidns {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	// The race detector would let each of the programs below wait a second at its end.
	cmd.Env = append(os.Environ(), asInit+"=1", "GOMAXPROCS=2", "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	holdR, holdW, err := os.Pipe()
	must(t, err)
	cmd.ExtraFiles = []*os.File{holdR}
	must(t, cmd.Start())
	holdR.Close()
	t.Cleanup(func() {
		in.Close()
		holdW.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", cmd.Process.Pid))
	must(t, err)
	var inode uint64
	_, err = fmt.Sscanf(link, "pid:[%d]", &inode)
	must(t, err)
	p := &pidns{inode: inode, pid: cmd.Process.Pid, in: in, out: out}
	p.says(t, isReady)
	return p
}

// says waits for a word of PID 1.
func (p *pidns) says(t testing.TB, word string) {
	t.Helper()
	answer := make([]byte, len(word))
	if _, err := io.ReadFull(p.out, answer); err != nil || string(answer) != word {
		t.Fatalf("PID 1 says %q (%v), want %q", answer, err, word)
	}
}

// run gives the script to PID 1 and waits until it was worked off.
func (p *pidns) run(t testing.TB, script string) {
	t.Helper()
	p.starts(t, script)
	p.says(t, isDone)
}

func (p *pidns) starts(t testing.TB, script string) {
	t.Helper()
	_, err := io.WriteString(p.in, script)
	must(t, err)
	must(t, p.in.Close())
}

// told is what a tracer told.
type told struct {
	mu      sync.Mutex
	moments map[uint64][]sandbox.Moment
	lost    map[uint64]uint64
}

// mostNodes is for how many nodes the tracers of tests have room.
const mostNodes = 40

// listen opens a tracer of a kind and collects what it tells until the test ends.
func listen(t testing.TB, kind string) (*Tracer, *told) {
	t.Helper()
	tr, err := OpenKind(context.Background(), kind, mostNodes)
	must(t, err)
	return collect(t, tr)
}

func collect(t testing.TB, tr *Tracer) (*Tracer, *told) {
	t.Helper()
	got := &told{moments: map[uint64][]sandbox.Moment{}, lost: map[uint64]uint64{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- tr.Run(ctx, got.sink()) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	return tr, got
}

func (g *told) sink() Sink {
	return Sink{
		Moment: func(node uint64, m sandbox.Moment) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.moments[node] = append(g.moments[node], m)
		},
		Lost: func(node, n uint64) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.lost[node] += n
		},
	}
}

func (g *told) missing(node uint64) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return int(g.lost[node])
}

// until waits until the node's moments satisfy the condition and returns them.
func (g *told) until(t testing.TB, node uint64, ok func([]sandbox.Moment) bool) []sandbox.Moment {
	t.Helper()
	for end := time.Now().Add(sandboxtest.Within(10 * time.Second)); ; time.Sleep(5 * time.Millisecond) {
		g.mu.Lock()
		all := append([]sandbox.Moment(nil), g.moments[node]...)
		lost := g.lost[node]
		g.mu.Unlock()
		if ok(all) {
			return all
		}
		if time.Now().After(end) {
			for _, m := range all[max(0, len(all)-40):] {
				t.Logf("%+v", m)
			}
			t.Fatalf("not told within 10 s; %d moments, %d lost", len(all), lost)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// namespaceOf is the inode of a namespace of the test itself, which the pid namespaces of tests share.
func namespaceOf(t testing.TB, kind string) string {
	t.Helper()
	link, err := os.Readlink("/proc/self/ns/" + kind)
	must(t, err)
	return strings.Trim(link[len(kind)+1:], "[]")
}
