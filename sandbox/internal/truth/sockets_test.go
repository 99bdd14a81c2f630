package truth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// TestEverySocketHasItsOwner opens sockets at random in pods of two to five containers. Of each, the snapshot must say whose it is, as the
// process that opened it and the host's /proc do, and of no others; connections lead from the right container to the right one; and the
// kernel's moments name the process and the network.
func TestEverySocketHasItsOwner(t *testing.T) {
	d := sandboxtest.Start(t)
	n := d.Node(t, sandbox.NodeSpec{})
	ctx, cancel := context.WithTimeout(t.Context(), sandboxtest.Within(3*time.Minute))
	t.Cleanup(cancel)
	agent := d.Agent(n)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	told := follow(ctx, t, d, n.Spec.ID)
	install(ctx, t, agent)
	var claims []*claim
	var all []*peer
	for size := 2; size <= 5; size++ {
		peers := startPod(ctx, t, agent, size, random.IntN(2) == 0)
		claims, all = append(claims, traffic(random, peers)...), append(all, peers...)
	}
	for i := range 4 { // a directory of the node leads from one pod's network to another's
		listener := all[random.IntN(len(all))].opens("listen", "unix", fmt.Sprintf("/common/%d", i))
		near := all[random.IntN(len(all))].opens("dial", "unix", listener.local)
		claims = append(claims, listener, near, listener.accepts(near))
	}
	s := agreed(ctx, t, agent, n, claims)
	rows := len(hostSockets(t, n.PID))
	t.Logf("%d sockets, %d of them in the host's tables", len(claims), rows)
	if rows < len(claims)/2 { // the others are ends of Unix connections that have no name
		t.Error("the host's tables were not read")
	}
	for _, c := range claims {
		told.until(t, c.moment(s))
	}
	left := endSome(t, random, told, s, claims)
	t.Logf("%d sockets ended", len(claims)-len(left))
	agreed(ctx, t, agent, n, left)
	for _, nowhere := range []string{"unix /nowhere", "unix @nowhere", "unixgram /nowhere", "unixpacket /peer/peer", "udp6 [ff02::1]:9"} {
		network, address, _ := strings.Cut(nowhere, " ")
		all[random.IntN(len(all))].refused(t, told, s, network, address)
	}
	told.onlyOnce(t)
	if told.lost > 0 {
		t.Errorf("%d moments were lost", told.lost)
	}
}

// install puts this program onto the node.
func install(ctx context.Context, t *testing.T, agent sandbox.Agent) {
	t.Helper()
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	var out bytes.Buffer
	exit, err := agent.Exec(ctx, sandbox.ExecSpec{Argv: []string{"sh", "-ec", "mkdir /peer /common; cat >/peer/peer; chmod 755 /peer/peer"}},
		sandbox.Streams{In: self, Out: &out, Err: &out})
	if err != nil || exit.Code != 0 {
		t.Fatal(exit, err, out.String())
	}
}

// startPod makes a pod of containers c0, c1 …, with a peer in each and a directory that they share.
func startPod(ctx context.Context, t *testing.T, agent sandbox.Agent, size int, sharedPIDs bool) (peers []*peer) {
	t.Helper()
	name := fmt.Sprintf("pod%d", size)
	var containers []string
	for i := range size {
		containers = append(containers, fmt.Sprintf(`{"name":"c%d","image":"busybox","command":["sleep","100000"],"volumeMounts":[
			{"name":"peer","mountPath":"/peer","readOnly":true},{"name":"shared","mountPath":"/shared"},{"name":"common","mountPath":"/common"}]}`, i))
	}
	pod := fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q},"spec":{"shareProcessNamespace":%v,"terminationGracePeriodSeconds":0,
		"volumes":[{"name":"peer","hostPath":{"path":"/peer"}},{"name":"common","hostPath":{"path":"/common"}},{"name":"shared","emptyDir":{}}],
		"containers":[%s]}}`, name, sharedPIDs, strings.Join(containers, ","))
	if !json.Valid([]byte(pod)) {
		t.Fatal(pod)
	}
	if _, err := agent.Apply(ctx, [][]byte{[]byte(pod)}); err != nil {
		t.Fatal(err)
	}
	watch(ctx, t, agent, func(s sandbox.Snapshot) string {
		for i := range size {
			at := slices.IndexFunc(s.Containers, func(c sandbox.Container) bool { return c.ID == fmt.Sprintf("%s/c%d", name, i) })
			if at < 0 || s.Containers[at].State != sandbox.StateRunning {
				return name + " does not run"
			}
		}
		return ""
	})
	for i := range size {
		peers = append(peers, startPeer(ctx, t, agent, fmt.Sprintf("%s/c%d", name, i)))
	}
	return peers
}

// watch waits until nothing is wrong with what is seen on the node.
func watch(ctx context.Context, t *testing.T, agent sandbox.Agent, wrong func(sandbox.Snapshot) string) (s sandbox.Snapshot) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, sandboxtest.Within(20*time.Second))
	defer cancel()
	content := errors.New("nothing is wrong")
	last := "nothing was seen"
	err := agent.Watch(ctx, nil, func(u sandbox.Update) error {
		if u.Snapshot == nil {
			return nil
		}
		s = *u.Snapshot
		if last = wrong(s); last == "" {
			return content
		}
		return nil
	})
	if !errors.Is(err, content) {
		t.Fatalf("%v: %s", err, last)
	}
	return s
}

// traffic lets every peer listen in several ways, and connects peers chosen at random to it; it returns all sockets that there are then.
func traffic(random *rand.Rand, peers []*peer) (all []*claim) {
	anyone := func() *peer { return peers[random.IntN(len(peers))] }
	pick := func(some ...string) string { return some[random.IntN(len(some))] }
	for i, server := range peers {
		for range 1 + random.IntN(2) {
			network, address, _ := strings.Cut(pick("tcp4 127.0.0.1", "tcp4 0.0.0.0", "tcp6 [::1]"), " ")
			listener := server.opens("listen", network, address+":0")
			all = append(all, listener)
			for range 1 + random.IntN(2) {
				near := anyone().opens("dial", network, reached(listener.local))
				far := listener.accepts(near)
				near.sent, far.sent = near.sends(far, 1+random.IntN(5000)), far.sends(near, 1+random.IntN(5000))
				all = append(all, near, far)
			}
		}
		for _, network := range []string{"unix", "unixpacket"} {
			listener := server.opens("listen", network, fmt.Sprintf("%s%s-c%d-%s", pick("/shared/", "@"), peers[0].pod(), i, network))
			near := anyone().opens("dial", network, listener.local)
			all = append(all, listener, near, listener.accepts(near))
		}
		datagrams := server.opens("packets", "unixgram", fmt.Sprintf("%s%s-c%d-datagrams", pick("/shared/", "@"), peers[0].pod(), i))
		sender := anyone().opens("dial", "unixgram", datagrams.local)
		sender.other = datagrams.inode
		all = append(all, datagrams, sender)
		network, address, _ := strings.Cut(pick("udp4 127.0.0.1", "udp4 0.0.0.0", "udp6 [::1]"), " ")
		udp := server.opens("packets", network, address+":0")
		all = append(all, udp, anyone().opens("dial", network, reached(udp.local)))
	}
	for _, c := range all {
		if random.IntN(8) == 0 {
			c.bequeaths()
		}
	}
	return all
}

// reached is the address over loopback of what listens at one.
func reached(address string) string { return strings.Replace(address, "0.0.0.0", "127.0.0.1", 1) }

func (p *peer) pod() string { return strings.SplitN(p.container, "/", 2)[0] }

// sends lets bytes go from one end of a connection to the other.
func (c *claim) sends(to *claim, n int) int64 {
	c.by.t.Helper()
	c.by.says("send %d %d", c.number, n)
	to.by.says("take %d %d", to.number, n)
	return int64(n)
}

// agreed waits until the snapshot, the processes and the host's /proc say the same of all sockets.
func agreed(ctx context.Context, t *testing.T, agent sandbox.Agent, n sandbox.Node, claims []*claim) sandbox.Snapshot {
	t.Helper()
	return watch(ctx, t, agent, func(s sandbox.Snapshot) string {
		seen := map[uint64]sandbox.Socket{}
		for _, network := range s.Networks {
			for _, sock := range network.Sockets {
				seen[sock.Inode] = sock
			}
		}
		wrong := append(againstClaims(s, seen, claims), againstHost(t, n.PID, seen, claims)...)
		return strings.Join(wrong[:min(len(wrong), 12)], "\n")
	})
}

// againstClaims compares what is seen with what the processes say.
func againstClaims(s sandbox.Snapshot, seen map[uint64]sandbox.Socket, claims []*claim) (wrong []string) {
	byInode := map[uint64]*claim{}
	for _, c := range claims {
		byInode[c.inode] = c
	}
	for _, c := range claims {
		got, ok := seen[c.inode]
		if !ok || got.Container != c.by.container || !slices.Equal(got.PIDs, c.holders(s)) {
			wrong = append(wrong, fmt.Sprintf("%v, held by %v: %+v", c, c.holders(s), got))
			continue
		}
		if c.local != "-" && got.Local != c.local || c.remote != "-" && got.Remote != c.remote {
			wrong = append(wrong, fmt.Sprintf("%v: from %s to %s", c, got.Local, got.Remote))
		}
		if far := byInode[c.other]; strings.HasPrefix(c.network, "unix") && far != nil && (got.Peer != far.inode || seen[got.Peer].Container != far.by.container) {
			wrong = append(wrong, fmt.Sprintf("%v: its other end is %+v", c, seen[got.Peer]))
		}
		if far := byInode[c.other]; c.sent > 0 && (got.TXBytes != c.sent || got.RXBytes != far.sent || got.TXPackets == 0 || got.RXPackets == 0) {
			wrong = append(wrong, fmt.Sprintf("%v, %d bytes there and %d back: %+v", c, c.sent, far.sent, got))
		}
	}
	return wrong
}

// holders are the node's pids of those who have the socket open.
func (c *claim) holders(s sandbox.Snapshot) (pids []int) {
	for _, p := range s.Processes {
		if p.Container == c.by.container && (p.Inside == c.by.pid && !c.ended || p.Inside == c.heir) {
			pids = append(pids, p.PID)
		}
	}
	return pids
}

// story counts a node's moments of sockets, by what makes each the only one of its kind.
type story struct {
	news         chan sandbox.Moments
	told, wanted map[string]int
	lost         uint64
}

func follow(ctx context.Context, t *testing.T, d *sandboxtest.Daemon, node string) *story {
	t.Helper()
	st := &story{news: make(chan sandbox.Moments, 1<<16), told: map[string]int{}, wanted: map[string]int{}}
	done := make(chan struct{})
	ctx, stop := context.WithCancel(ctx)
	go func() {
		defer close(done)
		_ = d.Moments(ctx, node, 0, func(run sandbox.Moments) error { // ends with ctx
			st.news <- run
			return nil
		})
	}()
	t.Cleanup(func() { stop(); <-done })
	return st
}

// until waits for a moment, as often as it is wanted.
func (st *story) until(t *testing.T, want string) {
	t.Helper()
	st.wanted[want]++
	end := time.After(sandboxtest.Within(10 * time.Second))
	for st.told[want] < st.wanted[want] {
		select {
		case run := <-st.news:
			st.lost += run.Lost
			for _, m := range run.Items {
				st.told[key(m.Kind, m.PIDNS, m.PIDInside, m.Params)]++
			}
		case <-end:
			t.Errorf("told %d times, not %d: %s", st.told[want], st.wanted[want], want)
			return
		}
	}
}

func key(kind string, pidns uint64, pid int, params map[string]string) string {
	local := params["local"]
	if params["error"] != "" {
		local = "" // the kernel may have given it a port by then
	}
	return fmt.Sprintf("%s %s %s of %d in %d, network %s, from %q to %q",
		params["proto"], kind, params["error"], pid, pidns, params["net"], local, params["remote"])
}

// proto is a network of package net as moments name it.
func proto(network string) string {
	if strings.HasPrefix(network, "unix") {
		return "unix"
	}
	return strings.TrimRight(network, "46")
}

// moment is what the kernel should have told of a socket.
func (c *claim) moment(s sandbox.Snapshot) string {
	kinds := map[string]string{"listen": sandbox.MomentListen, "packets": sandbox.MomentBind, "dial": sandbox.MomentConnect, "accept": sandbox.MomentAccept}
	return key(kinds[c.kind], c.by.namespaces(s).PID, c.by.pid, c.params(s))
}

func (p *peer) namespaces(s sandbox.Snapshot) sandbox.Namespaces {
	return s.Containers[slices.IndexFunc(s.Containers, func(x sandbox.Container) bool { return x.ID == p.container })].NS
}

// params are the ends of a socket in its moments. The kernel makes the server's end of a Unix connection in the client's network.
func (c *claim) params(s sandbox.Snapshot) map[string]string {
	network := c.by.namespaces(s).Net
	name := func(text string) string { return strings.TrimPrefix(text, "-") }
	if proto(c.network) == "unix" && c.client != nil {
		network = c.client.namespaces(s).Net
	}
	return map[string]string{"proto": proto(c.network), "net": strconv.FormatUint(network, 10), "local": name(c.local), "remote": name(c.remote)}
}
