package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/gorilla/websocket"

	"podlab/sandbox"
)

// abuses are what one learner may do to the machine; shared/security.md promises the neighbour's keys within 100 ms at p99.
var abuses = []struct{ name, script string }{
	{"none", "sleep 1000"},
	{"forks", "b() { b | b & }; b; sleep 1000"},
	{"cpu", "for i in 1 2 3 4 5 6 7 8; do while :; do :; done & done; wait"},
	{"memory", "while :; do cat /dev/zero | tail -c 1G; done"},
	{"disk", "while :; do cat /dev/zero >/root/full; done"},
	{"output", "exec cat /dev/zero"},
}

// benchNeighbour takes the key echo of a learner while each abuse goes on in another node.
func benchNeighbour(ctx context.Context, b *bench) error {
	for _, abuse := range abuses {
		if err := b.keysBeside(ctx, abuse.name, abuse.script); err != nil {
			return fmt.Errorf("%s: %w", abuse.name, err)
		}
	}
	return nil
}

func (b *bench) keysBeside(ctx context.Context, name, script string) error {
	n, destroy, err := b.host.node(ctx, "hog")
	if err != nil {
		return err
	}
	defer destroy()
	return b.atTerminal(ctx, func(_ *websocket.Conn, term *terminal) error {
		go func() { // ends with the node
			spec := sandbox.ExecSpec{Argv: []string{"bash", "-c", script + " 2>/dev/null"}}
			_, _ = b.host.daemon.Agent(n).Exec(ctx, spec, sandbox.Streams{Out: io.Discard})
		}()
		time.Sleep(2 * time.Second) // at its worst by then
		t, err := typeKeys(term, b.rounds*10, 10*time.Millisecond)
		if err != nil {
			return err
		}
		t.print("neighbour." + name + ".echo")
		return nil
	})
}
