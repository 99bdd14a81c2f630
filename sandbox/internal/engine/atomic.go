package engine

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A data volume is written as the kubelet writes one (pkg/volume/util, AtomicWriter), so that a reader sees the old files or the new
// ones and never a mixture: the files are in a directory named by the time, the link ..data leads there, and each name that
// containers see is a link below ..data. Replacing ..data replaces all.
const (
	dataLink = "..data"
	dataNext = "..data_tmp"
	dataTime = "..2006_01_02_15_04_05."
)

// writePayload makes dir hold exactly p; group, if not nil, owns the files and may read them.
func writePayload(dir string, p payload, group *int64) error {
	old, err := os.Readlink(filepath.Join(dir, dataLink))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if old != "" && holds(filepath.Join(dir, old), p) {
		return nil
	}
	next := time.Now().UTC().Format(dataTime) + strconv.Itoa(time.Now().Nanosecond())
	if err := writeFiles(filepath.Join(dir, next), p, group); err != nil {
		return errors.Join(err, os.RemoveAll(filepath.Join(dir, next)))
	}
	if err := replaceLink(dir, next); err != nil {
		return err
	}
	if err := linkNames(dir, p); err != nil {
		return err
	}
	if old == "" {
		return nil
	}
	return os.RemoveAll(filepath.Join(dir, filepath.Base(old)))
}

// holds reports whether a directory has the payload's files and no others. Modes follow from the manifest, which does not change.
func holds(dir string, p payload) bool {
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		name, _ := filepath.Rel(dir, path) // path is below dir
		want, ok := p[name]
		text, err := os.ReadFile(path)
		if err != nil || !ok || !bytes.Equal(text, want.text) {
			return errors.Join(err, fs.ErrInvalid)
		}
		return nil
	})
	return err == nil && files == len(p)
}

func writeFiles(dir string, p payload, group *int64) error {
	if err := makeDir(dir, group); err != nil {
		return err
	}
	for name, file := range p {
		parts := strings.Split(name, "/")
		for i := range parts[:len(parts)-1] {
			if err := makeDir(filepath.Join(dir, filepath.Join(parts[:i+1]...)), group); err != nil {
				return err
			}
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, file.text, 0o600); err != nil {
			return err
		}
		mode := file.mode
		if group != nil {
			mode |= 0o440
			if err := os.Chown(path, -1, int(*group)); err != nil {
				return err
			}
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask
			return err
		}
	}
	return nil
}

func makeDir(dir string, group *int64) error {
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil || group == nil {
		return errors.Join(err, os.Chmod(dir, 0o755))
	}
	return ownByGroup(dir, *group, 0o755)
}

// ownByGroup gives a directory to a group, and so what is made in it (the set-group-ID bit).
func ownByGroup(dir string, group int64, mode fs.FileMode) error {
	return errors.Join(os.Chown(dir, -1, int(group)), os.Chmod(dir, mode|0o550|fs.ModeSetgid))
}

func replaceLink(dir, to string) error {
	next := filepath.Join(dir, dataNext)
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(to, next); err != nil {
		return err
	}
	return unix.Rename(next, filepath.Join(dir, dataLink))
}

// linkNames makes a link for each name at the top of the payload and removes those that are no longer in it.
func linkNames(dir string, p payload) error {
	var names []string
	for name := range p {
		top, _, _ := strings.Cut(name, "/")
		names = append(names, top)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "..") {
			continue
		}
		if i := slices.Index(names, e.Name()); i < 0 {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	for _, name := range names {
		err := os.Symlink(filepath.Join(dataLink, name), filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}
