package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"podlab/sandbox"
)

type nodeCommands struct {
	Create  nodeCreateCmd  `cmd:"" help:"Make a node and wait until it can be used."`
	Ls      nodeLsCmd      `cmd:"" help:"List the nodes."`
	Rm      nodeRmCmd      `cmd:"" help:"Remove nodes and all that is on them."`
	Shell   nodeShellCmd   `cmd:"" help:"Open a shell on a node."`
	Stop    nodeStopCmd    `cmd:"" help:"End everything on a node at once, and keep its files."`
	Start   nodeStartCmd   `cmd:"" help:"Boot a stopped node."`
	Link    nodeLinkCmd    `cmd:"" help:"Join two nodes of one owner: their pods reach each other."`
	Cut     nodeCutCmd     `cmd:"" help:"Cut the cable between two nodes."`
	Restore nodeRestoreCmd `cmd:"" help:"Restore a cable that was cut."`
}

type nodeCreateCmd struct {
	Node     string   `arg:"" help:"Its id: a–z, 0–9 and -."`
	Hostname string   `help:"Default: node."`
	Memory   quantity `help:"Such as 256Mi." placeholder:"SIZE"`
	CPU      quantity `help:"Such as 500m." placeholder:"CORES"`
	Pids     int64    `help:"Processes and threads." placeholder:"N"`
	Disk     quantity `help:"Such as 1Gi." placeholder:"SIZE"`
	Owner    string   `help:"Whose it is; only nodes of one owner can be linked." placeholder:"NAME"`
	Subnet   string   `help:"Of its pods, such as 10.88.1.0/24." placeholder:"CIDR"`
}

// quantity is a flag in Kubernetes' notation.
type quantity struct{ sandbox.Quantity }

// UnmarshalText reads it.
func (q *quantity) UnmarshalText(text []byte) (err error) {
	q.Quantity, err = sandbox.ParseQuantity(string(text))
	return err
}

func (c *nodeCreateCmd) Run(e *env) error {
	node, err := e.nodes.Create(e.ctx, sandbox.NodeSpec{
		ID: c.Node, Hostname: c.Hostname, Memory: c.Memory.Value(), CPU: c.CPU.MilliValue(), PIDs: c.Pids, Disk: c.Disk.Value(),
		Owner: c.Owner, Subnet: c.Subnet,
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(e.Out, node.Spec.ID)
	return nil
}

type nodeLsCmd struct{}

func (nodeLsCmd) Run(e *env) error {
	nodes, err := e.nodes.List(e.ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(e.Out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(table, "NAME\tSTATUS\tMEMORY\tCPU\tPIDS\tDISK\tLINKS\tAGE")
	for _, n := range nodes {
		status := "Running"
		switch {
		case n.Stopped:
			status = "Stopped"
		case n.Frozen:
			status = "Frozen"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", n.Spec.ID, status, size(n.Spec.Memory), cores(n.Spec.CPU), n.Spec.PIDs,
			size(n.Spec.Disk), links(n.Links), age(time.UnixMilli(n.Started)))
	}
	return table.Flush()
}

type nodeRmCmd struct {
	Nodes []string `arg:"" name:"node" help:"Ids."`
}

func (c *nodeRmCmd) Run(e *env) error {
	for _, id := range c.Nodes {
		if _, err := e.find(id); err != nil {
			return err
		}
		if err := e.nodes.Destroy(e.ctx, id); err != nil {
			return err
		}
		fmt.Fprintln(e.Out, id)
	}
	return nil
}

type nodeShellCmd struct {
	Node string `arg:"" help:"Its id."`
}

// Run opens a terminal of its own on the node and hangs it up afterwards, whichever way it ended.
func (c *nodeShellCmd) Run(e *env) error {
	agent, err := e.agent(c.Node)
	if err != nil {
		return err
	}
	tty, err := e.openTTY()
	if err != nil {
		return err
	}
	defer tty.close()
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	id := "cli-" + strings.ToLower(rand.Text()[:10])
	term, err := agent.Terminal(ctx, sandbox.TerminalSpec{ID: id, Target: "node", Size: tty.size()})
	if err != nil {
		return err
	}
	defer hangUp(agent, id)
	defer term.Close()
	go func() { _, _ = io.Copy(term, e.In) }() // ends with the program: a terminal's read cannot be interrupted
	go func() {
		for size := range tty.sizes(ctx) {
			_ = term.Resize(size) // the next change tries again
		}
	}()
	_, err = io.Copy(e.Out, term)
	if exit, ok := term.Exit(); ok {
		return status(exit)
	}
	return err
}

// hangUp bounds the tear-down: the terminal may be gone already, and the node too.
func hangUp(agent sandbox.Agent, id string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = agent.CloseTerminal(ctx, id)
}

// status makes an error of a command's exit, nil for 0.
func status(exit sandbox.Exit) error {
	if exit.Code == 0 {
		return nil
	}
	return exitCode(exit.Code)
}

// size writes bytes in the largest binary unit that divides them.
func size(bytes int64) string {
	for _, unit := range []struct {
		name  string
		shift int
	}{{"Gi", 30}, {"Mi", 20}, {"Ki", 10}} {
		if bytes != 0 && bytes%(1<<unit.shift) == 0 {
			return fmt.Sprintf("%d%s", bytes>>unit.shift, unit.name)
		}
	}
	return fmt.Sprint(bytes)
}

func cores(milli int64) string {
	if milli%1000 == 0 {
		return fmt.Sprint(milli / 1000)
	}
	return fmt.Sprintf("%dm", milli)
}

// age is how long ago something was, as kubectl writes it.
func age(since time.Time) string {
	if since.IsZero() || since.Unix() == 0 {
		return "-"
	}
	return duration.HumanDuration(max(time.Since(since), 0))
}
