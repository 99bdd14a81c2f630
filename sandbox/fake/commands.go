package fake

import (
	"context"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"time"

	"podlab/sandbox"
)

// Command is a program that a fake node can run. Where describes the place it runs in.
type Command func(ctx context.Context, where Where, argv []string, streams sandbox.Streams) sandbox.Exit

// Where is the place a command runs in.
type Where struct {
	Hostname string
	NS       sandbox.Namespaces
}

func commands() map[string]Command {
	return map[string]Command{
		"true":  func(context.Context, Where, []string, sandbox.Streams) sandbox.Exit { return sandbox.Exit{} },
		"false": func(context.Context, Where, []string, sandbox.Streams) sandbox.Exit { return sandbox.Exit{Code: 1} },
		"echo": func(_ context.Context, _ Where, argv []string, s sandbox.Streams) sandbox.Exit {
			return printed(s, strings.Join(argv[1:], " ")+"\n")
		},
		"hostname": func(_ context.Context, w Where, _ []string, s sandbox.Streams) sandbox.Exit {
			return printed(s, w.Hostname+"\n")
		},
		"cat": func(_ context.Context, _ Where, _ []string, s sandbox.Streams) sandbox.Exit {
			if s.In != nil && s.Out != nil {
				_, _ = io.Copy(s.Out, s.In) // a reader that went away ends cat as SIGPIPE would
			}
			return sandbox.Exit{}
		},
		"readlink": func(_ context.Context, w Where, argv []string, s sandbox.Streams) sandbox.Exit {
			if len(argv) == 2 && argv[1] == "/proc/self/ns/net" {
				return printed(s, fmt.Sprintf("net:[%d]\n", w.NS.Net))
			}
			return sandbox.Exit{Code: 1}
		},
		"sleep": sleep,
		"sh":    shell,
	}
}

func printed(s sandbox.Streams, text string) sandbox.Exit {
	if s.Out != nil {
		if _, err := io.WriteString(s.Out, text); err != nil {
			return sandbox.Exit{Code: 141, Signal: 13}
		}
	}
	return sandbox.Exit{}
}

func sleep(ctx context.Context, _ Where, argv []string, _ sandbox.Streams) sandbox.Exit {
	seconds := 0.0
	if len(argv) > 1 {
		seconds, _ = strconv.ParseFloat(argv[1], 64)
	}
	select {
	case <-ctx.Done():
		return sandbox.Exit{Code: 129, Signal: 1}
	case <-time.After(time.Duration(seconds * float64(time.Second))):
		return sandbox.Exit{}
	}
}

// shell knows "exit N" only.
func shell(_ context.Context, _ Where, argv []string, _ sandbox.Streams) sandbox.Exit {
	if len(argv) == 3 {
		if m := exitWith.FindStringSubmatch(argv[2]); m != nil {
			code, _ := strconv.Atoi(m[1])
			return sandbox.Exit{Code: code & 0xff}
		}
	}
	return sandbox.Exit{}
}

func (a *Agent) Exec(ctx context.Context, spec sandbox.ExecSpec, streams sandbox.Streams) (sandbox.Exit, error) {
	if err := a.alive(); err != nil {
		return sandbox.Exit{}, err
	}
	where, err := a.where(spec.Container)
	if err != nil {
		return sandbox.Exit{}, err
	}
	if len(spec.Argv) == 0 {
		return sandbox.Exit{}, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "argv is empty")
	}
	command := a.Commands[path.Base(spec.Argv[0])]
	if command == nil {
		return sandbox.Exit{}, sandbox.Errorf(sandbox.CodeCannotStart, "container", spec.Container, "command", spec.Argv[0],
			"detail", "no such file or directory", "reason", sandbox.StartNotFound)
	}
	exit := command(ctx, where, spec.Argv, streams)
	return exit, ctx.Err()
}

// where finds the place that a Container.ID names; "" and "node" are the node.
func (a *Agent) where(target string) (Where, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if target == "" || target == "node" {
		return Where{Hostname: a.node.Hostname, NS: a.node.NS}, nil
	}
	c := a.container(target)
	if c == nil {
		return Where{}, sandbox.Errorf(sandbox.CodeNotFound, "kind", "Container", "name", target)
	}
	if c.view.State != sandbox.StateRunning {
		return Where{}, sandbox.Errorf(sandbox.CodeNotRunning, "kind", "Container", "name", target)
	}
	hostname := c.view.Name
	if c.pod != nil {
		hostname = c.pod.pod.Metadata.Name
	}
	return Where{Hostname: hostname, NS: c.view.NS}, nil
}
