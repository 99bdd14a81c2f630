package labs

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Problem is one mistake in the course's files.
type Problem struct {
	File  string // path in the content folder
	Line  int    // counted from 1; 0: the file as a whole
	Field string // steps[0].checks[1].when, or a section's name; may be empty
	Text  string
}

func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	if p.Field != "" {
		b.WriteString(": " + p.Field)
	}
	return b.String() + ": " + p.Text
}

// Problems is the error of Load: all mistakes that were found, by file and line.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

// sorted returns the problems by file and line, nil as an error when there is none.
func (p Problems) sorted() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return a.Line - b.Line
	})
	return p
}

// sheet is one YAML file while it is read: it knows at which line a field stands, and collects what is wrong.
type sheet struct {
	file     string
	root     *yaml.Node
	problems *Problems
}

// readSheet decodes data into out, strictly. It returns nil when the file cannot be read at all.
func readSheet(file string, data []byte, out any, problems *Problems) *sheet {
	s := &sheet{file: file, problems: problems, root: &yaml.Node{}}
	if err := yaml.Load(data, s.root); err != nil {
		s.yamlError(err)
		return nil
	}
	if err := yaml.Load(data, out, yaml.WithKnownFields()); err != nil {
		s.yamlError(err)
	}
	return s
}

func (s *sheet) yamlError(err error) {
	if all, ok := errors.AsType[*yaml.LoadErrors](err); ok {
		for _, e := range all.Errors {
			s.add(e.Mark.Line, "", "%s", plainYAML(e))
		}
		return
	}
	if e, ok := errors.AsType[*yaml.LoadError](err); ok {
		s.add(max(e.Mark.Line, e.ContextMark.Line), "", "%s", plainYAML(e))
		return
	}
	s.add(0, "", "%v", err)
}

// plainYAML takes the Go type out of the library's message about an unknown field.
func plainYAML(e *yaml.LoadError) string {
	text := e.Message
	if text == "" && errors.Unwrap(e) != nil {
		text = errors.Unwrap(e).Error()
	}
	if field, _, ok := strings.Cut(text, " not found in type "); ok {
		return "unknown " + field
	}
	return text
}

func (s *sheet) add(line int, field, format string, args ...any) {
	*s.problems = append(*s.problems, Problem{File: s.file, Line: line, Field: field, Text: fmt.Sprintf(format, args...)})
}

// at says what is wrong with the field at a path of keys and indices.
func (s *sheet) at(path fieldPath, format string, args ...any) {
	s.add(s.line(path), path.String(), format, args...)
}

// line returns the line of the deepest part of path that is there.
func (s *sheet) line(path fieldPath) int {
	node := s.root
	if node.Kind == yaml.DocumentNode && len(node.Content) > 0 {
		node = node.Content[0]
	}
	line := node.Line
	for _, part := range path {
		next := child(node, part)
		if next == nil {
			break
		}
		node, line = next, next.Line
	}
	return line
}

func child(node *yaml.Node, part any) *yaml.Node {
	switch part := part.(type) {
	case int:
		if node.Kind == yaml.SequenceNode && part < len(node.Content) {
			return node.Content[part]
		}
	case string:
		if node.Kind != yaml.MappingNode {
			return nil
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == part {
				return node.Content[i+1]
			}
		}
	}
	return nil
}

// fieldPath leads to a field: strings are keys, ints are indices.
type fieldPath []any

func (p fieldPath) to(parts ...any) fieldPath { return append(slices.Clone(p), parts...) }

func (p fieldPath) String() string {
	var b strings.Builder
	for _, part := range p {
		switch part := part.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", part)
		case string:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(part)
		}
	}
	return b.String()
}
