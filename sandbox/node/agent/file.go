package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// home is the only directory whose files can be read and written from outside: below it, without symbolic links and mounts.
type home struct {
	dir  string
	root *os.File
}

func openHome(dir string) (*home, error) {
	root, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &home{dir: dir, root: root}, nil
}

func (h *home) close() { _ = h.root.Close() }

// inside turns "/root/a/b" or "a/b" into "a/b".
func (h *home) inside(name string) (string, error) {
	rel := strings.TrimPrefix(name, h.dir+"/")
	clean := path.Clean(rel)
	if rel == "" || len(rel) > 255 || clean == "." || strings.HasPrefix(clean, "/") || clean == ".." || strings.HasPrefix(clean, "../") ||
		strings.ContainsRune(rel, 0) || strings.HasSuffix(rel, "/") {
		return "", sandbox.Errorf(sandbox.CodeBadRequest, "detail", "path")
	}
	return clean, nil
}

// open resolves a path in the kernel (openat2(2)), where no learner's symbolic link can lead it out.
func (h *home) open(dir int, rel string, flags uint64, mode uint64) (*os.File, error) {
	fd, err := unix.Openat2(dir, rel, &unix.OpenHow{
		Flags: flags | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY, Mode: mode,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: rel, Err: err}
	}
	return os.NewFile(uintptr(fd), rel), nil
}

func (h *home) read(name string) ([]byte, error) {
	rel, err := h.inside(name)
	if err != nil {
		return nil, err
	}
	f, err := h.open(int(h.root.Fd()), rel, unix.O_RDONLY, 0)
	if err != nil {
		return nil, fileError(name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fileError(name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "not a file")
	}
	data, err := io.ReadAll(io.LimitReader(f, sandbox.MaxFile+1))
	if err != nil {
		return nil, fileError(name, err)
	}
	if len(data) > sandbox.MaxFile {
		return nil, sandbox.Errorf(sandbox.CodeTooLarge, "limit", strconv.Itoa(sandbox.MaxFile))
	}
	return data, nil
}

// write puts a whole file in place of what was there: who reads meanwhile sees the old or the new one.
func (h *home) write(name string, data []byte) error {
	if len(data) > sandbox.MaxFile {
		return sandbox.Errorf(sandbox.CodeTooLarge, "limit", strconv.Itoa(sandbox.MaxFile))
	}
	rel, err := h.inside(name)
	if err != nil {
		return err
	}
	dir, err := h.directory(path.Dir(rel))
	if err != nil {
		return fileError(name, err)
	}
	defer dir.Close()
	return fileError(name, h.replace(int(dir.Fd()), path.Base(rel), data))
}

// directory opens a directory below home and makes what is missing of it.
func (h *home) directory(rel string) (*os.File, error) {
	dir, err := h.open(int(h.root.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil || rel == "." {
		return dir, err
	}
	for part := range strings.SplitSeq(rel, "/") {
		err := unix.Mkdirat(int(dir.Fd()), part, 0o755)
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return nil, errors.Join(err, dir.Close())
		}
		next, err := h.open(int(dir.Fd()), part, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		_ = dir.Close()
		if err != nil {
			return nil, err
		}
		dir = next
	}
	return dir, nil
}

// replace writes a new file beside the old one and renames it. A symbolic link, fifo or device of that name is replaced, never
// followed.
func (h *home) replace(dir int, base string, data []byte) (err error) {
	var st unix.Stat_t
	mode := uint64(0o644)
	if err := unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
		mode = uint64(st.Mode & 0o777)
	} else if err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return unix.EISDIR
	}
	temporary := fmt.Sprintf(".podlab-%d-%d", os.Getpid(), now())
	f, err := h.open(dir, temporary, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = unix.Unlinkat(dir, temporary, 0)
		}
	}()
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	return unix.Renameat(dir, temporary, dir, base)
}

// fileError gives the ways in which a file can be out of reach a code.
func fileError(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOENT):
		return sandbox.Errorf(sandbox.CodeNotFound, "kind", "file", "name", name).Because(err)
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.EXDEV), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.EISDIR), errors.Is(err, unix.ENXIO):
		return sandbox.Errorf(sandbox.CodeBadRequest, "detail", "path").Because(err)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return sandbox.Errorf(sandbox.CodeOverCapacity, "resource", "disk", "detail", "full").Because(err)
	}
	return err
}

// ReadFile reads a file below /root.
func (a *Agent) ReadFile(_ context.Context, name string) ([]byte, error) { return a.home.read(name) }

// WriteFile writes a file below /root and makes the directories above it.
func (a *Agent) WriteFile(_ context.Context, name string, data []byte) error {
	return a.home.write(name, data)
}
