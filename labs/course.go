package labs

import (
	"time"

	"podlab/sandbox"
)

// Course is all modules and labs, those that exist and those to come.
type Course struct {
	Modules []*Module
	byID    map[string]*Lab
}

// Module is a chapter of the course.
type Module struct {
	ID    string // "3"
	Title Words
	Labs  []*Entry
}

// Entry is one lab on the course map.
type Entry struct {
	Number string // "3.1"
	Title  Words
	Lab    *Lab // nil: to come
}

// Lab returns a lab by its id.
func (c *Course) Lab(id string) (*Lab, bool) {
	lab, ok := c.byID[id]
	return lab, ok
}

// Find returns a lab and a step of it by their ids. Errors: not_found.
func (c *Course) Find(lab, step string) (*Lab, *Step, error) {
	l, ok := c.Lab(lab)
	if !ok {
		return nil, nil, sandbox.Errorf(sandbox.CodeNotFound, "kind", "lab", "name", lab)
	}
	s, _, ok := l.Step(step)
	if !ok {
		return nil, nil, sandbox.Errorf(sandbox.CodeNotFound, "kind", "step", "name", step)
	}
	return l, s, nil
}

// Labs returns all labs that exist, in the course's order.
func (c *Course) Labs() []*Lab {
	var all []*Lab
	for _, m := range c.Modules {
		for _, e := range m.Labs {
			if e.Lab != nil {
				all = append(all, e.Lab)
			}
		}
	}
	return all
}

// Total returns how long the course's existing labs take.
func (c *Course) Total() time.Duration {
	var minutes int
	for _, l := range c.Labs() {
		minutes += l.Minutes
	}
	return time.Duration(minutes) * time.Minute
}
