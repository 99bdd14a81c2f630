// Package sandboxtest starts a real daemon on directories of its own, for tests that need real nodes.
//
//	d := sandboxtest.Start(t)
//	node := d.Node(t, sandbox.NodeSpec{ID: "one"})
//	snapshot, err := d.Agent(node).Snapshot(t.Context())
//
// The daemon and all its nodes end with the test. Programs and images are taken from PODLAB_DATA, where scripts/test puts them;
// without it they are made below PODLAB_CACHE (default /var/cache/podlab), once, and again only when their sources changed.
package sandboxtest

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/client"
)

// Root ends the test unless it runs as root: with a failure where CI is set, else as skipped.
func Root(t testing.TB) {
	t.Helper()
	if os.Getuid() == 0 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("needs root")
	}
	t.Skip("needs root")
}

// Option changes how a daemon is started.
type Option func(*Daemon)

// Args adds arguments to the daemon's command line, such as "--max-nodes", "2".
func Args(args ...string) Option { return func(d *Daemon) { d.args = append(d.args, args...) } }

// Data makes the daemon use images and programs of that directory: images/ and node/bin/.
func Data(dir string) Option { return func(d *Daemon) { d.data = dir } }

// Directories makes the daemon run on these instead of new ones: run's path is at most 70 bytes long.
func Directories(run, data string) Option { return func(d *Daemon) { d.Run, d.Data = run, data } }

// Daemon is a running daemon. Its client's methods make nodes.
type Daemon struct {
	client.Daemon
	Run  string // its directory of sockets and state
	Data string // its directory of disks; images and node/bin in it lead to the shared ones

	data, program string
	args          []string
	cmd           *exec.Cmd // nil while it is stopped
	empty         bool      // it was stopped for good, with its nodes
	stderr        *log
}

// Start starts a daemon. It ends with the test, and its nodes with it.
func Start(t testing.TB, options ...Option) *Daemon {
	t.Helper()
	Root(t)
	// Not t.TempDir: nodes' ids must reach it, and paths of sockets are at most 107 bytes.
	dir, err := os.MkdirTemp("", "podlab-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	d := &Daemon{Run: filepath.Join(dir, "run"), Data: filepath.Join(dir, "data"), stderr: &log{t: t}}
	for _, option := range options {
		option(d)
	}
	d.Socket = filepath.Join(d.Run, "sandboxd.sock")
	must(t, d.prepare())
	t.Cleanup(func() { d.end(t) })
	d.launch(t)
	return d
}

// prepare finds the programs and images and makes the data directory.
func (d *Daemon) prepare() error {
	prepared, err := Prepare(d.data == "")
	if err != nil {
		return err
	}
	d.program = filepath.Join(prepared, "bin", "podlab-sandboxd")
	if d.data == "" {
		d.data = prepared
	}
	if err := os.MkdirAll(filepath.Join(d.Data, "node"), 0o755); err != nil {
		return err
	}
	if err := os.Symlink(filepath.Join(d.data, "images"), filepath.Join(d.Data, "images")); err != nil {
		return err
	}
	return os.Symlink(filepath.Join(d.data, "node", "bin"), filepath.Join(d.Data, "node", "bin"))
}

// Within is the time that something may take on this machine: d, times PODLAB_TEST_SLOW where that is set. scripts/vm sets it in its
// guest, whose processor is emulated; everywhere else bounds are what they say.
func Within(d time.Duration) time.Duration { return d * slow() }

// AtOnce is how many things may be done at a time on this machine, where each has real seconds to keep: n, divided by what Within multiplies.
func AtOnce(n int) int { return max(1, n/int(slow())) }

var slow = sync.OnceValue(func() time.Duration {
	factor, err := strconv.Atoi(cmp.Or(os.Getenv("PODLAB_TEST_SLOW"), "1"))
	if err != nil || factor < 1 {
		panic("PODLAB_TEST_SLOW is no factor: " + os.Getenv("PODLAB_TEST_SLOW"))
	}
	return time.Duration(factor)
})

func (d *Daemon) launch(t testing.TB) {
	t.Helper()
	cmd := exec.Command(d.program, append([]string{"--run", d.Run, "--data", d.Data, "--spares", "0"}, d.args...)...)
	cmd.Stderr = d.stderr
	must(t, cmd.Start())
	d.cmd = cmd
	for deadline := time.Now().Add(Within(10 * time.Second)); ; time.Sleep(5 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second) // clean-up comes here too
		_, err := d.Info(ctx)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the daemon does not answer: %v", err)
		}
	}
}

// PID is the daemon's process, 0 while it is stopped.
func (d *Daemon) PID() int {
	if d.cmd == nil {
		return 0
	}
	return d.cmd.Process.Pid
}

// Stop ends the daemon with a signal and waits for it: SIGTERM and SIGKILL leave the nodes running, SIGINT destroys them.
func (d *Daemon) Stop(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if d.cmd == nil {
		return
	}
	must(t, d.cmd.Process.Signal(signal))
	err := d.cmd.Wait()
	d.cmd, d.empty = nil, signal == unix.SIGINT
	if signal != unix.SIGKILL && err != nil {
		t.Errorf("daemon ended: %v", err)
	}
}

// Restart starts the daemon again, after Stop.
func (d *Daemon) Restart(t testing.TB) {
	t.Helper()
	d.launch(t)
}

// end stops the daemon for good, with all its nodes.
func (d *Daemon) end(t testing.TB) {
	if d.cmd == nil && !d.empty && !t.Failed() {
		d.launch(t)
	}
	d.Stop(t, unix.SIGINT)
	d.stderr.close()
}

// Node makes a node that lives until the test ends. A spec without id gets one.
func (d *Daemon) Node(t testing.TB, spec sandbox.NodeSpec) sandbox.Node {
	t.Helper()
	if spec.ID == "" {
		spec.ID = fmt.Sprintf("n%d", time.Now().UnixNano())
	}
	node, err := d.Create(t.Context(), spec)
	must(t, err)
	return node
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Said is what the daemon, and those before it, have logged.
func (d *Daemon) Said() string {
	d.stderr.mu.Lock()
	defer d.stderr.mu.Unlock()
	return d.stderr.text.String()
}

// log keeps what the daemon says, and writes it into the test's log as long as the test runs.
type log struct {
	mu   sync.Mutex
	t    testing.TB
	text strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	if l.t != nil {
		l.t.Logf("sandboxd: %s", p)
	}
	return len(p), nil
}

func (l *log) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.t = nil
}

// repository is the module's directory.
func repository() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}
