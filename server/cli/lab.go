package cli

import (
	"errors"
	"fmt"

	"podlab/labs"
)

type labCommands struct {
	Lint labLintCmd `cmd:"" help:"Read all labs and name every mistake with file, line and field."`
}

// contentFlag is where an author works.
type contentFlag struct {
	Content string `help:"Directory of the course." default:"content" placeholder:"DIR"`
}

type labLintCmd struct{ contentFlag }

func (c *labLintCmd) Run(e *env) error {
	read, err := labs.Load(course(c.Content))
	if problems, ok := errors.AsType[labs.Problems](err); ok {
		for _, p := range problems {
			fmt.Fprintln(e.Out, p)
		}
		return fmt.Errorf("%d mistakes", len(problems))
	}
	if err != nil {
		return err
	}
	for _, lab := range read.Labs() {
		fmt.Fprintf(e.Out, "ok  %s  %d steps\n", lab.ID, len(lab.Steps))
	}
	return nil
}
