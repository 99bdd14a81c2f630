package chaos

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// TestKillWhileLinking kills the daemon or a node's init at many moments of two nodes' joining: they are whole or gone, they can be joined,
// and no interface is left once they have been destroyed.
func TestKillWhileLinking(t *testing.T) {
	for _, v := range victims[:2] {
		t.Run(v.name, func(t *testing.T) {
			d := sandboxtest.Start(t)
			sweep(deleteEnd, func(at time.Duration) {
				when := fmt.Sprintf("%s killed %v after the call to link", v.name, at)
				for _, spec := range pair() {
					d.Node(t, spec)
				}
				done := make(chan error, 1)
				go func() { done <- bounded(t, "link", func(ctx context.Context) error { return d.Link(ctx, "a", "b") }) }()
				time.Sleep(at)
				v.kill(t, d)
				<-done
				v.back(t, d)
				if nodes := wholeOrGone(t, d, when); v.name == "daemon" && len(nodes) != 2 {
					t.Errorf("%s: %d nodes are left", when, len(nodes))
				}
				if v.name == "daemon" {
					must(t, bounded(t, "link", func(ctx context.Context) error { return d.Link(ctx, "a", "b") }))
				}
				must(t, errors.Join(d.Destroy(t.Context(), "a"), d.Destroy(t.Context(), "b")))
				nothingLeft(t, d, when)
			})
		})
	}
}

// pair are two nodes of one owner whose pods' addresses differ.
func pair() []sandbox.NodeSpec {
	return []sandbox.NodeSpec{{ID: "a", Owner: "ann", Subnet: "10.88.1.0/24"}, {ID: "b", Owner: "ann", Subnet: "10.88.2.0/24"}}
}

// TestKillAroundPower kills the daemon or node init while a node is stopped and started again.
func TestKillAroundPower(t *testing.T) {
	for _, v := range victims[:2] {
		t.Run(v.name, func(t *testing.T) {
			d := sandboxtest.Start(t)
			sweep(createEnd, func(at time.Duration) {
				when := fmt.Sprintf("%s killed %v after the power went off", v.name, at)
				d.Node(t, sandbox.NodeSpec{ID: "n"})
				done := make(chan error, 1)
				go func() {
					done <- bounded(t, "power", func(ctx context.Context) error {
						if err := d.PowerOff(ctx, "n"); err != nil {
							return err
						}
						_, err := d.PowerOn(ctx, "n")
						return err
					})
				}()
				time.Sleep(at)
				v.kill(t, d)
				err := <-done
				v.back(t, d)
				nodes, listed := d.List(t.Context())
				if listed != nil {
					t.Fatal(listed)
				}
				if err == nil && v.name == "init" || v.name == "daemon" {
					wholeOrGone(t, d, when)
				}
				must(t, bounded(t, "destroy", func(ctx context.Context) error { return d.Destroy(ctx, "n") }))
				nothingLeft(t, d, fmt.Sprintf("%s (%v; %d nodes)", when, err, len(nodes)))
			})
		})
	}
}

// TestLinksInACycle joins, cuts and destroys two nodes, again and again, and stops and starts one.
func TestLinksInACycle(t *testing.T) {
	d := sandboxtest.Start(t)
	cycle := func() {
		ctx := t.Context()
		for _, spec := range pair() {
			d.Node(t, spec)
		}
		must(t, errors.Join(d.Link(ctx, "a", "b"), d.Cut(ctx, "a", "b"), d.Restore(ctx, "a", "b"), d.PowerOff(ctx, "a")))
		_, err := d.PowerOn(ctx, "a")
		must(t, errors.Join(err, d.Destroy(ctx, "a"), d.Destroy(ctx, "b")))
	}
	for range 10 {
		cycle()
	}
	nothingLeft(t, d, "after the first pairs")
	before, was := host(t, d), pss(t, d.PID())
	for range cycles() / 5 {
		cycle()
	}
	same(t, fmt.Sprint(cycles()/5, " pairs"), before, func() count { return host(t, d) })
	memory(t, "daemon", d.PID(), was, 2048)
}

// TestSpares kills the daemon at many moments while nodes are made ahead. None of them is left by the next one's orderly end.
func TestSpares(t *testing.T) {
	d := sandboxtest.Start(t, sandboxtest.Args("--spares", "2"))
	sweep(4*createEnd, func(at time.Duration) {
		node := d.Node(t, sandbox.NodeSpec{ID: "n"})
		time.Sleep(at)
		d.Stop(t, unix.SIGKILL)
		d.Restart(t)
		must(t, bounded(t, "exec", func(ctx context.Context) error { return answers(ctx, d, node) }))
		must(t, d.Destroy(t.Context(), "n"))
	})
	d.Stop(t, unix.SIGINT)
	nothingLeft(t, d, "spares")
}
