package main

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

const hostile = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"hostile"},"spec":{"hostPID":true,"hostNetwork":true,"containers":[
{"name":"c","image":"debian","command":["sleep","1000"],"securityContext":{"privileged":true},"volumeMounts":[{"name":"host","mountPath":"/host"}]}],
"volumes":[{"name":"host","hostPath":{"path":"/"}}]}}`

// TestMostPrivilegedPodSeesItsNodeOnly asks a privileged pod with hostPID, hostNetwork and the host's root for what is not its node's.
func TestMostPrivilegedPodSeesItsNodeOnly(t *testing.T) {
	ctx, agent := newNode(t)
	apply(ctx, t, agent, hostile)
	until(ctx, t, agent, "the pod", func(s sandbox.Snapshot) bool { return find(s, "hostile/c").State == sandbox.StateRunning })
	for _, tool := range []string{"mknod", "dd", "dmesg", "unshare", "nsenter", "mount"} { // without them "no" means nothing
		if out, exit := in(ctx, t, agent, "hostile/c", asInit("command -v "+tool)...); exit.Code != 0 {
			t.Fatalf("no %s: %s", tool, out)
		}
	}
	for _, c := range []struct{ what, script, want string }{
		{"PID 1 is node init", "tr '\\0' ' ' </proc/1/cmdline", "/opt/podlab/bin/podlab-node node "},
		{"the root is the node's", "ls -d /var/lib/podlab/disk", "/var/lib/podlab/disk\n"},
		{"root is nobody on the host", "read -r _ host size </proc/self/uid_map; echo $((host >= 65536)) $size", "1 65536\n"},
		{"no process of another pid namespace", "ls /proc/1/root/proc | grep -c podlab-sandboxd; cat /proc/*/comm | grep -c podlab-sandboxd", "0\n0\n"},
		{"no link but lo and the node's", "ls /sys/class/net 2>/dev/null | grep -cE '^(eth|en|wl)'", "0\n"},
		{"no disk of the host", "mknod /tmp/d b 7 0; dd if=/tmp/d of=/dev/null count=1 2>/dev/null && echo read || echo no", "no\n"},
		{"no kernel log", "dmesg >/dev/null 2>&1 && echo read || echo no", "no\n"},
		{"no user namespace", "unshare -U true 2>/dev/null && echo made || echo no", "no\n"},
		{"no setting of the host", "echo 1 2>/dev/null >/proc/sys/kernel/panic && echo set || echo no", "no\n"},
		{"no core pattern", "echo x 2>/dev/null >/proc/sys/kernel/core_pattern && echo set || echo no", "no\n"},
		{"no more memory for the node", raiseLimit, "no\n"},
		{"no kernel log by its device", "dd if=/dev/kmsg count=1 2>/dev/null | wc -c", "0\n"},
		{"no module", "insmod /dev/null 2>/dev/null; ls /sys/module | wc -l", "0\n"},
		{"no file system of the host's devices", mountAll, "none\n"},
		{"no program of the node's changed", "mount -o remount,bind,rw /opt/podlab/bin 2>/dev/null && echo rw || echo no", "no\n"},
	} {
		t.Run(c.what, func(t *testing.T) {
			out, _ := in(ctx, t, agent, "hostile/c", asInit(c.script)...)
			if !strings.HasSuffix(out, c.want) {
				t.Errorf("%s\nsaid %q, not %q", c.script, out, c.want)
			}
		})
	}
}

// mountAll tries the file systems that reach beyond a user namespace.
const mountAll = `mkdir -p /tmp/m; for t in sysfs bpf debugfs tracefs securityfs configfs pstore efivarfs fusectl hugetlbfs devtmpfs ext4 xfs btrfs 9p resctrl; do
  mount -t $t x /tmp/m 2>/dev/null && echo $t && umount /tmp/m
done; echo none`

// tellers are files and directories that tell of the host: its boot, kernel, memory map, and the disks with what is read and written,
// by all learners, on each.
const tellers = `for f in cmdline config.gz kallsyms keys iomem ioports diskstats partitions buddyinfo zoneinfo interrupts consoles modules timer_list; do
  [ "$(cat /proc/$f 2>/dev/null | wc -c)" = 0 ] || echo $f
done
for d in /proc/fs /sys/block /sys/class/block /sys/dev/block /sys/devices/virtual/block /sys/module /sys/firmware /sys/kernel/debug; do
  [ "$(ls $d 2>/dev/null | wc -l)" = 0 ] || echo $d
done; echo nothing`

// TestNothingTellsOfTheHost looks from a node shell, a container, and a privileged one.
func TestNothingTellsOfTheHost(t *testing.T) {
	ctx, agent := newNode(t)
	apply(ctx, t, agent, hostile)
	apply(ctx, t, agent, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"plain"},"spec":{"containers":[
{"name":"c","image":"debian","command":["sleep","1000"]}]}}`)
	until(ctx, t, agent, "the pods", func(s sandbox.Snapshot) bool {
		return find(s, "hostile/c").State == sandbox.StateRunning && find(s, "plain/c").State == sandbox.StateRunning
	})
	for _, where := range []string{"", "plain/c", "hostile/c"} {
		if out, _ := in(ctx, t, agent, where, "sh", "-c", tellers); out != "nothing\n" {
			t.Errorf("%q: %s", where, out)
		}
	}
}

// asInit runs a script among node init's own mounts and groups, with the node's tools and a privileged container's capabilities.
func asInit(script string) []string {
	return []string{"chroot", "/host", "nsenter", "-t", "1", "-m", "-C", "sh", "-c", script}
}

const raiseLimit = `for f in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
  [ -e $f ] && (echo 99999999999 >$f) 2>/dev/null && echo raised && exit
done; ls /sys/fs/cgroup >/dev/null && echo no`

// TestHogsLeaveTheNeighbour lets one node do its worst while somebody types in a second one, and then makes the first anew.
func TestHogsLeaveTheNeighbour(t *testing.T) {
	full := func(used, limit int64) bool { return limit > 0 && used > limit*3/4 }
	pids := func(s sandbox.Snapshot) bool {
		return full(s.Node.Usage.PIDs, s.Node.Usage.PIDsLimit) || s.Node.Usage.PIDs > 300
	}
	ooms := func(s sandbox.Snapshot) bool {
		return s.Node.Usage.OOMKills > 0 || full(s.Node.Usage.Memory, s.Node.Usage.MemoryLimit)
	}
	cpu := func(s sandbox.Snapshot) bool { return s.Node.Usage.CPU > 400_000 } // 0.4 s
	for _, c := range []struct {
		what, script string
		bites        func(sandbox.Snapshot) bool
	}{
		{"fork bomb", "b() { b | b & }; b; sleep 100", pids},
		{"memory hog", "while :; do cat /dev/zero | tail -c 1G; done", ooms},
		{"disk filler", "while :; do cat /dev/zero >/root/full; done", cpu},
		{"endless output", "exec cat /dev/zero", cpu},
	} {
		t.Run(c.what, func(t *testing.T) {
			d := sandboxtest.Start(t)
			hog, quiet := d.Node(t, sandbox.NodeSpec{ID: "hog"}), d.Node(t, sandbox.NodeSpec{ID: "quiet"})
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				spec := sandbox.ExecSpec{Argv: []string{"bash", "-c", c.script + " 2>/dev/null"}}
				_, _ = d.Agent(hog).Exec(t.Context(), spec, sandbox.Streams{Out: io.Discard}) // ends with the node
			}()
			until(t.Context(), t, d.Agent(hog), "the hog at its worst", c.bites)
			p50, p99 := echoes(t, d.Agent(quiet))
			t.Logf("the neighbour's key echo: p50 %v, p99 %v", p50, p99)
			// The promise is 100 ms at p99 (scripts/measure holds it to that); here other tests may have the machine too.
			if p50 > sandboxtest.Within(100*time.Millisecond) || p99 > sandboxtest.Within(time.Second) {
				t.Errorf("p50 %v, p99 %v", p50, p99)
			}
			began := time.Now()
			if err := d.Destroy(t.Context(), "hog"); err != nil {
				t.Fatal(err)
			}
			d.Node(t, sandbox.NodeSpec{ID: "hog"})
			if took := time.Since(began); took > sandboxtest.Within(2*time.Second) { // what a learner is promised
				t.Errorf("a new node took %v", took)
			}
			<-ended
		})
	}
}

// echoes types keys in a node's terminal and measures how long each takes to appear.
func echoes(t *testing.T, agent sandbox.Agent) (p50, p99 time.Duration) {
	t.Helper()
	term := attach(t.Context(), t, agent, "keys", "node")
	defer term.Close()
	typed(t, term, "echo ready-$((1+1)); exec cat >/dev/null\r") // the terminal itself echoes then
	read(t, term, "ready-2\r\n")
	time.Sleep(300 * time.Millisecond)
	var took []time.Duration
	for range 100 {
		began := time.Now()
		typed(t, term, "~")
		read(t, term, "~")
		took = append(took, time.Since(began))
		time.Sleep(10 * time.Millisecond)
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100-1]
}

// TestGroupsThatPodsNeed: on cgroup v1 a node and its containers see the hierarchies of six controllers alone, and a container's processes are
// in its own group of each of them, or in the node's where it has none.
func TestGroupsThatPodsNeed(t *testing.T) {
	ctx, agent := newNode(t)
	if out, _ := in(ctx, t, agent, "", "ls", "/sys/fs/cgroup"); strings.Contains(out, "cgroup.controllers") {
		return // v2: one hierarchy
	}
	apply(ctx, t, agent, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"busybox","command":["sleep","1000"]}]}}`)
	until(ctx, t, agent, "the pod", func(s sandbox.Snapshot) bool { return find(s, "p/c").State == sandbox.StateRunning })
	for _, where := range []string{"", "p/c"} {
		out, _ := in(ctx, t, agent, where, "ls", "/sys/fs/cgroup")
		for name := range strings.FieldsSeq(strings.ReplaceAll(out, ",", " ")) { // "cpu,cpuacct" where the host joins them
			if !slices.Contains([]string{"cpu", "cpuacct", "devices", "freezer", "memory", "pids"}, name) {
				t.Errorf("%q sees %s", where, name)
			}
		}
	}
	out, _ := in(ctx, t, agent, "", "sh", "-c", "cat /proc/$(pgrep -x sleep)/cgroup")
	for line := range strings.Lines(out) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if parts[0] == "0" || strings.Contains(parts[1], "=") {
			continue
		}
		want := "/"
		if slices.ContainsFunc(strings.Split(parts[1], ","), func(c string) bool {
			return slices.Contains([]string{"cpu", "cpuacct", "devices", "freezer", "memory", "pids"}, c)
		}) {
			want = "/pods/p/c"
		}
		if parts[2] != want {
			t.Errorf("%s is in %s, want %s", parts[1], parts[2], want)
		}
	}
	if !strings.Contains(out, ":/pods/p/c\n") {
		t.Errorf("groups of the container's process:\n%s", out)
	}
}
