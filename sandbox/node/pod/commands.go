package main

import (
	"context"
	"io"
	"slices"
)

// command is one verb. It returns the exit code when err is nil.
type command struct {
	usage string
	run   func(p *program, ctx context.Context, args []string) (code int, err error)
	// examples are whole command lines. What the verb does is said by the words' key "help.PROGRAM.VERB".
	examples []string
	// foreign says that flags behind the first word belong to another program.
	foreign bool
}

// order is that of the commands in help.
var order = []string{
	"apply", "get", "describe", "events", "wait", "delete", "run", "ls", "exec", "attach", "debug", "logs", "port-forward", "inspect", "stop", "kill", "rm",
}

var podCommands = map[string]command{
	"apply": {usage: "apply -f FILE|DIR|-", run: (*program).apply,
		examples: []string{"pod apply -f pod.yaml", "cat pod.yaml | pod apply -f -", "pod apply -f manifests/"}},
	"get": {usage: "get [NAME…] [-o wide|yaml|json|name] [-w] [--no-headers]", run: (*program).getPods,
		examples: []string{"pod get", "pod get web -o yaml", "pod get -w"}},
	"describe": {usage: "describe [NAME…]", run: (*program).describePods, examples: []string{"pod describe web"}},
	"events":   {usage: "events [NAME] [-w]", run: (*program).events, examples: []string{"pod events", "pod events web -w"}},
	"wait": {usage: "wait NAME…|--all --for=condition=Ready|delete [--timeout=30s]", run: (*program).waitPods,
		examples: []string{"pod wait web --for=condition=Ready", "pod wait web --for=delete --timeout=60s"}},
	"delete": {usage: "delete NAME… | --all | -f FILE|DIR|-  [--grace-period=SECONDS] [--now] [--ignore-not-found]", run: (*program).deletePods,
		examples: []string{"pod delete web", "pod delete web --now", "pod delete -f pod.yaml"}},
	"exec": {usage: "exec [-it] NAME [-c CONTAINER] -- COMMAND [ARG…]", run: (*program).execPod,
		examples: []string{"pod exec web -- ls /", "pod exec -it web -c logger -- sh"}},
	"attach": {usage: "attach [-it] NAME [-c CONTAINER] [-q]", run: (*program).attachPod,
		examples: []string{"pod attach web", "pod attach -it web -c shell"}},
	"debug": {usage: "debug [-it] NAME --image=IMAGE [--target=CONTAINER] [-c NAME] [-- COMMAND [ARG…]]", run: (*program).debugPod,
		examples: []string{"pod debug -it web --image=busybox --target=nginx", "pod debug web --image=busybox -c look -- sleep 60"}},
	"logs": {usage: "logs NAME [-c CONTAINER|--all-containers] [-f] [-p] [--tail=N] [--since=5m] [--timestamps] [--limit-bytes=N] [--prefix]",
		run: (*program).logsPod, examples: []string{"pod logs web", "pod logs web -c logger --previous", "pod logs web --all-containers --prefix -f --tail=10"}},
	"port-forward": {usage: "port-forward NAME [LOCAL:]REMOTE…", run: (*program).portForward, examples: []string{"pod port-forward web 8080:80"}},
}

var containerCommands = map[string]command{
	"run": {usage: "run [-d] [-it] [--rm] [--name NAME] [--net|--ipc|--pid|--uts container:NAME|host] [-v SOURCE:PATH[:ro]] [-e NAME=VALUE]" +
		" [--memory 64m] [--cpus 0.5] [--pids-limit N] [-w DIR] [-u UID] [--privileged] [--entrypoint COMMAND] IMAGE [ARG…]",
		run: (*program).runContainer, foreign: true,
		examples: []string{"container run -d --name web nginx", "container run -it --rm busybox sh",
			"container run -d --net container:web --name side busybox sleep 1000"}},
	"ls":      {usage: "ls [-a] [-q]", run: (*program).listContainers, examples: []string{"container ls -a"}},
	"rm":      {usage: "rm [-f] NAME…", run: (*program).removeContainers, examples: []string{"container rm -f web"}},
	"stop":    {usage: "stop [-t SECONDS] NAME…", run: (*program).stopContainers, examples: []string{"container stop -t 2 web"}},
	"kill":    {usage: "kill [-s SIGNAL] NAME…", run: (*program).killContainers, examples: []string{"container kill web", "container kill -s HUP web"}},
	"inspect": {usage: "inspect NAME…", run: (*program).inspectContainers, examples: []string{"container inspect web"}},
	"logs": {usage: "logs NAME [-f] [--tail=N] [--since=5m] [-t]", run: (*program).logsContainer,
		examples: []string{"container logs web", "container logs -f --tail=10 web"}},
	"attach": {usage: "attach [--no-stdin] NAME", run: (*program).attachContainer, examples: []string{"container attach shell"}},
	"exec": {usage: "exec [-it] NAME COMMAND [ARG…]", run: (*program).execContainer, foreign: true,
		examples: []string{"container exec web ls /", "container exec -it web sh"}},
}

// wantsHelp looks for --help among a verb's own arguments.
func (c command) wantsHelp(args []string) bool {
	for i, arg := range args {
		switch {
		case arg == "--", c.foreign && i > 0:
			return false
		case arg == "-h" || arg == "--help":
			return true
		}
	}
	return false
}

// usage lists the commands.
func (p *program) usage(w io.Writer, commands map[string]command) {
	for _, verb := range verbs(commands) {
		_, _ = io.WriteString(w, "  "+p.name+" "+commands[verb].usage+"\n")
	}
	p.usageOfImages(w)
	_, _ = io.WriteString(w, p.words.say("more_help", "program", p.name)+"\n")
}

// help tells of one command, with examples.
func (p *program) help(verb string, c command) {
	text := p.words.say("help."+p.name+"."+verb) + "\n\n" + p.words.say("usage", "usage", p.name+" "+c.usage) + "\n\n" + p.words.say("examples") + "\n"
	for _, example := range c.examples {
		text += "  " + example + "\n"
	}
	_, _ = io.WriteString(p.out, text)
}

// verbs lists the commands of a program in the order of its help.
func verbs(commands map[string]command) []string {
	return slices.DeleteFunc(slices.Clone(order), func(verb string) bool { _, ok := commands[verb]; return !ok })
}
