package trace

import (
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// runTCP listens, connects to itself, and tries a port at which nobody listens.
func runTCP() {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	accepted := make(chan net.Conn)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			panic(err)
		}
		accepted <- conn
	}()
	conn, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		panic(err)
	}
	(<-accepted).Close()
	conn.Close()
	l.Close()
	if _, err := net.Dial("tcp4", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
		panic("somebody listens")
	}
}

func ofKind(all []sandbox.Moment, kinds ...string) (some []sandbox.Moment) {
	for _, m := range all {
		if slices.Contains(kinds, m.Kind) {
			some = append(some, m)
		}
	}
	return some
}

func TestEBPFTellsNamespacesAndMounts(t *testing.T) {
	needRoot(t)
	tr, got := listen(t, KindEBPF)
	node := newPIDNS(t)
	must(t, tr.Add(node.inode, node.pid))
	node.run(t, "unshare\t--mount\t--uts\tsh\t-c\t"+
		"mount -t tmpfs t /mnt && mount --bind /mnt /media && umount /media && exec nsenter --uts=/proc/"+strconv.Itoa(node.pid)+"/ns/uts true\n")
	all := got.until(t, node.inode, ends("true", 1))
	var story []string
	for _, m := range ofKind(all, sandbox.MomentSetns, sandbox.MomentUnshare, sandbox.MomentMount, sandbox.MomentUnmount) {
		if m.Reason == "Propagation" {
			continue // unshare(1) makes every mount private
		}
		story = append(story, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", m.Name, m.Kind, m.Reason+m.Params["kinds"], m.Path, m.Params["type"])))
		if m.PID < 2 || m.PIDInside != m.PID || m.PIDNS != node.inode || m.Thread {
			t.Errorf("%+v", m)
		}
	}
	want := []string{"unshare unshare mnt uts", "mount mount  /mnt tmpfs", "mount mount Bind /media", "umount unmount  /media", "nsenter setns uts"}
	if !slices.Equal(story, want) {
		t.Errorf("%q", story)
	}
}

// A process joins a namespace whose inode is told.
func TestEBPFTellsWhichNamespace(t *testing.T) {
	needRoot(t)
	tr, got := listen(t, KindEBPF)
	node := newPIDNS(t)
	must(t, tr.Add(node.inode, node.pid))
	node.run(t, "unshare\t--net\ttrue\nnsenter\t--net=/proc/self/ns/net\ttrue\n")
	all := got.until(t, node.inode, ends("true", 2))
	own := ofKind(all, sandbox.MomentUnshare)
	back := ofKind(all, sandbox.MomentSetns)
	here := namespaceOf(t, "net")
	if len(own) != 1 || len(back) != 1 || back[0].Params["net"] != here || own[0].Params["net"] == here || own[0].Params["net"] == "" {
		t.Errorf("here %s: unshare %+v, setns %+v", here, own, back)
	}
}

func TestEBPFTellsConnections(t *testing.T) {
	needRoot(t)
	tr, got := listen(t, KindEBPF)
	node := newPIDNS(t)
	must(t, tr.Add(node.inode, node.pid))
	node.run(t, "/proc/self/exe\ttcp\n")
	all := got.until(t, node.inode, func(all []sandbox.Moment) bool { // the last word of a connection may come after its process's end
		return ends("exe", 1)(all) && len(ofKind(all, sandbox.MomentClose)) >= 3
	})
	some := ofKind(all, sandbox.MomentListen, sandbox.MomentConnect, sandbox.MomentAccept, sandbox.MomentClose)
	byKind := map[string][]sandbox.Moment{}
	for _, m := range some {
		byKind[m.Kind+m.Reason] = append(byKind[m.Kind+m.Reason], m)
		if m.Name != "exe" || m.PID < 2 || m.Params["net"] != namespaceOf(t, "net") {
			t.Errorf("%+v", m)
		}
	}
	for kind, n := range map[string]int{"listen": 1, "connect": 1, "accept": 1, "connectFailed": 1, "close": 3} {
		if len(byKind[kind]) != n {
			t.Fatalf("%d of %s: %+v", len(byKind[kind]), kind, some)
		}
	}
	server := byKind["listen"][0].Params["local"]
	connect, accept, failed := byKind["connect"][0].Params, byKind["accept"][0].Params, byKind["connectFailed"][0].Params
	refused := failed["remote"] == server && failed["error"] == "ECONNREFUSED"
	if !refused || connect["remote"] != server || accept["local"] != server || connect["local"] != accept["remote"] {
		t.Errorf("%+v", some)
	}
}

// runSubreaper adopts a grandchild whose parent ends, and waits for it.
func runSubreaper() {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	if err := exec.Command("sh", "-c", "sh -c 'sleep 0.1; exit 5' & exit 0").Run(); err != nil {
		panic(err)
	}
	if _, err := unix.Wait4(-1, nil, 0, nil); err != nil {
		panic(err)
	}
}

// newParents are the moments of new parents, each of which must come after its old parent's end and before its own.
func newParents(t *testing.T, all []sandbox.Moment) (orphans []sandbox.Moment) {
	t.Helper()
	forked, ended := map[int]int{}, map[int]bool{}
	for _, m := range all {
		switch m.Kind {
		case sandbox.MomentFork:
			forked[m.PID] = m.PPID
		case sandbox.MomentExit:
			ended[m.PID] = true
		case sandbox.MomentReparent:
			orphans = append(orphans, m)
			if !ended[forked[m.PID]] || ended[m.PID] {
				t.Errorf("%+v, forked by %d", m, forked[m.PID])
			}
		}
	}
	return orphans
}

func TestEBPFTellsNewParents(t *testing.T) {
	needRoot(t)
	tr, got := listen(t, KindEBPF)
	node := newPIDNS(t)
	must(t, tr.Add(node.inode, node.pid))
	node.run(t, "20*\tsh\t-c\tsh -c 'sleep 0.01; exit 0' & exit 0\n")
	all := got.until(t, node.inode, func(all []sandbox.Moment) bool { return len(ofKind(all, sandbox.MomentReparent)) >= 20 })
	for _, m := range newParents(t, all) {
		if m.PPID != 1 {
			t.Errorf("%+v", m)
		}
	}
}

// A process may ask for the orphans below it (prctl(2), PR_SET_CHILD_SUBREAPER), as shims of container runtimes do.
func TestEBPFTellsSubreapers(t *testing.T) {
	needRoot(t)
	tr, got := listen(t, KindEBPF)
	node := newPIDNS(t)
	must(t, tr.Add(node.inode, node.pid))
	node.run(t, "/proc/self/exe\tsubreaper\n")
	all := got.until(t, node.inode, ends("exe", 1))
	orphans := newParents(t, all)
	i := slices.IndexFunc(all, func(m sandbox.Moment) bool { return m.Kind == sandbox.MomentExec && strings.HasSuffix(m.Path, "/exe") })
	if len(orphans) != 1 || orphans[0].PPID != all[i].PID {
		t.Errorf("%+v, want one to %d", orphans, all[i].PID)
	}
}
