package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/image/dockerfile"
)

// withRoot gives fn the image's files as a container would see them, and makes what it writes a layer.
func (b *building) withRoot(s dockerfile.Step, fn func(root string) error) error {
	base := filepath.Join(b.work, fmt.Sprint(len(b.image.Layers)))
	upper, work, root := base+".upper", base+".work", base+".root"
	for _, dir := range []string{upper, work, root} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	var lower []string
	for _, l := range slices.Backward(b.image.Layers) {
		lower = append(lower, b.reader.LayerPath(l))
	}
	options := "lowerdir=" + strings.Join(lower, ":") + ",upperdir=" + upper + ",workdir=" + work + ",userxattr"
	if err := unix.Mount("overlay", root, "overlay", 0, options); err != nil {
		return fmt.Errorf("overlay: %w", err)
	}
	err := fn(root)
	if err := errors.Join(err, os.NewSyscallError("umount", unix.Unmount(root, unix.MNT_DETACH))); err != nil {
		return err
	}
	return b.commit(upper, s)
}

// makeBelow makes a directory of the image, through whatever symbolic links the image has on the way.
func makeBelow(root, dir string) error {
	at, err := securejoin.SecureJoin(root, dir)
	if err != nil {
		return err
	}
	return os.MkdirAll(at, 0o755)
}

// copy is COPY: sources are below the build's directory, and a target that ends in / or is a directory takes them by their names.
func (b *building) copy(root string, args []string) error {
	from, err := os.OpenRoot(b.context)
	if err != nil {
		return err
	}
	defer from.Close()
	sources, target := args[:len(args)-1], args[len(args)-1]
	at, err := securejoin.SecureJoin(root, b.absolute(target))
	if err != nil {
		return err
	}
	info, statErr := os.Lstat(at)
	into := strings.HasSuffix(target, "/") || target == "." || statErr == nil && info.IsDir()
	if len(sources) > 1 && !into {
		return fmt.Errorf("COPY of several needs a directory: %s/", target)
	}
	for _, source := range sources {
		name := path.Clean("/" + source)[1:]
		if name == "" {
			name = "."
		}
		is, err := from.Stat(name)
		if err != nil {
			return err
		}
		to := at
		if into && !is.IsDir() {
			to = filepath.Join(at, path.Base(name))
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := copyTree(from, name, to); err != nil {
			return err
		}
	}
	return nil
}

// copyTree copies a file, or what is in a directory. All of it becomes root's.
func copyTree(from *os.Root, name, to string) error {
	return fs.WalkDir(from.FS(), name, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(at, name), "/")
		if name == "." {
			rel = at
		}
		dest := filepath.Join(to, rel)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return os.MkdirAll(dest, info.Mode().Perm()|0o700)
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := from.Readlink(at)
			if err != nil {
				return err
			}
			_ = os.Remove(dest) // not there, most likely; else the next line says so
			return os.Symlink(target, dest)
		case info.Mode().IsRegular():
			return copyFile(from, at, dest, info)
		}
		return fmt.Errorf("%s is no file", at)
	})
}

func copyFile(from *os.Root, name, to string, info fs.FileInfo) error {
	in, err := from.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close(), os.Chtimes(to, info.ModTime(), info.ModTime()))
}
