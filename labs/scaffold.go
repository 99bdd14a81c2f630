package labs

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// scaffold is a lab that lints: one step, one check with a hint, a wrong solution, and its words.
//
//go:embed all:scaffold
var scaffold embed.FS

// Scaffold returns the files of a new lab by their path in its folder. The id is checked: MODULE.NUMBER-name, of a module of the course
// in fsys.
func Scaffold(fsys fs.FS, id string) (map[string][]byte, error) {
	if !labForm.MatchString(id) {
		return nil, fmt.Errorf("%q is no lab's id: MODULE.NUMBER-name, such as 3.2-one-network", id)
	}
	if err := inCourse(fsys, id); err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	err := fs.WalkDir(scaffold, "scaffold", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(scaffold, name)
		files[strings.TrimPrefix(name, "scaffold/")] = data
		return err
	})
	return files, err
}

// inCourse reports whether the course has the module of a lab.
func inCourse(fsys fs.FS, id string) error {
	var problems Problems
	course := readCourse(fsys, &problems)
	if err := problems.sorted(); err != nil {
		return err
	}
	module, _, _ := strings.Cut(id, ".")
	var known []string
	for _, m := range course.Modules {
		known = append(known, m.ID)
	}
	if !slices.Contains(known, module) {
		return fmt.Errorf("course.yaml has no module %s (it has %s): write it down there first, with its title in each language", module, strings.Join(known, ", "))
	}
	return nil
}
