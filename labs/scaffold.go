package labs

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

// scaffold is a lab that lints: one step, one check with a hint, a wrong solution, and its words.
//
//go:embed all:scaffold
var scaffold embed.FS

// Scaffold returns the files of a new lab by their path in its folder. The id is checked: MODULE.NUMBER-name.
func Scaffold(id string) (map[string][]byte, error) {
	if !labForm.MatchString(id) {
		return nil, fmt.Errorf("%q is no lab's id: MODULE.NUMBER-name, such as 3.2-one-network", id)
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
