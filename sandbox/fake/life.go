package fake

import (
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"podlab/sandbox"
)

// run starts a container's program and lets it end at once when it is one that ends.
func (a *Agent) run(c *container) {
	argv := append(append([]string{}, c.spec.Command...), c.spec.Args...)
	if len(argv) == 0 {
		argv = imageCommand(c.spec.Image)
	}
	a.start(c, argv)
	if exit, ends := a.outcome(c, argv); ends {
		a.stop(c, exit)
		if c.policy == "Always" || c.policy == "OnFailure" && exit.Code != 0 {
			c.view.State, c.view.Reason = sandbox.StateWaiting, "CrashLoopBackOff"
		}
	}
}

func imageCommand(image string) []string {
	switch name, _, _ := strings.Cut(image, ":"); name {
	case "nginx":
		return []string{"nginx", "-g", "daemon off;"}
	case "podlab/helloworld":
		return []string{"/helloworld"}
	case "podlab/pause":
		return []string{"/pause"}
	}
	return []string{"sh"}
}

var (
	echoInto = regexp.MustCompile(`^\s*echo (.*?) ?> ?(\S+)\s*$`)
	exitWith = regexp.MustCompile(`exit (\d+)`)
)

// outcome says whether a program ends by itself, and how.
func (a *Agent) outcome(c *container, argv []string) (sandbox.Exit, bool) {
	script := ""
	if len(argv) > 2 && argv[1] == "-c" {
		script = argv[2]
	}
	if m := echoInto.FindStringSubmatch(script); m != nil {
		a.writeVolume(c, m[2], strings.Trim(m[1], `'"`)+"\n")
		return sandbox.Exit{}, true
	}
	if m := exitWith.FindStringSubmatch(script); m != nil {
		code, _ := strconv.Atoi(m[1])
		return sandbox.Exit{Code: code & 0xff}, true
	}
	switch path.Base(argv[0]) {
	case "false":
		return sandbox.Exit{Code: 1}, true
	case "true", "echo":
		return sandbox.Exit{}, true
	case "sh", "bash":
		return sandbox.Exit{}, script == "" && !c.spec.TTY && !c.spec.Stdin
	}
	return sandbox.Exit{}, false
}

// writeVolume makes a file appear in the volume that c has mounted at a directory above file.
func (a *Agent) writeVolume(c *container, file, text string) {
	if c.pod == nil {
		return
	}
	for _, m := range c.view.Mounts {
		rel, below := strings.CutPrefix(file, strings.TrimSuffix(m.Path, "/")+"/")
		if !below {
			continue
		}
		for i := range c.pod.volumes {
			if v := &c.pod.volumes[i]; v.Name == m.Volume {
				v.Files = append(v.Files, sandbox.File{Path: rel, Size: int64(len(text)), Inode: a.inode(), MTime: time.Now().UnixMilli()})
				v.Bytes += int64(len(text))
			}
		}
	}
}

func (a *Agent) start(c *container, argv []string) {
	inside := 1
	if c.pod != nil && c.pod.infra != nil && c != c.pod.infra && c.view.NS.PID == c.pod.infra.view.NS.PID {
		inside = a.nextPID + 1
	}
	c.process = &sandbox.Process{
		PID: a.pid(), PPID: a.node.AgentPID, Inside: inside, Start: now(), Name: comm(argv[0]), Args: argv, State: "S",
		Container: c.view.ID, NS: c.view.NS, RSS: 1 << 20, Threads: []sandbox.Thread{},
	}
	c.view.State, c.view.Reason, c.view.PID, c.view.Started = sandbox.StateRunning, "", c.process.PID, c.process.Start
	c.previous, c.log = c.log, ""
	m := sandbox.Moment{PID: c.process.PID, PPID: c.process.PPID, PIDInside: inside, PIDNS: c.view.NS.PID, Name: c.process.Name}
	m.Kind = sandbox.MomentFork
	a.kernel.add(m)
	m.Kind, m.Path = sandbox.MomentExec, argv[0]
	a.kernel.add(m)
	a.moments.add(sandbox.Moment{Kind: sandbox.MomentContainer, Reason: "Started", Pod: c.view.Pod, Container: c.view.ID, PID: c.process.PID})
}

func comm(argv0 string) string {
	name := path.Base(argv0)
	return name[:min(len(name), 15)]
}

func (a *Agent) stop(c *container, exit sandbox.Exit) {
	if c.process == nil {
		return
	}
	a.kernel.add(sandbox.Moment{
		Kind: sandbox.MomentExit, PID: c.process.PID, PPID: c.process.PPID, PIDInside: c.process.Inside, PIDNS: c.view.NS.PID,
		Name: c.process.Name, Code: exitCode(exit), Signal: exit.Signal,
	})
	c.process = nil
	c.view.State, c.view.PID = sandbox.StateExited, 0
	c.view.ExitCode, c.view.Signal = exit.Code, exit.Signal
	c.view.Reason = "Error"
	if exit.Code == 0 {
		c.view.Reason = "Completed"
	}
	c.last = &sandbox.ContainerTerminated{ExitCode: exit.Code, Signal: exit.Signal, Reason: c.view.Reason, FinishedAt: time.Now().UTC().Format(time.RFC3339)}
}

// exitCode is what the kernel gives: 0 when a signal ended it.
func exitCode(exit sandbox.Exit) int {
	if exit.Signal != 0 {
		return 0
	}
	return exit.Code
}

// follow does what the restart policy says after an exit.
func (a *Agent) follow(c *container) {
	if c.view.Kind == sandbox.KindInfra {
		a.renewSandbox(c.pod)
		return
	}
	if c.policy == "Always" || c.policy == "OnFailure" && c.view.ExitCode != 0 {
		c.view.Restarts++
		a.run(c)
	}
}

// renewSandbox is what the kubelet does when the infra container died: stop the rest, make a new sandbox, start again by policy.
func (a *Agent) renewSandbox(p *pod) {
	a.moments.add(sandbox.Moment{Kind: sandbox.MomentPod, Reason: "SandboxChanged", Pod: p.pod.Metadata.Name})
	for _, c := range p.apps {
		a.stop(c, sandbox.Exit{Code: 137, Signal: 9})
	}
	if p.pod.Spec.RestartPolicy == "Never" {
		return
	}
	p.infra.view.NS = a.newNamespaces()
	p.infra.view.Restarts++
	p.ip = "10.88.0." + strconv.Itoa(a.nextIP)
	a.nextIP++
	a.start(p.infra, []string{"/pause"})
	for _, c := range p.apps {
		c.view.NS.Net, c.view.NS.IPC, c.view.NS.UTS = p.infra.view.NS.Net, p.infra.view.NS.IPC, p.infra.view.NS.UTS
		c.view.Restarts++
		a.run(c)
	}
}

func (a *Agent) killPod(p *pod) {
	a.moments.add(sandbox.Moment{Kind: sandbox.MomentPod, Reason: "Killing", Pod: p.pod.Metadata.Name})
	for _, c := range p.apps {
		a.stop(c, sandbox.Exit{Code: 143, Signal: 15})
	}
	a.stop(p.infra, sandbox.Exit{Code: 0})
}
