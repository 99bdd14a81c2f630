package observe

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/sandboxtest"
)

// The tests of innode_test.go, and the benchmarks, run in a node of their own: this program again, as PID 1 of new pid, mount,
// network, IPC and UTS namespaces with its own /proc. TestNode and TestMeasure start it. With asMember set the program is a
// container's process in that node.
const (
	asNode   = "PODLAB_OBSERVE_TEST_NODE"
	asMember = "PODLAB_OBSERVE_TEST_MEMBER"
)

const nodeFlags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(asMember) != "":
		member(os.Getenv(asMember))
	case os.Getenv(asNode) != "":
		if err := becomeNode(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	default:
		os.Exit(m.Run())
	}
}

func becomeNode() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Getuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("needs root")
	}
	t.Skip("needs root")
}

// needNode fails outside of the node: benchmarks are run by TestMeasure.
func needNode(b *testing.B) {
	b.Helper()
	if os.Getenv(asNode) == "" {
		b.Skip("measured by TestMeasure")
	}
}

// inNode runs this program again as a node, with arguments for package testing.
func inNode(t *testing.T, args ...string) string {
	t.Helper()
	needRoot(t)
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), asNode+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: nodeFlags, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func TestNode(t *testing.T) {
	if os.Getenv(asNode) == "" {
		t.Log(inNode(t, "-test.run=^TestNode$", "-test.v", "-test.timeout=60s"))
		return
	}
	t.Run("processes", inNodeProcesses)
	t.Run("exec", inNodeExec)
	t.Run("network", inNodeNetwork)
	t.Run("owners", inNodeOwners)
	t.Run("ipc", inNodeIPC)
	t.Run("volumes", inNodeVolumes)
	t.Run("stat stays in root", inNodeStatStaysInRoot)
	t.Run("bounds", inNodeBounds)
}

// TestMeasure prints how long a snapshot of 20 processes in 3 network namespaces takes.
func TestMeasure(t *testing.T) {
	t.Log(inNode(t, "-test.run=^$", "-test.bench=.", "-test.benchtime=300x", "-test.benchmem"))
}

// startMember starts a process of the test's node that does what one of the cases of member says, in namespaces of its own.
func startMember(t testing.TB, role string, flags uintptr) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "member")
	cmd.Env = append(os.Environ(), asMember+"="+role, "GOMAXPROCS=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	// Pdeathsig is of the thread that starts it.
	runtime.LockOSThread()
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		runtime.UnlockOSThread()
	})
	ready := make([]byte, 5)
	_, err = io.ReadFull(out, ready)
	must(t, err)
	return cmd
}

// member is one process; it says "ready" when it has what it shall have, and stays until it is killed.
func member(role string) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if role == "peer" {
		if err := obey(); err != nil {
			fmt.Fprintln(os.Stderr, role, err)
			os.Exit(1)
		}
		return
	}
	if err := prepare(ctx, role); err != nil {
		fmt.Fprintln(os.Stderr, role, err)
		os.Exit(1)
	}
	fmt.Println("ready")
	<-ctx.Done()
}

func prepare(ctx context.Context, role string) error {
	if role != "idle" {
		if lo, err := netlink.LinkByName("lo"); err != nil || netlink.LinkSetUp(lo) != nil {
			return fmt.Errorf("loopback: %w", err)
		}
	}
	switch role {
	case "server":
		return serve(ctx)
	case "segment":
		for _, get := range [][4]uintptr{
			{unix.SYS_SHMGET, 0x1234, 8192, unix.IPC_CREAT | 0o600},
			{unix.SYS_MSGGET, 0x1235, unix.IPC_CREAT | 0o600},
			{unix.SYS_SEMGET, 0x1236, 2, unix.IPC_CREAT | 0o600},
		} {
			if _, _, errno := syscall.Syscall(get[0], get[1], get[2], get[3]); errno != 0 {
				return errno
			}
		}
	case "zombie":
		return exec.Command("true").Start() // and never waits
	}
	return nil
}

// serve listens, and has a connection to itself open at both ends.
func serve(context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		return err
	}
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	server, err := l.Accept()
	if err != nil {
		return err
	}
	u, err := net.Listen("unix", "@podlab\nforged")
	if err != nil {
		return err
	}
	d, err := net.ListenPacket("udp6", "[::1]:5353")
	if err != nil {
		return err
	}
	open = append(open, l, client, server, u, d)
	return nil
}

// open keeps the garbage collector from closing what serve opened.
var open []io.Closer

// veth joins the node with the network namespace of a process.
func veth(t testing.TB, name string, pid int) {
	t.Helper()
	must(t, netlink.LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: "eth0", PeerNamespace: netlink.NsPid(pid),
	}))
	link, err := netlink.LinkByName(name)
	must(t, err)
	must(t, netlink.LinkSetUp(link))
}

// newObserver observes the node that the test runs in.
func newObserver(t testing.TB) *Observer {
	return &Observer{Life: "test", Proc: "/proc", Cgroup: "/sys/fs/cgroup", Disk: t.TempDir()}
}

// tree makes files: a name that ends with / is a directory, NAME -> TARGET a link.
func tree(t testing.TB, names ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range names {
		if link, target, ok := strings.Cut(name, " -> "); ok {
			must(t, os.Symlink(target, filepath.Join(root, link)))
			continue
		}
		if strings.HasSuffix(name, "/") {
			must(t, os.MkdirAll(filepath.Join(root, name), 0o755))
			continue
		}
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(root, name), []byte(name), 0o644))
	}
	return root
}

// soon waits for what another process does, as long as a busy machine may take.
func soon(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(sandboxtest.Within(10 * time.Second)); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never")
		}
	}
}
