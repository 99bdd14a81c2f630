package engine

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/sandboxtest"
)

// fakeKeeper keeps descriptors in the test's own process, and waits for orphans as their subreaper.
type fakeKeeper struct {
	mu    sync.Mutex
	files map[string][]*os.File
}

func newKeeper() *fakeKeeper { return &fakeKeeper{files: map[string][]*os.File{}} }

func duplicate(f *os.File) *os.File {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	unix.SetNonblock(int(f.Fd()), true) // File.Fd made it blocking
	return os.NewFile(uintptr(fd), f.Name())
}

func (k *fakeKeeper) Keep(key string, files ...*os.File) error {
	k.Drop(key)
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, f := range files {
		k.files[key] = append(k.files[key], duplicate(f))
	}
	return nil
}

func (k *fakeKeeper) Drop(key string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	closeAll(k.files[key])
	delete(k.files, key)
	return nil
}

func (k *fakeKeeper) Kept(prefix string) (map[string][]*os.File, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := map[string][]*os.File{}
	for key, files := range k.files {
		for _, f := range files {
			if strings.HasPrefix(key, prefix) {
				out[key] = append(out[key], duplicate(f))
			}
		}
	}
	return out, nil
}

func (k *fakeKeeper) WaitOrphan(ctx context.Context, pid int, start uint64) (status syscall.WaitStatus, err error) {
	for ctx.Err() == nil {
		got, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
		if err != nil {
			return 0, fs.ErrNotExist
		}
		if got == pid {
			return status, nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	return 0, ctx.Err()
}

// bench is an engine under test with what it said.
type bench struct {
	*Engine
	t      testing.TB
	keeper *fakeKeeper

	mu      sync.Mutex
	moments []sandbox.Moment
}

func testConfig(t testing.TB) Config {
	images, err := image.Open("/var/lib/podlab/images")
	if err != nil {
		t.Fatal(err)
	}
	return Config{Images: images, BackOff: 50 * time.Millisecond, Second: 50 * time.Millisecond, Measure: 100 * time.Millisecond}
}

func open(t testing.TB) *bench {
	needRoot(t)
	return openWith(t, testConfig(t))
}

func openWith(t testing.TB, config Config) *bench {
	b := &bench{t: t, keeper: newKeeper()}
	e, err := Open(config, b.keeper, b.note)
	if err != nil {
		t.Fatal(err)
	}
	b.Engine = e
	t.Cleanup(b.finish)
	return b
}

func (b *bench) note(m sandbox.Moment) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moments = append(b.moments, m)
}

// finish deletes what the test left and checks that nothing stays behind.
func (b *bench) finish() {
	for _, v := range b.views() {
		if err := b.Delete(context.Background(), v.record.Object.Ref, 0); err != nil && sandbox.CodeOf(err) != sandbox.CodeNotFound {
			b.t.Errorf("delete %v: %v", v.record.Object.Ref, err)
		}
	}
	for _, kind := range []string{sandbox.ManifestConfigMap, sandbox.ManifestSecret} {
		for _, object := range b.getData(sandbox.Ref{Kind: kind}) {
			_, head, err := decodeData(kind, object)
			if err == nil {
				err = b.Delete(context.Background(), sandbox.Ref{Kind: kind, Name: head.Metadata.Name}, 0)
			}
			if err != nil {
				b.t.Error(err)
			}
		}
	}
	b.Close()
	for _, pattern := range []string{"/run/podlab/agent/engine/*/*", "/var/lib/podlab/disk/*/*", group("*", "pods/*") + "/", group("*", "containers/*") + "/"} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			b.t.Errorf("left behind: %v", left)
		}
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for _, line := range strings.Split(string(mounts), "\n") {
		if strings.Contains(line, "/var/lib/podlab/disk/") {
			b.t.Errorf("left mounted: %s", line)
		}
	}
	links, _ := os.ReadDir("/sys/class/net")
	for _, l := range links {
		if strings.HasPrefix(l.Name(), "veth") {
			b.t.Errorf("left: %s", l.Name())
		}
	}
	if len(b.keeper.files) > 0 {
		b.t.Errorf("left with node init: %v", b.keeper.files)
	}
}

func (b *bench) apply(manifest string) sandbox.Applied {
	b.t.Helper()
	applied, err := b.Apply(context.Background(), []byte(manifest))
	if err != nil {
		b.t.Fatalf("apply: %v", err)
	}
	return applied
}

// pod is a manifest of a pod with the given rest of its spec and containers as JSON.
func pod(name, spec string, containers ...string) string {
	if spec != "" {
		spec += ","
	}
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q},"spec":{%s"containers":[%s]}}`, name, spec, strings.Join(containers, ","))
}

// sh is a container that runs a shell script.
func sh(name, script string, more ...string) string {
	fields := append([]string{fmt.Sprintf(`"name":%q,"image":"busybox","command":["sh","-c",%q]`, name, script)}, more...)
	return "{" + strings.Join(fields, ",") + "}"
}

func plain(name, spec string) string {
	return fmt.Sprintf(`{"apiVersion":"podlab/v1","kind":"Container","metadata":{"name":%q},"spec":{%s}}`, name, spec)
}

const idle = `trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done`

// until waits for a container to be as wanted.
func (b *bench) until(id, what string, want func(Subject) bool) Subject {
	b.t.Helper()
	deadline := time.Now().Add(sandboxtest.Within(10 * time.Second))
	for {
		_, s, ok := b.find(id)
		if ok && want(s) {
			return s
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%s is not %s: %+v\n%v", id, what, s, b.moments)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func isRunning(s Subject) bool { return s.State == sandbox.StateRunning }

func (b *bench) running(id string) Subject {
	b.t.Helper()
	return b.until(id, "running", isRunning)
}

// run executes a command in a container and returns its output and exit.
func (b *bench) run(id string, argv ...string) (string, sandbox.Exit) {
	b.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Close()
	running, err := b.Exec(context.Background(), id, Process{Argv: argv, Stdout: w, Stderr: w})
	w.Close()
	if err != nil {
		b.t.Fatalf("exec %v: %v", argv, err)
	}
	var out bytes.Buffer
	out.ReadFrom(r)
	exit, err := running.Wait()
	if err != nil {
		b.t.Fatal(err)
	}
	return strings.TrimSpace(out.String()), exit
}

// ns is the inode of a process's namespace.
func ns(t testing.TB, pid int, kind string) string {
	t.Helper()
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func (b *bench) reasons() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var words []string
	for _, m := range b.moments {
		words = append(words, m.Reason)
	}
	return strings.Join(words, " ")
}

func (b *bench) pod(name string) sandbox.Pod {
	b.t.Helper()
	for _, p := range b.State().Pods {
		if p.Metadata.Name == name {
			return p
		}
	}
	b.t.Fatalf("no pod %s", name)
	return sandbox.Pod{}
}

func TestPodSharesNamespaces(t *testing.T) {
	b := open(t)
	b.apply(pod("demo", "", sh("web", idle), sh("logger", idle)))
	web, logger := b.running("demo/web"), b.running("demo/logger")
	infra := b.running("demo/_infra")
	for _, kind := range []string{"net", "ipc", "uts"} {
		if ns(t, web.PID, kind) != ns(t, infra.PID, kind) || ns(t, logger.PID, kind) != ns(t, infra.PID, kind) {
			t.Errorf("%s namespace is not shared", kind)
		}
		if ns(t, web.PID, kind) == ns(t, os.Getpid(), kind) {
			t.Errorf("%s namespace is the node's", kind)
		}
	}
	for _, kind := range []string{"pid", "mnt", "cgroup"} {
		if ns(t, web.PID, kind) == ns(t, logger.PID, kind) {
			t.Errorf("%s namespace is shared", kind)
		}
	}
	if got, _ := b.run("demo/web", "hostname"); got != "demo" {
		t.Errorf("hostname is %q", got)
	}
	ip := b.pod("demo").Status.PodIP
	if got, _ := b.run("demo/logger", "ip", "-4", "addr", "show", "eth0"); !strings.Contains(got, ip+"/24") {
		t.Errorf("address %s is not in %s", ip, got)
	}
	if got, _ := b.run("demo/web", "ip", "-6", "addr", "show", "eth0"); got != "" {
		t.Errorf("IPv6: %s", got)
	}
	if _, exit := b.run("demo/web", "ping", "-c1", "-W1", "10.88.0.1"); exit.Code != 0 {
		t.Error("the bridge cannot be reached")
	}
}
