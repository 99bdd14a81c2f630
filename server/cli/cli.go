// Package cli is the program podlab: the server, its supervisor, and the operator's and author's commands over the daemon's local
// sockets. One file holds one group of commands. Standard input, standard output and exit codes pass through; messages go to
// standard error in plain English.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/alecthomas/kong"

	"podlab/sandbox"
	"podlab/sandbox/client"
)

// Exit codes of podlab itself. exec passes its command's on.
const (
	exitError = 1
	exitUsage = 2
)

// Program is what a command runs in.
type Program struct {
	In       io.Reader
	Out, Err io.Writer
	// Daemon makes the way to the root daemon whose sockets are in a directory; tests put a scripted one here.
	Daemon func(run string) sandbox.Nodes
}

// New is the program over real sockets.
func New(in io.Reader, out, err io.Writer) *Program {
	return &Program{In: in, Out: out, Err: err, Daemon: func(run string) sandbox.Nodes {
		return client.Daemon{Socket: filepath.Join(run, "sandboxd.sock")}
	}}
}

// commands is the whole command line.
type commands struct {
	Run string `help:"Directory of the sockets." default:"/run/podlab" env:"PODLAB_RUN" placeholder:"DIR"`

	Node     nodeCommands `cmd:"" help:"Make, list and remove nodes; open a shell on one."`
	Apply    applyCmd     `cmd:"" help:"Apply manifests to a node."`
	Get      getCmd       `cmd:"" help:"Show the pods of a node."`
	Describe describeCmd  `cmd:"" help:"Print pods with conditions, reasons, volumes and events."`
	Events   eventsCmd    `cmd:"" help:"List what happened to the pods of a node."`
	Wait     waitCmd      `cmd:"" help:"Wait until pods have a condition, or are gone."`
	Delete   deleteCmd    `cmd:"" help:"Delete a pod or a plain container."`
	Logs     logsCmd      `cmd:"" help:"Print a container's log."`
	Exec     execCmd      `cmd:"" help:"Run a command in a container. Its exit code is passed on."`
	Attach   attachCmd    `cmd:"" help:"Attach to the process that a container runs already."`
	Forward  forwardCmd   `cmd:"" name:"port-forward" help:"Pass connections to this machine's loopback on to a pod."`
	Top      topCmd       `cmd:"" help:"Show the processes of a node, and the namespaces that they share, live."`
	Snapshot snapshotCmd  `cmd:"" help:"Print everything observed on a node as JSON."`
	Moments  momentsCmd   `cmd:"" help:"Print what happened on a node as JSON lines."`
	Image    imageCmd     `cmd:"" help:"The host's images: ls, pull, import, rm, gc, build."`
	Doctor   doctorCmd    `cmd:"" help:"Check this machine in plain words."`
	Lab      labCommands  `cmd:"" help:"For authors: make, check and prove labs."`

	Serve     serveCmd     `cmd:"" help:"Run the server."`
	Supervise superviseCmd `cmd:"" help:"Run the daemon and the server, and restart what dies."`
}

// env is what every command is given.
type env struct {
	*Program
	ctx   context.Context
	run   string
	nodes sandbox.Nodes
}

// exitCode is an error that only carries a command's exit code: its message is the command's own.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// Main runs one command and returns the exit code.
func (p *Program) Main(ctx context.Context, args []string) int {
	var c commands
	code := -1
	parser, err := kong.New(&c, kong.Name("podlab"), kong.Description("Real pods in nodes of their own, for learning."),
		kong.Writers(p.Out, p.Err), kong.Exit(func(n int) { code = n }), kong.UsageOnError(), kong.ValueFormatter(helpOf),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}))
	if err != nil {
		panic(err) // the structs above are wrong
	}
	parsed, err := parser.Parse(args)
	if code >= 0 { // help was asked for and printed
		return code
	}
	if err != nil {
		fmt.Fprintln(p.Err, "podlab:", err)
		fmt.Fprintln(p.Err, "podlab --help lists the commands, and podlab COMMAND --help what one takes.")
		return exitUsage
	}
	return p.exit(parsed.Run(&env{Program: p, ctx: ctx, run: c.Run, nodes: p.Daemon(c.Run)}))
}

// helpOf adds a flag's default to its help.
func helpOf(v *kong.Value) string {
	if !v.HasDefault || v.Default == "" || v.Default == "-1" || v.IsBool() {
		return kong.DefaultHelpValueFormatter(v)
	}
	return kong.DefaultHelpValueFormatter(v) + " Default: " + v.Default + "."
}

func (p *Program) exit(err error) int {
	if code, ok := errors.AsType[exitCode](err); ok {
		return int(code)
	}
	if err == nil {
		return 0
	}
	fmt.Fprintln(p.Err, "podlab:", explain(err))
	return exitError
}

// find returns a node by its id.
func (e *env) find(id string) (sandbox.Node, error) {
	nodes, err := e.nodes.List(e.ctx)
	if err != nil {
		return sandbox.Node{}, err
	}
	for _, n := range nodes {
		if n.Spec.ID == id {
			return n, nil
		}
	}
	return sandbox.Node{}, sandbox.Errorf(sandbox.CodeNotFound, "kind", "node", "name", id)
}

// agent returns the way to a node's agent.
func (e *env) agent(id string) (sandbox.Agent, error) {
	node, err := e.find(id)
	if err != nil {
		return nil, err
	}
	if node.Frozen { // its lab goes on with it
		if err := e.nodes.Thaw(e.ctx, id); err != nil {
			return nil, err
		}
	}
	return e.nodes.Agent(node), nil
}

func (e *env) snapshot(id string) (sandbox.Snapshot, error) {
	agent, err := e.agent(id)
	if err != nil {
		return sandbox.Snapshot{}, err
	}
	return agent.Snapshot(e.ctx)
}
