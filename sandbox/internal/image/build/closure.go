package build

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"fmt"
	"path"
	"slices"
	"strings"
)

// searchPath is where the dynamic loader looks without a cache (ld.so(8)) on the machines Debian runs on here.
var searchPath = []string{"usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib", "usr/lib64"}

// closed checks that every program and library of the layers (lowest first) finds its libraries and its interpreter in them:
// packages are named one by one in a recipe, so one may have been forgotten.
func closed(layers []Tree, search ...string) error {
	has := func(name string) bool {
		for _, t := range layers {
			if _, ok := t[canonical(name)]; ok {
				return true
			}
		}
		return false
	}
	top := layers[len(layers)-1]
	for _, name := range top.names() {
		e := top[name]
		if e.Type != tar.TypeReg {
			continue
		}
		for _, need := range needs(e) {
			if !has(need) && !inSearchPath(need, append(search, path.Dir(name)), has) {
				return fmt.Errorf("/%s needs %s, which the image does not hold", name, need)
			}
		}
	}
	return nil
}

func inSearchPath(lib string, more []string, has func(string) bool) bool {
	if strings.Contains(lib, "/") {
		return false
	}
	for _, dir := range slices.Concat(searchPath, more) {
		if has(dir + "/" + lib) {
			return true
		}
	}
	return false
}

// needs returns the libraries (bare names) and interpreters (paths) that a file needs to run.
func needs(e Entry) []string {
	if bytes.HasPrefix(e.Data, []byte("#!")) && e.Mode&0o111 != 0 {
		line, _, _ := bytes.Cut(e.Data[2:], []byte("\n"))
		if f := strings.Fields(string(line)); len(f) > 0 {
			return f[:1]
		}
	}
	f, err := elf.NewFile(bytes.NewReader(e.Data))
	if err != nil {
		return nil
	}
	libs, _ := f.ImportedLibraries()
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		b := make([]byte, p.Filesz)
		if _, err := p.ReadAt(b, 0); err == nil {
			libs = append(libs, strings.TrimRight(string(b), "\x00"))
		}
	}
	return libs
}
