package trace

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

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
	all := got.until(t, node.inode, ends("exe", 1))
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
	connect, accept := byKind["connect"][0].Params, byKind["accept"][0].Params
	if connect["remote"] != server || accept["local"] != server || connect["local"] != accept["remote"] || byKind["connectFailed"][0].Params["remote"] != server {
		t.Errorf("%+v", some)
	}
}

// A process whose parent ends goes to PID 1, and the moment comes after the parent's end.
func TestEBPFTellsNewParents(t *testing.T) {
	needRoot(t)
	tr, got := listen(t, KindEBPF)
	node := newPIDNS(t)
	must(t, tr.Add(node.inode, node.pid))
	node.run(t, "20*\tsh\t-c\tsh -c 'sleep 0.2; exit 0' & exit 0\n")
	all := got.until(t, node.inode, func(all []sandbox.Moment) bool { return len(ofKind(all, sandbox.MomentReparent)) >= 20 })
	forked, ended := map[int]int{}, map[int]bool{}
	for _, m := range all {
		switch m.Kind {
		case sandbox.MomentFork:
			forked[m.PID] = m.PPID
		case sandbox.MomentExit:
			ended[m.PID] = true
		case sandbox.MomentReparent:
			if m.PPID != 1 || !ended[forked[m.PID]] || ended[m.PID] {
				t.Errorf("%+v, forked by %d", m, forked[m.PID])
			}
		}
	}
}
