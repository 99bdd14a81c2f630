package observe

import (
	"os"
	"slices"
	"strings"
	"testing"

	"podlab/sandbox"
)

func demo() Input {
	return Input{
		InitPID: 1, AgentPID: 7,
		Containers: []Subject{
			{sandbox.Container{ID: "demo/_infra", Name: "pause", Pod: "demo", Kind: sandbox.KindInfra, PID: 20}, "/pods/demo/_infra"},
			{sandbox.Container{ID: "demo/web", Name: "web", Pod: "demo", Kind: sandbox.KindApp, PID: 25}, "/pods/demo/web"},
		},
		Hidden: func(pid int, cgroup string) bool { return pid == 30 },
	}
}

func observeFixture(t *testing.T, cgroup string) sandbox.Snapshot {
	t.Helper()
	root := fixture(t)
	o := &Observer{Life: "first", Proc: root + "/proc", Cgroup: root + "/" + cgroup, Disk: root}
	return o.Snapshot(demo())
}

func TestProcesses(t *testing.T) {
	s := observeFixture(t, "cgroup1")
	var pids []int
	by := map[int]sandbox.Process{}
	for _, p := range s.Processes {
		pids = append(pids, p.PID)
		by[p.PID] = p
	}
	if !slices.Equal(pids, []int{1, 7, 20, 25, 26, 27}) { // not the probe 30 nor its child 31
		t.Fatalf("pids %v", pids)
	}
	if p := by[1]; p.Role != "init" || p.Container != "" || p.Start != 50_000_000 || p.RSS != 900*pageSize || p.NS != s.Node.NS || p.NS.Net != 4026532101 {
		t.Errorf("init: %+v", p)
	}
	if p := by[7]; p.Role != "agent" || len(p.Threads) != 2 || p.Threads[1] != (sandbox.Thread{TID: 9, Inside: 9, Name: "podlab-node", State: "S"}) {
		t.Errorf("agent: %+v", p)
	}
	if p := by[26]; p.Container != "demo/web" || p.UID != 101 || p.Inside != 7 || p.PPID != 25 {
		t.Errorf("worker, in a group below its container's: %+v", p)
	}
	if p := by[25]; !slices.Equal(p.Args, []string{"nginx: master process nginx -g daemon off;"}) {
		t.Errorf("title: %q", p.Args)
	}
	if p := by[27]; p.State != "Z" || p.Name != "a) R 1 (b" || p.Args == nil || len(p.Args) != 0 || p.NS.Net != 0 || p.NS.PID != 4026532304 {
		t.Errorf("zombie: %+v", p)
	}
	if c := s.Containers[1]; c.NS != by[25].NS || c.NS.Net != s.Containers[0].NS.Net {
		t.Errorf("container: %+v", c)
	}
}

func TestNetworksAndSockets(t *testing.T) {
	s := observeFixture(t, "cgroup1")
	if len(s.Networks) != 2 || s.Networks[0].Owner != "" || s.Networks[1].Owner != "demo" || s.Networks[1].Inode != 4026532201 {
		t.Fatalf("%+v", s.Networks)
	}
	// The pod's sockets are read through its first process, which has no such files here: add them by hand as that process's.
	root := fixture(t)
	must(t, os.Rename(root+"/proc/25/net", root+"/proc/20/net"))
	s = (&Observer{Proc: root + "/proc", Cgroup: root + "/cgroup1", Disk: root}).Snapshot(demo())
	got := map[string]sandbox.Socket{}
	for _, sock := range s.Networks[1].Sockets {
		got[sock.Proto+" "+sock.Local] = sock
	}
	if sock := got["unix /run/my app.sock"]; sock.State != "LISTEN" || sock.Container != "demo/web" || !slices.Equal(sock.PIDs, []int{25, 26}) {
		t.Errorf("unix: %+v", sock)
	}
	if sock := got["udp 127.0.0.1:53"]; sock.Container != "demo/web" || sock.State != "UNCONN" || sock.Inode != 778 {
		t.Errorf("udp: %+v", sock)
	}
	if sock := got["udp6 [::1]:53"]; sock.Container != "" || sock.PIDs == nil {
		t.Errorf("udp6, held by nobody: %+v", sock)
	}
	if len(got) != 4 {
		t.Errorf("sockets: %+v", got)
	}
}

func TestCgroups(t *testing.T) {
	node := sandbox.Cgroup{
		Memory: 50 << 20, MemoryLimit: 512 << 20, PIDs: 9, PIDsLimit: 512, CPU: 123456, CPULimit: 1500, Throttled: 4, ThrottledTime: 99, OOMKills: 3,
	}
	web := sandbox.Cgroup{Memory: 1 << 20, PIDs: 3, CPU: 5000}
	for _, version := range []string{"cgroup1", "cgroup2"} {
		s := observeFixture(t, version)
		if s.Node.Usage != node {
			t.Errorf("%s: node %+v", version, s.Node.Usage)
		}
		if s.Containers[1].Usage != web {
			t.Errorf("%s: web %+v", version, s.Containers[1].Usage)
		}
	}
}

// What never changes is not read again, and the second snapshot is the same as the first.
func TestSecondSnapshot(t *testing.T) {
	root := fixture(t)
	o := &Observer{Proc: root + "/proc", Cgroup: root + "/cgroup1", Disk: root}
	in := demo()
	first, second := o.Snapshot(in), o.Snapshot(in)
	if second.Seq != first.Seq+1 || second.Time < first.Time {
		t.Errorf("%d %d", first.Seq, second.Seq)
	}
	if !Equal(&first, &second) {
		t.Errorf("differ:\n%+v\n%+v", first, second)
	}
	must(t, os.RemoveAll(root+"/proc/26"))
	third := o.Snapshot(in)
	if len(third.Processes) != len(first.Processes)-1 || len(o.known) != len(third.Processes)+2 || Equal(&first, &third) {
		t.Errorf("%d processes, %d known", len(third.Processes), len(o.known))
	}
}

func TestParsersRefuseNonsense(t *testing.T) {
	for _, b := range []string{"", "1", "1 (", "1 )(", "1 (a)", "1 (a) ", "1 (a) S 1", strings.Repeat("(", 100)} {
		if s, err := parseStat([]byte(b)); err == nil {
			t.Errorf("parseStat(%q) = %+v", b, s)
		}
	}
	if _, err := parseStatus([]byte("NSpid:\nUid:\n")); err == nil {
		t.Error("parseStatus of nothing")
	}
	if got := parseCgroup([]byte("::\n\n0\n4:pids\n3:memory:/a b (deleted)\n")); got != "/a b" {
		t.Errorf("parseCgroup: %q", got)
	}
}

func FuzzParsers(f *testing.F) {
	f.Add([]byte("1 (a) S 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24"))
	f.Add([]byte("Num\n0000: 2 0 10000 1 1 7 /run/a b\n"))
	f.Add([]byte("  sl\n 1: 0100007F:0035 00000000:0000 07 0:0 0:0 0 0 0 778 2 0 0\n"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = parseStat(b)
		_, _ = parseStatus(b)
		_ = parseCmdline(b)
		_ = parseCgroup(b)
		_, _ = parseUDP(b, "udp6", 4)
		_, _ = parseUnix(b, 4)
		_ = parseSysvIPC(b, 1, 3)
		_ = parseCPUMax(b)
		_ = parseKeyed(b, "oom_kill")
		_, _, _ = parseDirent(b)
		_, _ = parseLink(b)
		_, _, _ = parseAddr(b)
		_, _ = parseRoute(b)
		_, _ = parseDiag(b)
		_, _ = eachMessage(b, func([]byte) {})
	})
}

// TestNamespacesOfTheDead: until the engine says that a container has ended, it is where its first process was.
func TestNamespacesOfTheDead(t *testing.T) {
	root := fixture(t)
	o := &Observer{Life: "first", Proc: root + "/proc", Cgroup: root + "/cgroup1", Disk: root}
	alive := o.Snapshot(demo()).Containers[1].NS
	if alive.Net == 0 {
		t.Fatal("the fixture's web is in no network")
	}
	for _, kind := range []string{"net", "ipc", "uts", "mnt", "cgroup"} { // of a zombie pid and user are left
		must(t, os.Remove(root+"/proc/25/ns/"+kind))
	}
	if ns := o.Snapshot(demo()).Containers[1].NS; ns != alive {
		t.Errorf("zombie: %+v, was %+v", ns, alive)
	}
	must(t, os.RemoveAll(root+"/proc/25"))
	if ns := o.Snapshot(demo()).Containers[1].NS; ns != alive {
		t.Errorf("reaped: %+v, was %+v", ns, alive)
	}
	in := demo()
	in.Containers[1].PID = 0
	if ns := o.Snapshot(in).Containers[1].NS; ns != (sandbox.Namespaces{}) {
		t.Errorf("ended: %+v", ns)
	}
	in.Containers[1].PID = 26
	if ns := o.Snapshot(in).Containers[1].NS; ns != alive { // a new first process, in the same
		t.Errorf("started again: %+v", ns)
	}
}
