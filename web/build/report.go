package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"sort"
)

// FirstLoad is what the lab page may load of JavaScript before it is usable, KiB gzip.
const FirstLoad = 40

// atFirst are the lab page's script and the words of the longer language, without those of parts that come later.
var atFirst = regexp.MustCompile(`^(lab|words-zh)-[A-Z0-9]+\.js$`)

// firstLoad returns the gzip size of the lab page's script, all that it imports statically, and one language's words.
func firstLoad(metafile string, files map[string][]byte) float64 {
	var meta struct {
		Outputs map[string]struct {
			EntryPoint string
			Imports    []struct{ Path, Kind string }
		}
	}
	must(json.Unmarshal([]byte(metafile), &meta))
	seen := map[string]bool{}
	var visit func(path string)
	visit = func(path string) {
		if seen[path] {
			return
		}
		seen[path] = true
		for _, i := range meta.Outputs[path].Imports {
			if i.Kind == "import-statement" {
				visit(i.Path)
			}
		}
	}
	for path := range meta.Outputs {
		if atFirst.MatchString(filepath.Base(path)) {
			visit(path)
		}
	}
	total := 0
	for path := range seen {
		total += packed(files[filepath.Base(path)])
	}
	return float64(total) / 1024
}

// report prints the size of each file as the browser gets it.
func report(files map[string][]byte) {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Printf("%-44s %8.1f KiB gzip\n", name, float64(packed(files[name]))/1024)
	}
}

func packed(data []byte) int {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(data) // a bytes.Buffer does not fail
	_ = z.Close()
	return b.Len()
}
