package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/client"
	"podlab/sandbox/internal/cgroup"
	"podlab/sandbox/internal/sandboxtest"
	"podlab/sandbox/internal/settings"
)

// standIn makes a data directory with the stand-in for podlab-node and a small image, once. Where there is no Go (scripts/vm),
// PODLAB_STANDIN names the stand-in's program.
var standIn = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", standInPrefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return "", err
	}
	standInMade = dir
	return dir, makeStandIn(dir)
})

const standInPrefix = "podlab-standin-"

var standInMade string // what TestMain removes

func makeStandIn(dir string) error {
	digest := strings.Repeat("ab", 32)
	layer := filepath.Join(dir, "images", "layers", digest)
	for _, name := range []string{"bin", "etc", "root", "tmp", "proc", "sys", "dev", "run"} {
		if err := os.MkdirAll(filepath.Join(layer, name), 0o755); err != nil {
			return err
		}
	}
	index := fmt.Sprintf(`[{"name":"podlab/node","digest":"sha256:%[1]s","layers":[{"digest":"sha256:%[1]s"}],"internal":true}]`, digest)
	script := fmt.Sprintf(`set -e
cp "$(command -v busybox)" %[1]s/bin/busybox
for name in $(%[1]s/bin/busybox --list); do [ $name = busybox ] || ln -s busybox %[1]s/bin/$name; done
if [ -n "${PODLAB_STANDIN:-}" ]; then cp "$PODLAB_STANDIN" %[2]s/node/bin/podlab-node
else CGO_ENABLED=0 go build -o %[2]s/node/bin/podlab-node ./testdata/node; fi
echo '%[3]s' > %[2]s/images/index.json`, layer, dir, index)
	if err := os.MkdirAll(filepath.Join(dir, "node", "bin"), 0o755); err != nil {
		return err
	}
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return os.Chmod(dir, 0o755)
}

func TestMain(m *testing.M) {
	removeAbandoned()
	code := m.Run()
	if standInMade != "" {
		os.RemoveAll(standInMade)
	}
	os.Exit(code)
}

// removeAbandoned removes the directories of test processes that were killed: nobody else does.
func removeAbandoned() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), standInPrefix+"*"))
	for _, dir := range dirs {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), standInPrefix), "-")
		if _, err := os.Stat("/proc/" + pid); errors.Is(err, os.ErrNotExist) {
			os.RemoveAll(dir)
		}
	}
}

func start(t testing.TB, args ...string) *sandboxtest.Daemon {
	t.Helper()
	sandboxtest.Root(t)
	dir, err := standIn()
	if err != nil {
		t.Fatal(err)
	}
	return sandboxtest.Start(t, sandboxtest.Data(dir), sandboxtest.Args(args...))
}

// sh runs a command in a node and returns what it said.
func sh(t testing.TB, node sandbox.Node, script string) string {
	t.Helper()
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), sandboxtest.Within(20*time.Second))
	defer cancel()
	_, err := client.Agent{Socket: node.Socket}.Exec(ctx, sandbox.ExecSpec{Argv: []string{"/bin/sh", "-c", script + " 2>&1"}}, sandbox.Streams{Out: &out})
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return strings.TrimSpace(out.String())
}

// groupsOf are the nodes' control groups of a daemon.
func groupsOf(d *sandboxtest.Daemon) (*cgroup.Tree, error) {
	set := settings.Settings{Run: d.Run}
	return cgroup.Open(set.Groups())
}

// left lists what of nodes is on the host: groups, sockets, state, loop devices, named disks, mounts.
func left(t testing.TB, d *sandboxtest.Daemon) (found []string) {
	t.Helper()
	g, err := groupsOf(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range g.Nodes() {
		found = append(found, "group "+id)
	}
	for _, pattern := range []string{"nodes/*", "sandboxd/*", "mnt/*"} {
		names, _ := filepath.Glob(filepath.Join(d.Run, pattern))
		found = append(found, names...)
	}
	backing, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, path := range backing {
		if file, err := os.ReadFile(path); err == nil && strings.HasPrefix(string(file), d.Data) {
			found = append(found, path)
		}
	}
	disks, _ := filepath.Glob(filepath.Join(d.Data, "nodes", "*"))
	for _, path := range disks {
		if !strings.HasPrefix(filepath.Base(path), "template-") {
			found = append(found, path)
		}
	}
	spaces := map[string]bool{} // of the daemon's threads; in none, while it is stopped
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/ns/mnt", d.PID()))
	for _, link := range links {
		if space, err := os.Readlink(link); err == nil {
			spaces[space] = true
		}
	}
	if len(spaces) > 1 {
		found = append(found, "a thread of the daemon in a node's mount namespace")
	}
	if mounts, err := os.ReadFile("/proc/self/mounts"); err != nil || strings.Contains(string(mounts), d.Run) {
		found = append(found, "a mount in the host's namespace")
	}
	return found
}

// nothingLeft waits until nothing of any node is on the host. A mount that goes with its last process is taken down by one worker for the whole
// machine, one mount after another, and each waits for its backing file's blocks to be freed: half a second was seen on a busy machine.
func nothingLeft(t testing.TB, d *sandboxtest.Daemon) {
	t.Helper()
	var found []string
	for range 500 {
		if found = left(t, d); len(found) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("left behind: %q; held by:\n%s", found, holders(found))
}

// holders tells who has loop devices of that list mounted, and what the kernel waits for meanwhile.
func holders(found []string) string {
	var out strings.Builder
	for _, path := range found {
		number, err := os.ReadFile(filepath.Join(filepath.Dir(path), "../dev"))
		if err != nil {
			continue
		}
		tables, _ := filepath.Glob("/proc/[0-9]*/mountinfo")
		for _, table := range tables {
			mounts, _ := os.ReadFile(table)
			for line := range strings.Lines(string(mounts)) {
				if strings.Contains(line, " "+strings.TrimSpace(string(number))+" ") {
					args, _ := os.ReadFile(filepath.Join(filepath.Dir(table), "cmdline"))
					fmt.Fprintf(&out, "%s is mounted in %s %q: %s", path, filepath.Dir(table), args, line)
				}
			}
		}
	}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		if stat, _ := os.ReadFile(path); strings.Contains(string(stat), ") D ") {
			stack, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "stack"))
			fmt.Fprintf(&out, "%.40s waits in\n%s", stat, stack)
		}
	}
	return out.String()
}

func code(err error) sandbox.Code { return sandbox.CodeOf(err) }

// reason is why the daemon says that a node is gone.
func reason(err error) string { return sandbox.Public(err).Params["reason"] }

// whyGone asks the daemon why a node is not there.
func whyGone(t testing.TB, d *sandboxtest.Daemon, id string) string {
	t.Helper()
	err := d.Moments(t.Context(), id, 0, func(sandbox.Moments) error { return nil })
	if code(err) != sandbox.CodeNodeGone {
		t.Fatalf("moments of %s: %v", id, err)
	}
	return reason(err)
}

func TestCreateListDestroy(t *testing.T) {
	d := start(t, "--max-nodes", "2")
	ctx := t.Context()
	one := d.Node(t, sandbox.NodeSpec{ID: "one"})
	if got := sh(t, one, "hostname; id -u"); got != "node\n0" {
		t.Errorf("in the node: %q", got)
	}
	if _, err := d.Create(ctx, sandbox.NodeSpec{ID: "one"}); code(err) != sandbox.CodeNameTaken {
		t.Errorf("second node of a name: %v", err)
	}
	for _, bad := range []sandbox.NodeSpec{{ID: "../x"}, {ID: ""}, {ID: "x", Hostname: "a b"},
		{ID: "x", Memory: 1}, {ID: "x", PIDs: 1 << 40}, {ID: "x", Disk: -1}} {
		if _, err := d.Create(ctx, bad); code(err) != sandbox.CodeBadRequest {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	two := d.Node(t, sandbox.NodeSpec{ID: "two", Hostname: "zwei"})
	if _, err := d.Create(ctx, sandbox.NodeSpec{ID: "three"}); code(err) != sandbox.CodeMachineFull {
		t.Errorf("third of two nodes: %v", err)
	}
	nodes, err := d.List(ctx)
	if err != nil || !reflect.DeepEqual(nodes, []sandbox.Node{one, two}) {
		t.Errorf("list: %+v, %v", nodes, err)
	}
	for _, id := range []string{"one", "one", "two", "never-was", "../x"} {
		if err := d.Destroy(ctx, id); err != nil {
			t.Errorf("destroy %s: %v", id, err)
		}
	}
	nothingLeft(t, d)
	if why, never := whyGone(t, d, "one"), whyGone(t, d, "never-was"); why != sandbox.GoneDestroyed || never != sandbox.GoneMachineStopped {
		t.Errorf("why they are gone: %q and %q", why, never)
	}
	if err := d.Freeze(ctx, "one"); code(err) != sandbox.CodeNotFound {
		t.Errorf("freeze of no node: %v", err)
	}
}

func TestTwoNodesShareNothing(t *testing.T) {
	d := start(t)
	one, two := d.Node(t, sandbox.NodeSpec{ID: "one"}), d.Node(t, sandbox.NodeSpec{ID: "two"})
	for _, kind := range []string{"user", "pid", "mnt", "net", "ipc", "uts", "cgroup"} {
		link := func(pid string) string {
			ns, err := os.Readlink("/proc/" + pid + "/ns/" + kind)
			if err != nil {
				t.Fatal(err)
			}
			return ns
		}
		if a, b, host := link(fmt.Sprint(one.PID)), link(fmt.Sprint(two.PID)), link("self"); a == b || a == host || b == host {
			t.Errorf("%s namespaces: %s, %s, host %s", kind, a, b, host)
		}
	}
	first, second := sh(t, one, "cat /proc/self/uid_map"), sh(t, two, "cat /proc/self/uid_map")
	if first == second || !strings.HasSuffix(first, " 65536") {
		t.Errorf("ids: %q and %q", first, second)
	}
	sh(t, one, "echo secret > /root/file; echo secret > /var/lib/podlab/disk/file; touch /tmp/x")
	if got := sh(t, two, "ls /root /tmp; ls /var/lib/podlab/disk"); strings.Contains(got, "file") || strings.Contains(got, "x") {
		t.Errorf("the other node's files: %q", got)
	}
	if got := sh(t, one, "ip -o link | wc -l"); got != "1" {
		t.Errorf("%s interfaces in a new node, want lo alone", got)
	}
}

// isV2 reports whether the host has cgroup v2 only.
func isV2(t testing.TB) bool {
	t.Helper()
	g, err := cgroup.Open("podlab")
	if err != nil {
		t.Fatal(err)
	}
	return g.Unified
}

// TestWalls tries from inside, as the node's root, what must not work.
func TestWalls(t *testing.T) {
	d := start(t)
	node := d.Node(t, sandbox.NodeSpec{})
	group := "/sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory/notify_on_release"
	if isV2(t) {
		group = "/sys/fs/cgroup/memory.max /sys/fs/cgroup/cgroup.max.descendants"
	}
	for script, want := range map[string]string{
		"unshare -U true && echo in":                                                            "Operation not permitted",
		"echo 1 > /proc/sys/kernel/panic":                                                       "can't create",
		"mount -o remount,rw /proc/sys; echo 1 > /proc/sys/kernel/panic":                        "can't create",
		"mkdir /p; mount -t proc p /p; echo 99 > /p/sys/user/max_user_namespaces":               "can't create",
		"echo b > /proc/sysrq-trigger":                                                          "",
		"cat /proc/kcore":                                                                       "",
		"touch /var/lib/podlab/images/x":                                                        "Read-only file system",
		"touch /opt/podlab/bin/podlab-node":                                                     "Read-only file system",
		"mount -o remount,rw /var/lib/podlab/images && touch /var/lib/podlab/images/x":          "permission denied",
		"mknod /root/disk b 7 0 && cat /root/disk":                                              "Operation not permitted",
		"for file in " + group + "; do (echo 1 > $file) 2>/dev/null || echo kept; done | wc -l": "2",
		"mount -t ext4 /dev/loop0 /tmp":                                                         "permission denied",
		"mount -t cgroup -o memory,noprefix x /tmp":                                             "",
		"dmesg":               "Operation not permitted",
		"sync && echo synced": "synced",
		"cat /proc/cmdline /proc/kallsyms /proc/config.gz | wc -c": "0",
		"ulimit -c": "0",
	} {
		if got := sh(t, node, script); !strings.Contains(strings.ToLower(got), strings.ToLower(want)) {
			t.Errorf("%s\n\tsaid %q, want %q", script, got, want)
		}
	}
}

func TestLimits(t *testing.T) {
	d := start(t)
	node := d.Node(t, sandbox.NodeSpec{Memory: 64 << 20, PIDs: 64, Disk: 32 << 20, CPU: 200})
	if got := sh(t, node, "dd if=/dev/zero of=/root/big bs=1M count=64; rm /root/big"); !strings.Contains(got, "No space left") {
		t.Errorf("disk: %q", got)
	}
	if got := sh(t, node, "i=0; while :>/root/f$i; do i=$((i+1)); done; echo $i; rm -f /root/f*"); !strings.Contains(got, "No space left") {
		t.Errorf("inodes: %q", got)
	}
	got := sh(t, node, "dd if=/dev/zero of=/run/big bs=1M count=128; rm -f /run/big")
	if !strings.Contains(got, "No space left") && !strings.Contains(got, "killed") {
		t.Errorf("tmpfs: %q", got)
	}
	if got := sh(t, node, "tail /dev/zero; echo ended $?"); !strings.Contains(got, "ended 137") {
		t.Errorf("memory: %q", got)
	}
	if got := sh(t, node, "trap 'kill $all' EXIT; i=0; while [ $i -lt 100 ]; do sleep 1000 & all=\"$all $!\"; i=$((i+1)); done"); !strings.Contains(got, "can't fork") {
		t.Errorf("pids: %q", got)
	}
	started := time.Now()
	sh(t, node, "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done")
	t.Logf("a loop at a fifth of a core took %v", time.Since(started))
	if nodes, err := d.List(t.Context()); err != nil || len(nodes) != 1 {
		t.Errorf("the node did not outlive its learner: %v %v", nodes, err)
	}
}

func TestRestartFindsNodesAgain(t *testing.T) {
	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			d := start(t)
			ctx := t.Context()
			node, frozen := d.Node(t, sandbox.NodeSpec{ID: "one"}), d.Node(t, sandbox.NodeSpec{ID: "two"})
			if err := d.Freeze(ctx, frozen.Spec.ID); err != nil {
				t.Fatal(err)
			}
			frozen.Frozen = true
			d.Stop(t, signal)
			if got := sh(t, node, "echo here"); got != "here" {
				t.Errorf("without a daemon the node says %q", got)
			}
			d.Restart(t)
			nodes, err := d.List(ctx)
			if err != nil || !reflect.DeepEqual(nodes, []sandbox.Node{node, frozen}) {
				t.Fatalf("found again: %+v %v", nodes, err)
			}
			if err := d.Thaw(ctx, frozen.Spec.ID); err != nil {
				t.Error(err)
			}
			if got := sh(t, frozen, "echo thawed"); got != "thawed" {
				t.Errorf("the thawed node says %q", got)
			}
			for _, id := range []string{"one", "two"} {
				if err := d.Destroy(ctx, id); err != nil {
					t.Error(err)
				}
			}
			nothingLeft(t, d)
		})
	}
}

// TestKillWhileCreating kills the daemon at many moments of a creation. The next one must leave whole nodes or nothing.
func TestKillWhileCreating(t *testing.T) {
	d := start(t)
	for after := time.Millisecond; after < 60*time.Millisecond; after += 3 * time.Millisecond {
		created := make(chan error, 1)
		go func() {
			_, err := d.Create(context.Background(), sandbox.NodeSpec{ID: "n"})
			created <- err
		}()
		time.Sleep(after)
		d.Stop(t, unix.SIGKILL)
		err := <-created
		d.Restart(t)
		nodes, listed := d.List(t.Context())
		if listed != nil || err == nil && len(nodes) != 1 {
			t.Errorf("killed after %v: created %v, listed %v (%v)", after, err, nodes, listed)
		}
		for _, node := range nodes {
			if got := sh(t, node, "echo whole"); got != "whole" {
				t.Errorf("killed after %v: the node says %q", after, got)
			}
		}
		if err := d.Destroy(t.Context(), "n"); err != nil {
			t.Error(err)
		}
		nothingLeft(t, d)
	}
}

func TestDeathOfInitEndsTheNode(t *testing.T) {
	d := start(t)
	node := d.Node(t, sandbox.NodeSpec{ID: "one"})
	seen := make(map[string]bool)
	all, ended := make(chan struct{}), make(chan error, 1)
	var once sync.Once
	go func() {
		ended <- d.Moments(t.Context(), "one", 0, func(m sandbox.Moments) error {
			for _, moment := range m.Items {
				seen[moment.Kind] = true
			}
			if seen[sandbox.MomentFork] && seen[sandbox.MomentExec] && seen[sandbox.MomentExit] {
				once.Do(func() { close(all) })
			}
			return nil
		})
	}()
	sh(t, node, "true; /bin/true")
	select {
	case <-all:
	case <-time.After(10 * time.Second): // seen is looked at below
	}
	if err := unix.Kill(node.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; code(err) != sandbox.CodeNodeGone || reason(err) != sandbox.GoneInitEnded {
		t.Errorf("the stream ended with %v", err)
	}
	if !seen[sandbox.MomentFork] || !seen[sandbox.MomentExec] || !seen[sandbox.MomentExit] {
		t.Errorf("moments seen: %v", seen)
	}
	nothingLeft(t, d)
}

func TestInterruptLeavesNothing(t *testing.T) {
	d := start(t)
	d.Node(t, sandbox.NodeSpec{})
	d.Node(t, sandbox.NodeSpec{})
	d.Stop(t, unix.SIGINT)
	nothingLeft(t, d)
	if entries, err := os.ReadDir(d.Run); err != nil || len(entries) != 0 {
		t.Errorf("in the run directory: %v %v", entries, err)
	}
	g, err := groupsOf(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, hierarchy := range g.Hierarchies {
		if _, err := os.Stat(filepath.Join(hierarchy, g.Parent)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("parent group in %s: %v", hierarchy, err)
		}
	}
}

// TestFrozenGroups destroys a node in which a learner froze a group, and one that is frozen as a whole. On v1 a group stays FREEZING for ever
// when its process was moved there at the wrong moment, until the state is written again, as libcontainer does too.
func TestFrozenGroups(t *testing.T) {
	d := start(t)
	node := d.Node(t, sandbox.NodeSpec{ID: "one"})
	// Frozen before it has let go of the script's output, it would hold that open.
	const freeze = `cd /sys/fs/cgroup/freezer; mkdir -p a/b; sleep 1000 >/dev/null 2>&1 &
until [ /proc/$!/fd/2 -ef /dev/null ]; do sleep 0.01; done
echo $! > a/b/cgroup.procs; until [ $(cat a/b/freezer.state) = FROZEN ]; do echo FROZEN > a/b/freezer.state; sleep 0.05; done; cat a/b/freezer.state`
	if !isV2(t) { // on v2 what is frozen can die
		if got := sh(t, node, freeze); got != "FROZEN" {
			t.Fatalf("freezing: %q", got)
		}
	}
	d.Node(t, sandbox.NodeSpec{ID: "two"})
	if err := d.Freeze(t.Context(), "two"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"one", "two"} {
		began := time.Now()
		if err := d.Destroy(t.Context(), id); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > sandboxtest.Within(2*time.Second) {
			t.Errorf("destroying %s took %v", id, took)
		}
	}
	nothingLeft(t, d)
}

// TestStrangersAreDenied calls as somebody who is neither root nor of the group.
func TestStrangersAreDenied(t *testing.T) {
	d := start(t)
	if err := os.Chmod(d.Socket, 0o666); err != nil { // so that only the daemon's own check is left
		t.Fatal(err)
	}
	denied := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		const nobody = 65534
		unix.RawSyscall(unix.SYS_SETRESGID, nobody, nobody, nobody)
		unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody)
		_, err := d.Info(t.Context())
		denied <- err
	}()
	if err := <-denied; code(err) != sandbox.CodeDenied {
		t.Errorf("a stranger got %v", err)
	}
}

func TestGroupIsAdmitted(t *testing.T) {
	name, gid := someGroup(t)
	d := start(t, "--group", name)
	ended := make(chan error)
	go func() {
		runtime.LockOSThread()
		const nobody = 65534
		unix.RawSyscall(unix.SYS_SETRESGID, gid, gid, gid)
		unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody)
		_, err := d.Create(t.Context(), sandbox.NodeSpec{ID: "n"})
		if err == nil {
			err = d.Destroy(t.Context(), "n")
		}
		ended <- err
	}()
	if err := <-ended; err != nil {
		t.Errorf("somebody of group %s got %v", name, err)
	}
}

// someGroup returns a group of this machine that is not root's.
func someGroup(t testing.TB) (name string, gid uintptr) {
	t.Helper()
	file, err := os.ReadFile("/etc/group")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(file)) {
		fields := strings.Split(line, ":")
		if id, err := strconv.Atoi(fields[2]); err == nil && id > 0 {
			return fields[0], uintptr(id)
		}
	}
	t.Fatal("no group in /etc/group but root")
	return "", 0
}

// TestBrokenNode makes a node whose init ends at once: the answer comes at once too, and nothing stays.
func TestBrokenNode(t *testing.T) {
	good, err := standIn()
	if err != nil {
		t.Fatal(err)
	}
	broken := t.TempDir()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(broken, "node", "bin"), 0o755))
	must(os.Symlink(filepath.Join(good, "images"), filepath.Join(broken, "images")))
	must(os.WriteFile(filepath.Join(broken, "node", "bin", "podlab-node"), []byte("#!/bin/sh\necho no such luck\n"), 0o755))
	sandboxtest.Root(t)
	d := sandboxtest.Start(t, sandboxtest.Data(broken))
	began := time.Now()
	if _, err := d.Create(t.Context(), sandbox.NodeSpec{ID: "n"}); code(err) != sandbox.CodeInternal {
		t.Errorf("creating: %v", err)
	}
	if took := time.Since(began); took > sandboxtest.Within(2*time.Second) { // for boot.Await's ten seconds it would wait in vain
		t.Errorf("it took %v to see that init had ended", took)
	}
	nothingLeft(t, d)
	if nodes, err := d.List(t.Context()); err != nil || len(nodes) != 0 {
		t.Errorf("list: %v %v", nodes, err)
	}
}

func BenchmarkNode(b *testing.B) {
	d := start(b)
	var destroying time.Duration
	for b.Loop() {
		d.Node(b, sandbox.NodeSpec{ID: "n"})
		began := time.Now()
		if err := d.Destroy(b.Context(), "n"); err != nil {
			b.Fatal(err)
		}
		destroying += time.Since(began)
	}
	b.ReportMetric(destroying.Seconds()*1000/float64(b.N), "ms-destroy")
}
