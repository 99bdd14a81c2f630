package build

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A Tree is the content of one layer before it is written: paths without leading slash, in the merged /usr layout.
type Tree map[string]Entry

// An Entry is a directory, a regular file or a symbolic link.
type Entry struct {
	Type byte // tar.TypeDir, TypeReg, TypeSymlink
	Mode int64
	UID  int
	GID  int
	Link string
	Data []byte
}

// add puts an entry at name and makes the directories above it. A later file replaces an earlier one; a directory keeps its
// first mode.
func (t Tree) add(name string, e Entry) error {
	name = canonical(name)
	if name == "." {
		return nil
	}
	if !fs.ValidPath(name) {
		return fmt.Errorf("%q is no path inside an image", name)
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		above, ok := t[dir]
		if !ok {
			t[dir] = Entry{Type: tar.TypeDir, Mode: 0o755}
		} else if above.Type != tar.TypeDir {
			return fmt.Errorf("%s lies below %s, which is no directory", name, dir)
		}
	}
	old, ok := t[name]
	if ok && (old.Type == tar.TypeDir) != (e.Type == tar.TypeDir) {
		return fmt.Errorf("%s is both a directory and none", name)
	}
	e.Mode &= 0o1777 // no set-user-id: nothing in a node may gain privileges by exec
	t[name] = e
	return nil
}

// canonical brings /bin, /sbin and /lib* below /usr, where Debian's installer puts them when it merges.
func canonical(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return "."
	}
	first, rest, deeper := strings.Cut(name, "/")
	if deeper && slices.Contains([]string{"bin", "sbin", "lib", "lib64"}, first) {
		return "usr/" + first + "/" + rest
	}
	return name
}

// addTar adds what a package's tar holds, but for what drop leaves out. Hard links become copies.
func (t Tree) addTar(r io.Reader, drop func(string) bool) error {
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := canonical(h.Name)
		if drop(name) || (h.Typeflag == tar.TypeDir && slices.Contains([]string{"bin", "sbin", "lib", "lib64"}, name)) {
			continue
		}
		if err := t.addHeader(name, h, tr); err != nil {
			return err
		}
	}
}

func (t Tree) addHeader(name string, h *tar.Header, content io.Reader) error {
	e := Entry{Type: h.Typeflag, Mode: h.Mode, UID: h.Uid, GID: h.Gid}
	switch h.Typeflag {
	case tar.TypeDir:
		if _, ok := t[name]; ok {
			return nil
		}
	case tar.TypeReg:
		data, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		e.Data = data
	case tar.TypeSymlink:
		e.Link = h.Linkname
	case tar.TypeLink:
		first, ok := t[canonical(h.Linkname)]
		if !ok {
			return fmt.Errorf("%s is a hard link to %s, which is not there", name, h.Linkname)
		}
		e = first
	default:
		return fmt.Errorf("%s is of type %q, which no image here holds", name, h.Typeflag)
	}
	return t.add(name, e)
}

// addFiles adds a directory of the host as root's, with modes 0755 and 0644: what a checkout keeps of modes.
func (t Tree) addFiles(dir string) error {
	return filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil || name == "." {
			return err
		}
		e, err := hostEntry(file, d)
		if err != nil {
			return err
		}
		return t.add(filepath.ToSlash(name), e)
	})
}

func hostEntry(file string, d fs.DirEntry) (Entry, error) {
	switch {
	case d.IsDir():
		return Entry{Type: tar.TypeDir, Mode: 0o755}, nil
	case d.Type()&fs.ModeSymlink != 0:
		target, err := os.Readlink(file)
		return Entry{Type: tar.TypeSymlink, Mode: 0o777, Link: target}, err
	case !d.Type().IsRegular():
		return Entry{}, fmt.Errorf("%s is no regular file", file)
	}
	info, err := d.Info()
	if err != nil {
		return Entry{}, err
	}
	mode := int64(0o644)
	if info.Mode()&0o100 != 0 {
		mode = 0o755
	}
	data, err := os.ReadFile(file)
	return Entry{Type: tar.TypeReg, Mode: mode, Data: data}, err
}

// addOwn adds the directories and links that the recipe itself names.
func (t Tree) addOwn(r Recipe) error {
	for name, mode := range r.Dirs {
		m, err := strconv.ParseInt(mode, 8, 32)
		if err != nil {
			return fmt.Errorf("dirs: %s: mode %q: %w", name, mode, err)
		}
		if err := t.add(name, Entry{Type: tar.TypeDir, Mode: m}); err != nil {
			return err
		}
	}
	for name, target := range r.Links {
		if err := t.add(name, Entry{Type: tar.TypeSymlink, Mode: 0o777, Link: target}); err != nil {
			return err
		}
	}
	for target, names := range r.Applets {
		for _, name := range strings.Fields(names) {
			if err := t.add("usr/bin/"+name, Entry{Type: tar.TypeSymlink, Mode: 0o777, Link: target}); err != nil {
				return err
			}
		}
	}
	return nil
}

// names returns the paths in order: a directory before what it holds.
func (t Tree) names() []string {
	names := make([]string, 0, len(t))
	for name := range t {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// bytes is the size of all regular files.
func (t Tree) bytes() int64 {
	var n int64
	for _, e := range t {
		n += int64(len(e.Data))
	}
	return n
}
