package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// linked is a node with a pod that serves a page, and its address.
type linked struct {
	sandbox.Node
	agent sandbox.Agent
	pod   string
}

func serving(ctx context.Context, t *testing.T, d *sandboxtest.Daemon, id, owner string, subnet int) linked {
	t.Helper()
	n := d.Node(t, sandbox.NodeSpec{ID: id, Hostname: id, Owner: owner, Subnet: fmt.Sprintf("10.88.%d.0/24", subnet)})
	agent := d.Agent(n)
	apply(ctx, t, agent, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"terminationGracePeriodSeconds":0,"containers":[
		{"name":"web","image":"busybox","command":["sh","-c","mkdir /www; hostname > /www/index.html; exec httpd -f -p 80 -h /www"]}]}}`)
	s := until(ctx, t, agent, "the pod", func(s sandbox.Snapshot) bool { return find(s, "web/web").State == sandbox.StateRunning })
	if _, exit := in(ctx, t, agent, "web/web", "sh", "-c", "until nc -w 1 127.0.0.1 80 </dev/null; do sleep 0.02; done"); exit.Code != 0 {
		t.Fatalf("the server of %s does not listen: %+v", id, exit)
	}
	want := fmt.Sprintf("10.88.%d.2", subnet)
	if got := s.Pods[0].Status.PodIP; got != want {
		t.Fatalf("the pod of %s has %s, want %s", id, got, want)
	}
	return linked{n, agent, want}
}

// reaches tells whether a pod of one node gets an answer from the other's, by ICMP and by TCP. Both must agree. An answer that is expected
// is waited for as long as a busy machine may take.
func (l linked) reaches(ctx context.Context, t *testing.T, other linked, expected bool) bool {
	t.Helper()
	seconds := 1
	if expected {
		seconds = 10
	}
	ping, page := l.pings(ctx, t, other, seconds), l.gets(ctx, t, other, seconds)
	got := strings.Contains(page, "200 OK")
	if ping != got {
		t.Errorf("%s to %s: ping is answered: %v, GET answers %q", l.Spec.ID, other.Spec.ID, ping, page)
	}
	return got
}

func (l linked) pings(ctx context.Context, t *testing.T, other linked, seconds int) bool {
	t.Helper()
	_, exit := in(ctx, t, l.agent, "web/web", "ping", "-c", "1", "-W", fmt.Sprint(seconds), other.pod)
	return exit.Code == 0
}

func (l linked) gets(ctx context.Context, t *testing.T, other linked, seconds int) string {
	t.Helper()
	script := fmt.Sprintf("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | timeout %d nc -w %d %s 80", 2*seconds, seconds, other.pod)
	page, _ := in(ctx, t, l.agent, "web/web", "sh", "-c", script)
	return page
}

func TestPodsOfLinkedNodes(t *testing.T) {
	d := sandboxtest.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), sandboxtest.Within(2*time.Minute))
	defer cancel()
	a, b, c := serving(ctx, t, d, "a", "ann", 1), serving(ctx, t, d, "b", "ann", 2), serving(ctx, t, d, "c", "ann", 3)
	both := func(want bool, when string) {
		t.Helper()
		if there, back := a.reaches(ctx, t, b, want), b.reaches(ctx, t, a, want); there != want || back != want {
			t.Fatalf("%s: a reaches b: %v, b reaches a: %v", when, there, back)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	both(false, "before")
	began := time.Now()
	must(d.Link(ctx, "a", "b"))
	t.Logf("linked in %v", time.Since(began))
	both(true, "linked")
	must(d.Link(ctx, "b", "a")) // as it is
	must(d.Link(ctx, "a", "c"))
	if !a.reaches(ctx, t, c, true) {
		t.Error("a does not reach its second neighbour")
	}
	must(d.Cut(ctx, "a", "b"))
	both(false, "cut")
	if !a.reaches(ctx, t, c, true) {
		t.Error("a lost its other neighbour by the cut")
	}
	d.Stop(t, unix.SIGKILL)
	d.Restart(t)
	must(d.Restore(ctx, "b", "a"))
	both(true, "restored by the next daemon")
	must(d.PowerOff(ctx, "b"))
	if page := a.gets(ctx, t, b, 1); strings.Contains(page, "200 OK") {
		t.Errorf("a stopped node answers %q", page)
	}
	// The kernel itself answers pings, until its worker has taken the network of the dead down.
	for end := time.Now().Add(sandboxtest.Within(10 * time.Second)); a.pings(ctx, t, b, 1); {
		if time.Now().After(end) {
			t.Fatal("a stopped node's network stays")
		}
	}
	_, err := d.PowerOn(ctx, "b")
	must(err)
	if out, _ := in(ctx, t, a.agent, "", "ping", "-c", "1", "-W", "10", "10.88.2.1"); !strings.Contains(out, "1 packets received") && !strings.Contains(out, "1 received") {
		t.Errorf("the cable of a node that was started again: %s", out)
	}
	must(d.Destroy(ctx, "b"))
	nodes, err := d.List(ctx)
	must(err)
	for _, n := range nodes {
		for _, l := range n.Links {
			if l.Node == "b" {
				t.Errorf("%s is linked to a node that is gone", n.Spec.ID)
			}
		}
	}
	card := "link2"
	for end := time.Now().Add(sandboxtest.Within(10 * time.Second)); strings.Contains(card, "link2") && time.Now().Before(end); { // the kernel takes networks down later
		card, _ = in(ctx, t, a.agent, "", "ip", "-o", "link")
	}
	if strings.Contains(card, "link2") {
		t.Errorf("a's card to b is left: %s", card)
	}
}

// TestNoFrameReachesAnotherLearner shouts from a linked node, as its root, in every way there is: another learner's node counts not one
// frame more.
func TestNoFrameReachesAnotherLearner(t *testing.T) {
	d := sandboxtest.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), sandboxtest.Within(2*time.Minute))
	defer cancel()
	a, b, other := serving(ctx, t, d, "a", "ann", 1), serving(ctx, t, d, "b", "ann", 2), serving(ctx, t, d, "other", "bob", 3)
	if err := d.Link(ctx, "a", "b"); err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]string{{"a", "other"}, {"other", "b"}} {
		if err := d.Link(ctx, pair[0], pair[1]); sandbox.CodeOf(err) != sandbox.CodeDenied {
			t.Errorf("link of %v: %v", pair, err)
		}
	}
	apply(ctx, t, a.agent, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"root"},"spec":{"hostNetwork":true,"terminationGracePeriodSeconds":0,
		"containers":[{"name":"root","image":"busybox","command":["sleep","3600"],"securityContext":{"privileged":true}}]}}`)
	until(ctx, t, a.agent, "the privileged pod", func(s sandbox.Snapshot) bool { return find(s, "root/root").State == sandbox.StateRunning })
	received := func(at linked) string { // what each card of a node received
		out, _ := in(ctx, t, at.agent, "", "awk", "NR > 2 {print $1, $2, $3, $4, $5}", "/proc/net/dev")
		return out
	}
	before, neighbour := received(other), received(b)
	shout := `ip -6 addr add fd00::1/64 dev link2 nodad; ip -6 addr add fd00::2/64 dev cni0 nodad
ip route add 10.88.3.0/24 via 10.88.2.1 dev link2 onlink
for to in 10.88.3.1 10.88.3.2 10.88.255.255; do ping -c 2 -W 1 $to; done
for card in link2 cni0; do
  ping -6 -c 2 -W 1 ff02::1%$card; ping -b -c 2 -W 1 -I $card 255.255.255.255
  arping -c 2 -w 1 -I $card 10.88.3.2; arping -c 2 -w 1 -I $card 10.88.3.1
done
for to in 10.88.3.1 10.88.3.2; do echo | timeout 2 nc -w 1 $to 80; done; ping -6 -c 1 -W 1 fd00::3; true`
	out, _ := in(ctx, t, a.agent, "root/root", "sh", "-c", shout)
	if strings.Contains(out, "bytes from 10.88.3.") || strings.Contains(out, "other") {
		t.Errorf("somebody answered: %s", out)
	}
	if after := received(other); after != before {
		t.Errorf("another learner's node saw something: before\n%s\nafter\n%s", before, after)
	}
	if after := received(b); after == neighbour {
		t.Error("not even the linked node saw anything: this test shows nothing")
	}
}
