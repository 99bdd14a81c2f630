package cli

import (
	"cmp"
	"strings"

	"podlab/sandbox"
)

// pair names two nodes.
type pair struct {
	A string `arg:"" help:"A node's id."`
	B string `arg:"" help:"The other's."`
}

type (
	nodeLinkCmd    struct{ pair }
	nodeCutCmd     struct{ pair }
	nodeRestoreCmd struct{ pair }
)

func (c *nodeLinkCmd) Run(e *env) error    { return e.nodes.Link(e.ctx, c.A, c.B) }
func (c *nodeCutCmd) Run(e *env) error     { return e.nodes.Cut(e.ctx, c.A, c.B) }
func (c *nodeRestoreCmd) Run(e *env) error { return e.nodes.Restore(e.ctx, c.A, c.B) }

// links are the ids of the nodes that one is linked to.
func links(to []sandbox.Link) string {
	var words []string
	for _, l := range to {
		word := l.Node
		if l.Cut {
			word += "(cut)"
		}
		words = append(words, word)
	}
	return cmp.Or(strings.Join(words, ","), "-")
}

type nodeStopCmd struct {
	Node string `arg:"" help:"Its id."`
}

func (c *nodeStopCmd) Run(e *env) error { return e.nodes.PowerOff(e.ctx, c.Node) }

type nodeStartCmd struct {
	Node string `arg:"" help:"Its id."`
}

func (c *nodeStartCmd) Run(e *env) error {
	_, err := e.nodes.PowerOn(e.ctx, c.Node)
	return err
}
