package cli

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"podlab/labs"
	"podlab/labs/record"
)

type labCommands struct {
	New   labNewCmd   `cmd:"" help:"Make the folder of a new lab."`
	Lint  labLintCmd  `cmd:"" help:"Read all labs and name every mistake with file, line and field."`
	Solve labSolveCmd `cmd:"" help:"Prove a lab on real nodes: its checks fail before, pass after its solution, and know its wrong solutions."`
}

// contentFlag is where an author works.
type contentFlag struct {
	Content string `help:"Directory of the course." default:"content" placeholder:"DIR"`
}

// load reads the course; its mistakes go to standard output, one a line.
func (c contentFlag) load(e *env) (*labs.Course, error) {
	read, err := labs.Load(os.DirFS(c.Content))
	if problems, ok := errors.AsType[labs.Problems](err); ok {
		for _, p := range problems {
			fmt.Fprintln(e.Out, p)
		}
		return nil, fmt.Errorf("mistakes found: %d", len(problems))
	}
	if err != nil {
		return nil, err
	}
	return read, examples(read)
}

// examples reads the recordings that labs bring.
func examples(course *labs.Course) error {
	for _, lab := range course.Labs() {
		for _, step := range lab.Steps {
			if len(step.Example) == 0 {
				continue
			}
			file, err := record.Open(bytes.NewReader(step.Example), int64(len(step.Example)))
			if err == nil && file.Header.Lab != lab.ID {
				err = fmt.Errorf("it is of lab %s", file.Header.Lab)
			}
			if err != nil {
				return fmt.Errorf("labs/%s/examples/%s%s: %w", lab.ID, step.ID, record.Extension, err)
			}
		}
	}
	return nil
}

type labNewCmd struct {
	contentFlag
	Lab string `arg:"" help:"Its id, which is its folder's name: 3.2-one-network."`
}

func (c *labNewCmd) Run(e *env) error {
	files, err := labs.Scaffold(os.DirFS(c.Content), c.Lab)
	if err != nil {
		return err
	}
	dir := filepath.Join(c.Content, "labs", c.Lab)
	if _, err := os.Stat(dir); err == nil {
		return fmt.Errorf("%s is there already", dir)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // an author's source files
			return err
		}
		if err := os.WriteFile(path, files[name], 0o644); err != nil { //nolint:gosec // an author's source files
			return err
		}
		fmt.Fprintln(e.Out, path)
	}
	return nil
}

type labLintCmd struct{ contentFlag }

// Run says of each lab what was read: a linter that says nothing may have looked in the wrong place.
func (c *labLintCmd) Run(e *env) error {
	course, err := c.load(e)
	if err != nil {
		return err
	}
	if len(course.Labs()) == 0 {
		return fmt.Errorf("there is no lab in %s", filepath.Join(c.Content, "labs"))
	}
	for _, lab := range course.Labs() {
		checks := 0
		for _, step := range lab.Steps {
			checks += len(step.Checks)
		}
		fmt.Fprintf(e.Out, "%s: %s, %s, %s: fine\n", lab.ID, count(len(lab.Steps), "step"), count(checks, "check"), languages())
	}
	return nil
}

func languages() string {
	var all []string
	for _, lang := range labs.Langs {
		all = append(all, string(lang))
	}
	return strings.Join(all, " ")
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

type labSolveCmd struct {
	contentFlag
	Labs []string `arg:"" optional:"" name:"lab" help:"Ids; default: all."`
}

// Run prints each finding as it is made.
func (c *labSolveCmd) Run(e *env) error {
	read, err := c.load(e)
	if err != nil {
		return err
	}
	chosen := read.Labs()
	if len(c.Labs) > 0 {
		chosen = nil
	}
	for _, id := range c.Labs {
		lab, ok := read.Lab(id)
		if !ok {
			return fmt.Errorf("there is no lab %q", id)
		}
		chosen = append(chosen, lab)
	}
	failed := 0
	for _, lab := range chosen {
		fmt.Fprintln(e.Out, lab.ID)
		err := labs.Prove(e.ctx, e.nodes, read, lab, func(f labs.Finding) {
			if f.Err != nil {
				failed++
			}
			fmt.Fprintln(e.Out, "  "+f.String())
		})
		if err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("not proven: %d findings", failed)
	}
	return nil
}
