package labs

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// section is a heading of level 1 to 3, "word id: Title", and the Markdown below it up to the next one.
type section struct {
	level    int
	word, id string
	title    string
	line     int // of the heading
	body     string
	bodyLine int // of body's first line
	sub      []*section
}

// key names a section in messages, and tells whether two languages have the same one.
func (s *section) key() string {
	if s.id == "" {
		return s.word
	}
	return s.word + " " + s.id
}

var (
	headingLine = regexp.MustCompile(`^(#{1,3})[ \t]+(.*?)[ \t]*$`)
	headingForm = regexp.MustCompile(`^([a-z]+)(?: ([a-z0-9]+(?:-[a-z0-9]+)*))?(?::[ \t]*(\S.*))?$`)
	fenceLine   = regexp.MustCompile("^[ \t]*(`{3,}|~{3,})(.*)$")
)

// prose is one language file, split.
type prose struct {
	file     string
	problems *Problems
	front    string
	steps    []*section
}

func (p *prose) add(line int, field, format string, args ...any) {
	*p.problems = append(*p.problems, Problem{File: p.file, Line: line, Field: field, Text: fmt.Sprintf(format, args...)})
}

// splitProse reads the front matter and the sections of en.md or zh.md.
func splitProse(file string, text string, problems *Problems) *prose {
	p := &prose{file: file, problems: problems}
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	start := p.frontMatter(lines)
	var path []*section // the open sections, by level
	fence := ""
	for i := start; i < len(lines); i++ {
		fence = nextFence(fence, lines[i])
		m := headingLine.FindStringSubmatch(lines[i])
		if fence != "" || m == nil {
			p.text(path, lines[i], i+1)
			continue
		}
		path = p.open(path, len(m[1]), m[2], i+1)
	}
	if fence != "" {
		p.add(len(lines), "", "a code block is not closed")
	}
	return p
}

// nextFence returns the fence that is open after a line, "" for none.
func nextFence(open, line string) string {
	m := fenceLine.FindStringSubmatch(line)
	switch {
	case m == nil:
		return open
	case open == "":
		return m[1]
	case m[1][0] == open[0] && len(m[1]) >= len(open) && strings.TrimSpace(m[2]) == "":
		return ""
	}
	return open
}

// frontMatter takes the lines between the first two "---" and returns where the rest begins.
func (p *prose) frontMatter(lines []string) int {
	if strings.TrimSpace(lines[0]) == "---" {
		for i := 1; i < len(lines); i++ {
			if strings.TrimSpace(lines[i]) == "---" {
				p.front = "\n" + strings.Join(lines[1:i], "\n") // the empty line keeps the file's line numbers
				return i + 1
			}
		}
	}
	p.add(1, "", "the file begins with front matter: title, summary and goals between two lines of ---")
	return 0
}

func (p *prose) text(open []*section, line string, number int) {
	if len(open) == 0 {
		if strings.TrimSpace(line) != "" {
			p.add(number, "", "text before the first step")
		}
		return
	}
	s := open[len(open)-1]
	if s.bodyLine == 0 {
		s.bodyLine = number
	}
	s.body += line + "\n"
}

// open begins a section and returns the path to it.
func (p *prose) open(at []*section, level int, heading string, line int) []*section {
	s := &section{level: level, line: line}
	m := headingForm.FindStringSubmatch(heading)
	if m == nil {
		p.add(line, heading, "a heading is \"word id: Title\", with an ASCII colon; use level 4 for headings of your own")
	} else {
		s.word, s.id, s.title = m[1], m[2], m[3]
	}
	if level > len(at)+1 {
		p.add(line, s.key(), "level %d stands below a heading of level %d", level, level-1)
		level = len(at) + 1
	}
	at = at[:level-1]
	if level == 1 {
		p.steps = append(p.steps, s)
	} else {
		at[level-2].sub = append(at[level-2].sub, s)
	}
	return append(at[:level-1:level-1], s)
}

// sameSections holds a language against the first one: the same sections in the same order.
func sameSections(a, b *prose) {
	compareSections(b, path.Base(a.file), a.steps, b.steps, 1)
}

func compareSections(p *prose, other string, a, b []*section, after int) {
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(b):
			p.add(after, a[i].key(), "is in %s (line %d) and missing here", other, a[i].line)
			return
		case i >= len(a):
			p.add(b[i].line, b[i].key(), "is not in %s", other)
			return
		case a[i].key() != b[i].key():
			p.add(b[i].line, b[i].key(), "%s has \"%s\" here (line %d)", other, a[i].key(), a[i].line)
			return
		}
		after = b[i].line
		compareSections(p, other, a[i].sub, b[i].sub, after)
	}
}
