package agent

import (
	"context"
	"os"
	"os/exec"

	"podlab/sandbox"
	"podlab/sandbox/internal/engine"
	"podlab/sandbox/internal/terminal"
	"podlab/sandbox/node/shell"
)

// targetNode is the target of a node shell.
const targetNode = "node"

// prompt is what bash and BusyBox show: green user@host, blue directory.
const prompt = `\[\e[1;32m\]\u@\h\[\e[0m\]:\[\e[1;34m\]\w\[\e[0m\]\$ `

// bashPrompt sets the prompt after an image's own bashrc has set its.
const bashPrompt = `PS1='` + prompt + `'; unset PROMPT_COMMAND`

// containerShell becomes the best shell of an image. dash knows no escapes in a prompt, so it gets one made of plain parts.
const containerShell = `command -v bash >/dev/null 2>&1 && exec bash
case $(readlink /proc/$$/exe 2>/dev/null) in *dash) PS1='root@'$(hostname 2>/dev/null)':$PWD# '; export PS1;; esac
exec sh`

// startTerminal starts the program of a terminal: what was asked for, or a shell.
func (a *Agent) startTerminal(ctx context.Context, spec sandbox.TerminalSpec) (*os.File, terminal.Program, error) {
	if len(spec.Argv) > 0 {
		if err := checkArgv(spec.Argv); err != nil {
			return nil, terminal.Program{}, err
		}
	}
	if spec.Target == targetNode {
		return a.startNodeShell(spec)
	}
	argv := spec.Argv
	if len(argv) == 0 {
		argv = []string{"sh", "-c", containerShell}
	}
	running, err := a.engine.Exec(ctx, spec.Target, engine.Process{
		Argv: argv, Env: append(terminalEnv(spec.Lang), "PS1="+prompt, "PROMPT_COMMAND="+bashPrompt), Terminal: true, Size: spec.Size,
	})
	if err != nil {
		return nil, terminal.Program{}, err
	}
	return running.Console, program(newChild(running.PID, running.Start, running.Wait)), nil
}

func (a *Agent) startNodeShell(spec sandbox.TerminalSpec) (*os.File, terminal.Program, error) {
	argv := spec.Argv
	if len(argv) == 0 {
		argv = []string{"sh", "-l"}
		if _, err := exec.LookPath("bash"); err == nil {
			argv = []string{"bash", "-l"}
		}
	}
	master, slave, err := terminal.OpenPTY(spec.Size)
	if err != nil {
		return nil, terminal.Program{}, err
	}
	defer slave.Close()
	env := append(nodeEnv(), terminalEnv(spec.Lang)...)
	c, err := startProcess(shell.Command(a.cfg.Binary, false, Home, argv), append(env, "PS1="+prompt), []*os.File{slave, slave, slave}, true)
	if err != nil {
		_ = master.Close()
		return nil, terminal.Program{}, err
	}
	return master, program(c), nil
}

func program(c *child) terminal.Program {
	return terminal.Program{PID: c.pid, Start: c.start, Wait: c.wait}
}

// adoptTerminal is the program of a terminal that an earlier life started: node init waits for it now.
func (a *Agent) adoptTerminal(pid int, start uint64) terminal.Program {
	return terminal.Program{PID: pid, Start: start, Wait: func(ctx context.Context) (sandbox.Exit, error) {
		status, err := a.cfg.Keep.WaitOrphan(ctx, pid, start)
		return exitOf(status), err
	}}
}

// nodeEnv is the environment of the node's own commands.
func nodeEnv() []string {
	return []string{
		"PATH=/opt/podlab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + Home, "USER=root", "LOGNAME=root",
		"SHELL=/bin/bash", "LANG=C.UTF-8", "HOSTNAME=" + hostname(),
	}
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "node"
	}
	return name
}

// terminalEnv is what a terminal adds. PODLAB_LANG is the language that pod and container speak.
func terminalEnv(lang string) []string {
	env := []string{"TERM=xterm-256color", "COLORTERM=truecolor"}
	if lang == "zh" || lang == "en" {
		env = append(env, "PODLAB_LANG="+lang)
	}
	return env
}
