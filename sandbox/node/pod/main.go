// Command pod makes pods on the node it runs on, with kubectl's words; under the name container it makes plain containers, with
// docker's. It asks the agent over a socket in the node and speaks the learner's language.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"podlab/sandbox"
	"podlab/sandbox/client"
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

// command is one verb. It returns the exit code when err is nil.
type command struct {
	usage string
	run   func(p *program, ctx context.Context, args []string) (code int, err error)
}

var podCommands = map[string]command{
	"apply":  {"apply -f FILE|-", (*program).apply},
	"get":    {"get [NAME…] [-o wide|yaml|json] [-w]", (*program).getPods},
	"delete": {"delete NAME… | -f FILE|-  [--grace-period=SECONDS] [--now]", (*program).deletePods},
	"exec":   {"exec [-it] NAME [-c CONTAINER] -- COMMAND [ARG…]", (*program).execPod},
	"logs":   {"logs NAME [-c CONTAINER] [-f] [--previous] [--tail=N]", (*program).logsPod},
}

var containerCommands = map[string]command{
	"run": {"run [-d] [--rm] [--name NAME] [--net|--ipc|--pid|--uts container:NAME|host] [-v SOURCE:PATH[:ro]] [-e NAME=VALUE]" +
		" [--memory 64m] [--cpus 0.5] [--pids-limit N] [-w DIR] [-u UID] [--privileged] [--entrypoint COMMAND] IMAGE [ARG…]", (*program).runContainer},
	"ls":   {"ls [-a] [-q]", (*program).listContainers},
	"rm":   {"rm [-f] NAME…", (*program).removeContainers},
	"stop": {"stop [-t SECONDS] NAME…", (*program).stopContainers},
	"logs": {"logs NAME [-f] [--tail=N]", (*program).logsContainer},
	"exec": {"exec [-it] NAME COMMAND [ARG…]", (*program).execContainer},
}

// aliases are other words that people type.
var aliases = map[string]string{"ps": "ls", "list": "ls", "log": "logs"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	p := &program{
		agent: client.Agent{Socket: agentSocket}, words: wordsFor(os.Getenv("PODLAB_LANG"), os.Getenv("LC_ALL"), os.Getenv("LANG")),
		name: strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe"), in: os.Stdin, out: os.Stdout, err: os.Stderr, readFile: readManifest,
	}
	if err := p.handOver(os.Args[1:]); err != nil {
		p.complain(err.Error())
		os.Exit(exitFailed)
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
		p.complain(p.words.say("unknown_command", "command", args[0], "program", p.name))
		p.usage(p.err, commands)
		return exitUsage
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
	return exitFailed
}

func (p *program) complain(text string) { _, _ = io.WriteString(p.err, text+"\n") }

func (p *program) usage(w io.Writer, commands map[string]command) {
	defer p.usageOfImages(w)
	order := []string{"apply", "get", "delete", "run", "ls", "exec", "logs", "stop", "rm"}
	for _, verb := range order {
		if c, ok := commands[verb]; ok {
			_, _ = io.WriteString(w, "  "+p.name+" "+c.usage+"\n")
		}
	}
}
