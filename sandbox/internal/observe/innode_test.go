package observe

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

func find(s sandbox.Snapshot, pid int) sandbox.Process {
	i := slices.IndexFunc(s.Processes, func(p sandbox.Process) bool { return p.PID == pid })
	if i < 0 {
		return sandbox.Process{}
	}
	return s.Processes[i]
}

func inNodeProcesses(t *testing.T) {
	own := startMember(t, "idle", syscall.CLONE_NEWPID|syscall.CLONE_NEWUTS)
	zombie := startMember(t, "zombie", 0)
	o := newObserver(t)
	s := o.Snapshot(Input{InitPID: 1})
	p := find(s, own.Process.Pid)
	if p.PPID != 1 || p.Inside != 1 || p.NS.PID == s.Node.NS.PID || p.NS.UTS == s.Node.NS.UTS || p.NS.Net != s.Node.NS.Net {
		t.Errorf("%+v", p)
	}
	if !slices.Equal(p.Args, []string{"/proc/self/exe", "member"}) || p.RSS == 0 || p.Start <= 0 || p.Start > s.Time || p.UID != 0 {
		t.Errorf("%+v", p)
	}
	if len(p.Threads) == 0 || p.Threads[0].Inside >= p.Threads[0].TID || p.Threads[0].State != "S" {
		t.Errorf("threads: %+v", p.Threads)
	}
	soon(t, func() bool {
		s = o.Snapshot(Input{InitPID: 1})
		return slices.ContainsFunc(s.Processes, func(p sandbox.Process) bool {
			return p.State == "Z" && p.PPID == zombie.Process.Pid && p.Name == "true" && p.NS.Net == 0
		})
	})
	must(t, own.Process.Signal(syscall.SIGSTOP))
	soon(t, func() bool { return find(o.Snapshot(Input{InitPID: 1}), own.Process.Pid).State == "T" })
}

// An exec shows at once, although what a process is does not change often.
func inNodeExec(t *testing.T) {
	cmd := exec.Command("sh", "-c", "read x; exec sleep 100")
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	o := newObserver(t)
	soon(t, func() bool { return find(o.Snapshot(Input{InitPID: 1}), cmd.Process.Pid).Name == "sh" })
	_, err = fmt.Fprintln(in)
	must(t, err)
	soon(t, func() bool {
		p := find(o.Snapshot(Input{InitPID: 1}), cmd.Process.Pid)
		if p.Name == "sleep" && !slices.Equal(p.Args, []string{"sleep", "100"}) {
			t.Fatalf("%+v", p)
		}
		return p.Name == "sleep"
	})
}

func inNodeNetwork(t *testing.T) {
	c := startMember(t, "server", syscall.CLONE_NEWNET)
	veth(t, "veth7", c.Process.Pid)
	host, err := netlink.LinkByName("veth7")
	must(t, err)
	must(t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "cni0"}}))
	bridge, err := netlink.LinkByName("cni0")
	must(t, err)
	must(t, netlink.LinkSetMaster(host, bridge))
	must(t, netlink.LinkSetUp(bridge))
	must(t, netlink.AddrAdd(bridge, &netlink.Addr{IPNet: netlink.NewIPNet([]byte{10, 88, 0, 1})}))
	in := Input{InitPID: 1, Containers: []Subject{{sandbox.Container{ID: "web", Kind: sandbox.KindPlain, PID: c.Process.Pid}, ""}}}
	s := newObserver(t).Snapshot(in)
	if len(s.Networks) != 2 || s.Networks[0].Inode != s.Node.NS.Net || s.Networks[1].Owner != "web" {
		t.Fatalf("%+v", s.Networks)
	}
	node, pod := s.Networks[0], s.Networks[1]
	eth := byName(pod, "eth0")
	if v := byName(node, "veth7"); v.Kind != "veth" || v.Master != "cni0" || v.Peer != eth.Index || !v.Up || len(v.MAC) != 17 || v.MTU != 1500 {
		t.Errorf("veth7: %+v", v)
	}
	if eth.Kind != "veth" || eth.Peer != host.Attrs().Index || eth.Up {
		t.Errorf("eth0: %+v", eth)
	}
	if b := byName(node, "cni0"); b.Kind != "bridge" || !slices.Contains(b.Addrs, "10.88.0.1/32") {
		t.Errorf("cni0: %+v", b)
	}
	if lo := byName(pod, "lo"); lo.Kind != "loopback" || !slices.Equal(lo.Addrs, []string{"127.0.0.1/8", "::1/128"}) || lo.RXBytes == 0 {
		t.Errorf("lo: %+v", lo)
	}
	checkSockets(t, pod, c.Process.Pid)
	must(t, netlink.LinkDel(bridge))
}

func byName(n sandbox.Network, name string) sandbox.Interface {
	i := slices.IndexFunc(n.Interfaces, func(i sandbox.Interface) bool { return i.Name == name })
	if i < 0 {
		return sandbox.Interface{}
	}
	return n.Interfaces[i]
}

// checkSockets looks for what serve opened.
func checkSockets(t *testing.T, n sandbox.Network, pid int) {
	t.Helper()
	var got []string
	for _, s := range n.Sockets {
		if s.Inode == 0 || !slices.Equal(s.PIDs, []int{pid}) {
			t.Errorf("holder: %+v", s)
		}
		local := s.Local
		if s.State == "ESTABLISHED" && !strings.HasSuffix(local, ":8080") {
			local = "client"
		}
		got = append(got, s.Proto+" "+local+" "+s.State)
	}
	slices.Sort(got)
	want := []string{
		"tcp 127.0.0.1:8080 ESTABLISHED", "tcp 127.0.0.1:8080 LISTEN", "tcp client ESTABLISHED", "udp6 [::1]:5353 UNCONN",
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("no %s in %q", w, got)
		}
	}
	if !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "unix @podlab") && strings.HasSuffix(s, "LISTEN") }) {
		t.Errorf("no unix socket in %q", got)
	}
}

func inNodeIPC(t *testing.T) {
	c := startMember(t, "segment", syscall.CLONE_NEWIPC|syscall.CLONE_NEWNET)
	s := newObserver(t).Snapshot(Input{InitPID: 1})
	ns := find(s, c.Process.Pid).NS.IPC
	want := []sandbox.IPCObject{
		{NS: ns, Kind: "shm", Key: 0x1234, Bytes: 8192}, {NS: ns, Kind: "msg", Key: 0x1235}, {NS: ns, Kind: "sem", Key: 0x1236},
	}
	if !slices.Equal(s.IPC, want) || ns == s.Node.NS.IPC {
		t.Errorf("%+v", s.IPC)
	}
	// The reading thread has come back: this process still is where it was.
	var st, own unix.Stat_t
	must(t, unix.Stat("/proc/1/ns/ipc", &st))
	for _, tid := range must1(os.ReadDir("/proc/self/task"))(t) {
		must(t, unix.Stat("/proc/self/task/"+tid.Name()+"/ns/ipc", &own))
		if own.Ino != st.Ino {
			t.Errorf("thread %s stayed in another namespace", tid.Name())
		}
	}
}

func must1[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		must(t, err)
		return v
	}
}

func inNodeVolumes(t *testing.T) {
	secret := tree(t, "secret")
	top := tree(t, "a/b/c/d/e/deep", "index.html", "out -> "+secret, "evil\nname")
	must(t, unix.Mkfifo(filepath.Join(top, "fifo"), 0o600))
	var st unix.Stat_t
	must(t, unix.Stat(top, &st))
	// The mount point is a link that a learner made: it is resolved inside the container's root.
	in := Input{InitPID: 1, Volumes: []sandbox.Volume{{Pod: "demo", Name: "data", Kind: "emptyDir", Path: top}}, Containers: []Subject{
		{sandbox.Container{ID: "demo/web", PID: 1, Mounts: []sandbox.Mount{{Path: top}, {Path: "/nowhere"}}, Layers: []sandbox.Layer{
			{Path: top, Writable: true}, {Path: "/x", Bytes: 7}}}, "/pods/demo/web"},
	}}
	s := newObserver(t).Snapshot(in)
	v := s.Volumes[0]
	var names []string
	for _, f := range v.Files {
		names = append(names, f.Path)
	}
	if !slices.Equal(names, []string{"a", "evil␊name", "fifo", "index.html", "out", "a/b", "a/b/c", "a/b/c/d"}) {
		t.Errorf("%q", names)
	}
	if v.Dev != st.Dev || v.Inode != st.Ino || !slices.Contains(s.Truncated, "files") {
		t.Errorf("%+v %v", v, s.Truncated)
	}
	c := s.Containers[0]
	if c.Mounts[0].Dev != v.Dev || c.Mounts[0].Inode != v.Inode || c.Mounts[1].Inode != 0 {
		t.Errorf("mounts: %+v", c.Mounts)
	}
	if c.Layers[0].Bytes != v.Bytes || v.Bytes < 20 || c.Layers[1].Bytes != 7 || in.Containers[0].Layers[0].Bytes != 0 {
		t.Errorf("layers: %+v, volume %d", c.Layers, v.Bytes)
	}
}

// What a container's process links to is found in its own root, not in the node's.
func inNodeStatStaysInRoot(t *testing.T) {
	root := tree(t, "etc/", "data -> /etc", "up -> ../../../../etc")
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY, 0)
	must(t, err)
	defer unix.Close(fd)
	var st unix.Stat_t
	must(t, unix.Stat(root+"/etc", &st))
	for _, path := range []string{"/etc", "/data", "/up", "/../../etc"} {
		if dev, inode := statIn(fd, path); dev != st.Dev || inode != st.Ino {
			t.Errorf("%s: %d %d, want %d %d", path, dev, inode, st.Dev, st.Ino)
		}
	}
}

func inNodeBounds(t *testing.T) {
	names := make([]string, 0, 200)
	for i := range 200 {
		names = append(names, fmt.Sprintf("f%03d", i))
	}
	s := newObserver(t).Snapshot(Input{InitPID: 1, Volumes: []sandbox.Volume{{Path: tree(t, names...)}}})
	if v := s.Volumes[0]; len(v.Files) != maxFiles || v.Bytes != 200*4 || !slices.Equal(s.Truncated, []string{"files"}) {
		t.Errorf("%d files, %d bytes, %v", len(v.Files), v.Bytes, s.Truncated)
	}
	for range maxFDs {
		f, err := os.Open("/dev/null")
		must(t, err)
		t.Cleanup(func() { _ = f.Close() })
	}
	if s := newObserver(t).Snapshot(Input{InitPID: 1}); !slices.Equal(s.Truncated, []string{"sockets"}) {
		t.Errorf("of a process with many descriptors: %v", s.Truncated)
	}
}

// BenchmarkSnapshot is of 20 processes, two of them with a network namespace of their own, as a node with two pods has.
func BenchmarkSnapshot(b *testing.B) {
	needNode(b)
	in := Input{InitPID: 1}
	for i := range 2 {
		c := startMember(b, "server", syscall.CLONE_NEWNET|syscall.CLONE_NEWIPC|syscall.CLONE_NEWPID)
		veth(b, fmt.Sprintf("bench%d", i), c.Process.Pid)
		in.Containers = append(in.Containers, Subject{sandbox.Container{ID: fmt.Sprint(i), PID: c.Process.Pid, Mounts: []sandbox.Mount{{Path: "/etc"}}}, "/"})
		in.Volumes = append(in.Volumes, sandbox.Volume{Path: tree(b, "a/b/c", "d", "e")})
	}
	for range 17 {
		cmd := exec.Command("sleep", "1000")
		must(b, cmd.Start())
		b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	}
	o := newObserver(b)
	o.Snapshot(in)
	time.Sleep(youngProcess) // the usual case: nothing was just started
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		o.Snapshot(in)
	}
	// Other programs may be running on this machine: this is what a snapshot really costs.
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
	s := o.Snapshot(in)
	b.ReportMetric(float64(len(s.Processes)), "processes")
	b.ReportMetric(float64(len(s.Networks)), "networks")
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	must(b, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkFingerprint(b *testing.B) {
	needNode(b)
	s := newObserver(b).Snapshot(Input{InitPID: 1})
	for b.Loop() {
		Fingerprint(&s)
	}
}
