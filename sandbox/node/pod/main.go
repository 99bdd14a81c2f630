// Command pod makes pods on the node it runs on, with kubectl's words; under the name container it makes plain containers, with
// docker's. It asks the agent over a socket in the node and speaks the learner's language.
package main

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"podlab/sandbox"
	"podlab/sandbox/client"
	"podlab/sandbox/manifest"
)

// agentSocket is where the node's agent answers.
const agentSocket = "/run/podlab/agent.sock"

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
	// exitInterrupted is what a shell gives for ^C.
	exitInterrupted = 130
)

// program is one run of the command.
type program struct {
	agent    sandbox.Agent
	words    words
	name     string // pod or container
	in       *os.File
	out, err io.Writer
	readFile func(string) ([]byte, error)
}

// aliases are other words that people type.
var aliases = map[string]string{"ps": "ls", "list": "ls", "log": "logs", "event": "events", "remove": "rm"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	p := &program{
		agent: client.Agent{Socket: agentSocket}, words: wordsFor(os.Getenv("PODLAB_LANG"), os.Getenv("LC_ALL"), os.Getenv("LANG")),
		name: strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe"), in: os.Stdin, out: os.Stdout, err: os.Stderr, readFile: readManifest,
	}
	code := p.main(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func (p *program) main(ctx context.Context, args []string) int {
	commands := podCommands
	if p.name == "container" {
		commands = containerCommands
	} else {
		p.name = "pod"
	}
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		p.usage(p.out, commands)
		if len(args) == 0 {
			return exitUsage
		}
		return 0
	}
	verb := args[0]
	if alias, ok := aliases[verb]; ok {
		verb = alias
	}
	c, known := commands[verb]
	if !known {
		if near := manifest.Nearest(verb, maps.Keys(commands)); near != "" {
			p.complain(p.words.say("nearest_command", "command", args[0], "near", near, "program", p.name))
			return exitUsage
		}
		p.complain(p.words.say("unknown_command", "command", args[0], "program", p.name))
		p.usage(p.err, commands)
		return exitUsage
	}
	if c.wantsHelp(args[1:]) {
		p.help(verb, c)
		return 0
	}
	code, err := c.run(p, ctx, args[1:])
	if err == nil {
		return code
	}
	if ctx.Err() != nil {
		return exitInterrupted
	}
	return p.fail(err, c)
}

// fail tells what went wrong.
func (p *program) fail(err error, c command) int {
	if wrong, isUsage := errors.AsType[*usageError](err); isUsage {
		p.complain(p.words.say(wrong.key, wrong.params...))
		p.complain(p.words.say("usage", "usage", p.name+" "+c.usage))
		return exitUsage
	}
	p.complain(p.words.problem(err))
	if code, ok := sandbox.ExitOf(err); ok {
		return code
	}
	return exitFailed
}

func (p *program) complain(text string) { _, _ = io.WriteString(p.err, text+"\n") }
