// Package dockerfile reads the part of Docker's build files that the lesson on layers needs: FROM, WORKDIR, COPY, RUN, CMD and ENV
// (https://docs.docker.com/reference/dockerfile/). What it does not know it refuses, with the line.
package dockerfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Limits of a build file.
const (
	maxBytes = 64 << 10
	maxSteps = 64
)

// Instructions that are known.
const (
	From    = "FROM"
	Workdir = "WORKDIR"
	Copy    = "COPY"
	Run     = "RUN"
	Cmd     = "CMD"
	Env     = "ENV"
)

// Step is one instruction.
type Step struct {
	Line int    // of the file, from 1
	Name string // FROM …
	Text string // what follows it, as it was written, lines joined
	// Args are FROM's image, WORKDIR's directory, COPY's sources and target, or a command as it is executed: RUN and CMD without brackets
	// go to /bin/sh -c. ENV's are NAME=value.
	Args []string
}

// String is the step as a history shows it.
func (s Step) String() string { return s.Name + " " + s.Text }

// Error is a mistake in a build file. Reason is a key: unknown, no_from, second_from, arguments, form, flag, too_long, empty.
type Error struct {
	Line         int
	Reason, What string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s %s", e.Line, e.Reason, e.What) }

// Parse reads a build file.
func Parse(text string) ([]Step, error) {
	if len(text) > maxBytes {
		return nil, &Error{1, "too_long", ""}
	}
	var steps []Step
	for _, l := range joined(text) {
		step, err := parse(l)
		if err != nil {
			return nil, err
		}
		switch {
		case len(steps) == 0 && step.Name != From:
			return nil, &Error{l.number, "no_from", step.Name}
		case len(steps) > 0 && step.Name == From:
			return nil, &Error{l.number, "second_from", step.Text}
		case len(steps) == maxSteps:
			return nil, &Error{l.number, "too_long", ""}
		}
		steps = append(steps, step)
	}
	if len(steps) == 0 {
		return nil, &Error{1, "empty", ""}
	}
	return steps, nil
}

// line is one instruction's text and where it begins.
type line struct {
	number int
	text   string
}

// joined puts lines together that end in a backslash, and leaves out comments and empty lines, also between such lines.
func joined(text string) (all []line) {
	open := false
	for i, raw := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		trimmed := strings.TrimSpace(raw)
		if trimmed == "" || strings.HasPrefix(trimmed, "#") {
			continue
		}
		body, more := strings.CutSuffix(trimmed, `\`)
		if open {
			all[len(all)-1].text += " " + strings.TrimSpace(body)
		} else {
			all = append(all, line{i + 1, strings.TrimSpace(body)})
		}
		open = more
	}
	return all
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func parse(l line) (Step, error) {
	word, rest, _ := strings.Cut(strings.ReplaceAll(l.text, "\t", " "), " ")
	s := Step{Line: l.number, Name: strings.ToUpper(word), Text: strings.TrimSpace(rest)}
	wrong := func(reason, what string) (Step, error) { return s, &Error{l.number, reason, what} }
	if strings.HasPrefix(s.Text, "--") {
		return wrong("flag", strings.Fields(s.Text)[0])
	}
	if strings.IndexByte(s.Text, 0) >= 0 {
		return wrong("form", s.Name)
	}
	var err error
	switch s.Name {
	case From, Workdir:
		s.Args = strings.Fields(s.Text)
		if len(s.Args) != 1 {
			return wrong("arguments", s.Name)
		}
	case Copy:
		if s.Args, err = list(s.Text, strings.Fields); err != nil || len(s.Args) < 2 {
			return wrong("arguments", s.Name)
		}
	case Run, Cmd:
		s.Args, err = list(s.Text, func(text string) []string { return []string{"/bin/sh", "-c", text} })
		if err != nil || s.Text == "" || len(s.Args) == 0 || s.Args[0] == "" {
			return wrong("arguments", s.Name)
		}
	case Env:
		if s.Args, err = variables(s.Text); err != nil {
			return wrong("form", s.Name)
		}
	default:
		return wrong("unknown", word)
	}
	return s, nil
}

// list reads a JSON list of strings, or whatever else by other.
func list(text string, other func(string) []string) (all []string, err error) {
	if strings.HasPrefix(text, "[") && json.Unmarshal([]byte(text), &all) == nil {
		for _, s := range all {
			if strings.IndexByte(s, 0) >= 0 {
				return nil, errors.New("a zero byte")
			}
		}
		return all, nil
	}
	return other(text), nil
}

// variables reads NAME=value …, with quotes and backslashes, or the old form NAME value.
func variables(text string) ([]string, error) {
	if first, rest, ok := strings.Cut(text, " "); ok && !strings.Contains(first, "=") {
		if !envName.MatchString(first) {
			return nil, errors.New("name")
		}
		return []string{first + "=" + strings.TrimSpace(rest)}, nil
	}
	var all []string
	for _, word := range words(text) {
		name, _, ok := strings.Cut(word, "=")
		if !ok || !envName.MatchString(name) {
			return nil, errors.New("form")
		}
		all = append(all, word)
	}
	if len(all) == 0 {
		return nil, errors.New("empty")
	}
	return all, nil
}

// words divides at spaces outside of quotes, which it takes away.
func words(text string) (all []string) {
	var word strings.Builder
	inside, quote := false, byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(text):
			i++
			word.WriteByte(text[i])
			inside = true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, inside = c, true
		case quote == 0 && c == ' ':
			if inside {
				all = append(all, word.String())
			}
			word.Reset()
			inside = false
		default:
			word.WriteByte(c)
			inside = true
		}
	}
	if inside {
		all = append(all, word.String())
	}
	return all
}
