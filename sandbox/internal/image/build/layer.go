package build

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// digest is the sha256 of the layer as a tar whose every field is fixed: sorted, without names of owners, all times alike.
func (t Tree) digest(at time.Time) (string, error) {
	h := sha256.New()
	if err := t.writeTar(h, at); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

func (t Tree) writeTar(w io.Writer, at time.Time) error {
	tw := tar.NewWriter(w)
	for _, name := range t.names() {
		e := t[name]
		h := &tar.Header{Typeflag: e.Type, Name: name, Mode: e.Mode, Uid: e.UID, Gid: e.GID, Linkname: e.Link,
			Size: int64(len(e.Data)), ModTime: at}
		if e.Type == tar.TypeDir {
			h.Name += "/"
		}
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		if _, err := tw.Write(e.Data); err != nil {
			return err
		}
	}
	return tw.Close()
}

// unpack writes the layer as directory dir, which appears whole or not at all.
func (t Tree) unpack(dir string, at time.Time) error {
	if _, err := os.Stat(dir); err == nil {
		return nil // the same digest is the same content
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".unpack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := t.write(tmp, at); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
}

func (t Tree) write(root string, at time.Time) error {
	names := t.names()
	for _, name := range names {
		if err := t[name].write(filepath.Join(root, name)); err != nil {
			return err
		}
	}
	slices.Reverse(names) // a directory's time last: writing into it changes it
	for _, name := range names {
		if err := setTime(filepath.Join(root, name), at); err != nil {
			return err
		}
	}
	if err := os.Chmod(root, 0o755); err != nil {
		return err
	}
	return setTime(root, at)
}

func (e Entry) write(file string) error {
	var err error
	switch e.Type {
	case tar.TypeDir:
		err = os.Mkdir(file, 0o755)
	case tar.TypeSymlink:
		err = os.Symlink(e.Link, file)
	default:
		err = os.WriteFile(file, e.Data, 0o644)
	}
	if err != nil {
		return err
	}
	if err := os.Lchown(file, e.UID, e.GID); err != nil {
		return err
	}
	if e.Type == tar.TypeSymlink {
		return nil
	}
	return unix.Chmod(file, uint32(e.Mode)) // os.Chmod spells the sticky bit differently
}

func setTime(file string, at time.Time) error {
	ts := unix.NsecToTimespec(at.UnixNano())
	return unix.UtimesNanoAt(unix.AT_FDCWD, file, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}
