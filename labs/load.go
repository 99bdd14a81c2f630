package labs

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// courseYAML is course.yaml.
type courseYAML struct {
	Modules []struct {
		ID    string          `yaml:"id"`
		Title map[Lang]string `yaml:"title"`
		Labs  []struct {
			Number string          `yaml:"number"`
			Title  map[Lang]string `yaml:"title"`
		} `yaml:"labs"`
	} `yaml:"modules"`
}

var (
	labForm    = regexp.MustCompile(`^[1-9][0-9]?\.[1-9][0-9]?(-[a-z0-9]+)+$`)
	numberForm = regexp.MustCompile(`^[1-9][0-9]?\.[1-9][0-9]?$`)
)

// Load reads course.yaml and labs/*, compiles every expression and renders every text. Its error is a Problems.
func Load(fsys fs.FS) (*Course, error) {
	var problems Problems
	course := readCourse(fsys, &problems)
	entries, err := fs.ReadDir(fsys, "labs")
	if err != nil {
		problems = append(problems, Problem{File: "labs", Text: err.Error()})
	}
	for _, entry := range entries {
		dir := path.Join("labs", entry.Name())
		if !entry.IsDir() || !labForm.MatchString(entry.Name()) {
			problems = append(problems, Problem{File: dir, Text: "is not a lab's folder: MODULE.NUMBER-name"})
			continue
		}
		if lab := loadLab(fsys, dir, &problems); lab != nil {
			course.place(lab, &problems)
		}
	}
	return course, problems.sorted()
}

func loadLab(fsys fs.FS, dir string, problems *Problems) *Lab {
	sub, err := fs.Sub(fsys, dir)
	if err != nil {
		*problems = append(*problems, Problem{File: dir, Text: err.Error()})
		return nil
	}
	lab := readLab(sub, dir, problems)
	if lab != nil {
		readProse(sub, dir, lab, problems)
	}
	return lab
}

func readCourse(fsys fs.FS, problems *Problems) *Course {
	course := &Course{byID: map[string]*Lab{}}
	data, err := fs.ReadFile(fsys, "course.yaml")
	if err != nil {
		*problems = append(*problems, Problem{File: "course.yaml", Text: "is missing"})
		return course
	}
	var raw courseYAML
	s := readSheet("course.yaml", data, &raw, problems)
	if s == nil {
		return course
	}
	for i, m := range raw.Modules {
		p := fieldPath{"modules", i}
		s.titles(p, m.Title)
		module := &Module{ID: m.ID, Title: m.Title}
		for j, l := range m.Labs {
			q := p.to("labs", j)
			s.titles(q, l.Title)
			if !numberForm.MatchString(l.Number) || !strings.HasPrefix(l.Number, m.ID+".") {
				s.at(q.to("number"), "%q is no number in module %q", l.Number, m.ID)
			}
			module.Labs = append(module.Labs, &Entry{Number: l.Number, Title: l.Title})
		}
		course.Modules = append(course.Modules, module)
	}
	return course
}

func (s *sheet) titles(p fieldPath, title map[Lang]string) {
	for _, lang := range Langs {
		if title[lang] == "" {
			s.at(p.to("title", string(lang)), "is missing")
		}
	}
	if len(title) > len(Langs) {
		s.at(p.to("title"), "has a language that the course does not have")
	}
}

// place puts a lab on the map: on the entry that waits for its number, or on a new one.
func (c *Course) place(lab *Lab, problems *Problems) {
	id, _, _ := strings.Cut(lab.Number, ".")
	i := slices.IndexFunc(c.Modules, func(m *Module) bool { return m.ID == id })
	if i < 0 {
		*problems = append(*problems, Problem{File: path.Join("labs", lab.ID), Text: "course.yaml has no module " + id})
		return
	}
	m := c.Modules[i]
	c.byID[lab.ID] = lab
	j := slices.IndexFunc(m.Labs, func(e *Entry) bool { return e.Number == lab.Number })
	if j < 0 {
		m.Labs = append(m.Labs, &Entry{Number: lab.Number})
		slices.SortStableFunc(m.Labs, func(a, b *Entry) int { return place(a.Number) - place(b.Number) })
		j = slices.IndexFunc(m.Labs, func(e *Entry) bool { return e.Number == lab.Number })
	}
	if m.Labs[j].Lab != nil {
		*problems = append(*problems, Problem{File: path.Join("labs", lab.ID), Text: m.Labs[j].Lab.ID + " has the same number"})
		return
	}
	m.Labs[j].Lab, m.Labs[j].Title = lab, lab.titles()
}

func (l *Lab) titles() Words {
	words := Words{}
	for lang, text := range l.texts {
		words[lang] = text.Title
	}
	return words
}

// place orders "4.2" before "4.10".
func place(number string) int {
	_, n, _ := strings.Cut(number, ".")
	i, _ := strconv.Atoi(n) // the form was checked
	return i
}
