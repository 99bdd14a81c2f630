package engine

import (
	"strings"

	"podlab/sandbox"
	"podlab/sandbox/internal/image"
)

// defaultPath is PATH for images that set none, as Docker has it.
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment is what a container's first process finds: the image's variables, then the manifest's. A reference $(NAME) in a
// value sees the variables of the manifest that stand before it. own is the manifest's part by name.
func environment(img image.Config, spec []sandbox.EnvVar, hostname string) (env []string, own map[string]string) {
	env = set([]string{defaultPath}, "HOSTNAME", hostname)
	for _, pair := range img.Env {
		if name, value, ok := strings.Cut(pair, "="); ok {
			env = set(env, name, value)
		}
	}
	own = map[string]string{}
	for _, v := range spec {
		own[v.Name] = expand(v.Value, own)
		env = set(env, v.Name, own[v.Name])
	}
	return env, own
}

// set puts name=value in place of an earlier value, else at the end.
func set(env []string, name, value string) []string {
	for i, pair := range env {
		if strings.HasPrefix(pair, name+"=") {
			env[i] = name + "=" + value
			return env
		}
	}
	return append(env, name+"="+value)
}

// argv puts together what runs: command replaces the image's entrypoint and its arguments, args replaces the arguments only
// (the table in Kubernetes' "Define a Command and Arguments for a Container").
func argv(img image.Config, spec *sandbox.ContainerSpec, vars map[string]string) []string {
	entry, args := img.Entrypoint, img.Cmd
	if len(spec.Command) > 0 {
		entry, args = expandAll(spec.Command, vars), nil
	}
	if len(spec.Args) > 0 {
		args = expandAll(spec.Args, vars)
	}
	return append(append([]string(nil), entry...), args...)
}

func expandAll(words []string, vars map[string]string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = expand(w, vars)
	}
	return out
}

// expand replaces $(NAME) by the variable's value. $$ stands for one $, and a reference to nothing known stays as it is:
// Kubernetes' third_party/forked/golang/expansion.
func expand(s string, vars map[string]string) string {
	var out strings.Builder
	for {
		i := strings.IndexByte(s, '$')
		if i < 0 || i+1 == len(s) {
			out.WriteString(s)
			return out.String()
		}
		out.WriteString(s[:i])
		s = s[i+1:]
		switch s[0] {
		case '$':
			out.WriteByte('$')
			s = s[1:]
		case '(':
			name, rest, closed := strings.Cut(s[1:], ")")
			if !closed {
				out.WriteString("$(")
				s = s[1:]
				continue
			}
			if value, ok := vars[name]; ok {
				out.WriteString(value)
			} else {
				out.WriteString("$(" + name + ")")
			}
			s = rest
		default:
			out.WriteByte('$')
		}
	}
}
