package top

import (
	"context"
	"io"
	"time"
)

// Once prints the node as it is.
func Once(ctx context.Context, node Node, out io.Writer) error {
	s, err := node.Agent.Snapshot(ctx)
	if err != nil {
		return err
	}
	p := picture{node: node.ID}
	p.look(s, time.Now())
	return p.print(out, time.Now())
}
