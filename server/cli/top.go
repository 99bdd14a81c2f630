package cli

import (
	"os"

	"github.com/gdamore/tcell/v2"
	"golang.org/x/term"

	"podlab/server/cli/top"
)

type topCmd struct {
	Node string `arg:"" help:"Node."`
	Once bool   `help:"Print it once and end, as happens where standard output is no terminal."`
}

func (c *topCmd) Run(e *env) error {
	agent, err := e.agent(c.Node)
	if err != nil {
		return err
	}
	node := top.Node{ID: c.Node, Nodes: e.nodes, Agent: agent}
	if file, ok := e.Out.(*os.File); c.Once || !ok || !term.IsTerminal(int(file.Fd())) {
		return top.Once(e.ctx, node, e.Out)
	}
	screen, err := tcell.NewScreen()
	if err != nil {
		return err
	}
	return top.Run(e.ctx, node, screen)
}
