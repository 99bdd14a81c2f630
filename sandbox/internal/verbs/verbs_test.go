package verbs

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"testing"

	"podlab/sandbox"
	"podlab/sandbox/client"
	"podlab/sandbox/fake"
	"podlab/sandbox/internal/ring"
	"podlab/sandbox/internal/sandboxtest"
	"podlab/sandbox/wire"
)

// nodes are a daemon in memory, with one log for all of its nodes.
type nodes struct {
	*fake.Nodes
	log *ring.Ring[sandbox.Moment]
}

func (n nodes) Log(ctx context.Context, id string) (*ring.Ring[sandbox.Moment], bool) {
	list, err := n.List(ctx)
	return n.log, err == nil && slices.ContainsFunc(list, func(node sandbox.Node) bool { return node.Spec.ID == id })
}

func (n nodes) Gone(id string) error { return sandbox.NodeGone(id, sandbox.GoneDestroyed) }

// serve lets nodes be asked until the test ends.
func serve(t *testing.T, of nodes) client.Daemon {
	t.Helper()
	sandboxtest.Root(t)
	d := client.Daemon{Socket: filepath.Join(t.TempDir(), "s.sock")}
	server, err := Listen(d.Socket, 0, of, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return d
}

// TestEveryVerb asks everything by the client, and looks at what became of it.
func TestEveryVerb(t *testing.T) {
	of := nodes{fake.New(), ring.New[sandbox.Moment](8)}
	d, ctx := serve(t, of), t.Context()
	state := func(id string) sandbox.Node {
		t.Helper()
		list, err := d.List(ctx)
		at := slices.IndexFunc(list, func(n sandbox.Node) bool { return n.Spec.ID == id })
		if err != nil || at < 0 {
			t.Fatalf("%s is not among %v (%v)", id, list, err)
		}
		return list[at]
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for id, subnet := range map[string]string{"one": "10.88.1.0/24", "two": "10.88.2.0/24"} {
		if n, err := d.Create(ctx, sandbox.NodeSpec{ID: id, Owner: "ann", Subnet: subnet}); err != nil || n.Spec.ID != id {
			t.Fatalf("create: %v %v", n, err)
		}
	}
	if info, err := d.Info(ctx); err != nil || info.Nodes != 2 {
		t.Errorf("info: %+v %v", info, err)
	}
	must(d.Freeze(ctx, "one"))
	if !state("one").Frozen {
		t.Error("freeze froze nothing")
	}
	must(d.Thaw(ctx, "one"))
	if state("one").Frozen {
		t.Error("thaw thawed nothing")
	}
	must(d.PowerOff(ctx, "one"))
	if !state("one").Stopped {
		t.Error("power is not off")
	}
	if n, err := d.PowerOn(ctx, "one"); err != nil || n.Stopped || state("one").Stopped {
		t.Errorf("power is not on: %v %v", n, err)
	}
	for _, step := range []struct {
		do  func(ctx context.Context, a, b string) error
		cut bool
	}{{d.Link, false}, {d.Cut, true}, {d.Restore, false}} {
		must(step.do(ctx, "one", "two"))
		if got := state("one").Links; !slices.Equal(got, []sandbox.Link{{Node: "two", Cut: step.cut}}) {
			t.Errorf("links: %v", got)
		}
	}
	must(d.Destroy(ctx, "one"))
	if list, err := d.List(ctx); err != nil || len(list) != 1 {
		t.Errorf("destroyed: %v %v", list, err)
	}
	if err := d.Cut(ctx, "one", "two"); sandbox.CodeOf(err) != sandbox.CodeNotFound {
		t.Errorf("an error on its way: %v", err)
	}
}

// TestMoments: those that were before and those that come, in order, until the node is gone.
func TestMoments(t *testing.T) {
	of := nodes{fake.New(), ring.New[sandbox.Moment](1000)}
	d, ctx := serve(t, of), t.Context()
	if err := d.Moments(ctx, "one", 0, nil); sandbox.CodeOf(err) != sandbox.CodeNodeGone {
		t.Errorf("of no node: %v", err)
	}
	if _, err := d.Create(ctx, sandbox.NodeSpec{ID: "one"}); err != nil {
		t.Fatal(err)
	}
	happen := func() {
		of.log.Add(func(number uint64) sandbox.Moment { return sandbox.Moment{Seq: number} })
	}
	const before, all = 2 * batch, 2*batch + 10
	for range before {
		happen()
	}
	last, messages := uint64(1), 0
	err := d.Moments(ctx, "one", last, func(m sandbox.Moments) error {
		messages++
		for _, one := range m.Items {
			if one.Seq != last+1 {
				t.Errorf("%d after %d", one.Seq, last)
			}
			last = one.Seq
		}
		switch {
		case last == all:
			of.log.Close()
		case last >= before:
			happen()
		}
		return nil
	})
	if sandbox.CodeOf(err) != sandbox.CodeNodeGone || last != all {
		t.Errorf("at %d the stream ended with %v", last, err)
	}
	if messages < 3 {
		t.Errorf("%d messages for %d moments", messages, all)
	}
	stop := errors.New("enough")
	if err := d.Moments(ctx, "one", 0, func(sandbox.Moments) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("a reader that stops: %v", err)
	}
}

// TestNonsense: what is no request is answered, and the next one is served.
func TestNonsense(t *testing.T) {
	d := serve(t, nodes{fake.New(), ring.New[sandbox.Moment](8)})
	for name, say := range map[string]func(net.Conn) error{
		"no JSON":        func(c net.Conn) error { return wire.Write(c, wire.JSON, []byte("{")) },
		"another kind":   func(c net.Conn) error { return wire.Write(c, wire.Stdin, []byte("{}")) },
		"no such verb":   func(c net.Conn) error { return wire.WriteJSON(c, wire.JSON, wire.Request{Verb: "dance"}) },
		"no arguments":   func(c net.Conn) error { return wire.WriteJSON(c, wire.JSON, wire.Request{Verb: wire.VerbCreate}) },
		"no node's name": func(c net.Conn) error { return wire.WriteJSON(c, wire.JSON, wire.Request{Verb: wire.VerbMoments}) },
		"too long": func(c net.Conn) error {
			_, err := c.Write([]byte{wire.JSON, 0x7f, 0xff, 0xff, 0xff})
			return err
		},
	} {
		conn, err := net.Dial("unix", d.Socket)
		if err != nil {
			t.Fatal(err)
		}
		if err := say(conn); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var reply wire.Reply
		if err := wire.ReadJSON(conn, &reply); err != nil || reply.Error == nil || reply.Error.Code != sandbox.CodeBadRequest {
			t.Errorf("%s: %+v %v", name, reply, err)
		}
		conn.Close()
	}
	if _, err := d.Info(t.Context()); err != nil {
		t.Error(err)
	}
}
