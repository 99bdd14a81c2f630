package layer

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Pack writes a directory as a tar with every field fixed but what a container can see: entries sorted by path, no names of owners,
// times in whole seconds, hard links as files of their own. The same directory always gives the same bytes. Sockets, pipes and devices
// are left out. It returns the bytes of all regular files.
func Pack(w io.Writer, dir string) (int64, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	var names []string
	err = fs.WalkDir(root.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
		if name != "." {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	slices.Sort(names)
	p := &packing{root: root, tar: tar.NewWriter(w)}
	for _, name := range names {
		if err := p.entry(name); err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
	}
	return p.bytes, p.tar.Close()
}

// DiffID returns the digest of what Pack writes, and the bytes of all regular files.
func DiffID(dir string) (string, int64, error) {
	sum := sha256.New()
	bytes, err := Pack(sum, dir)
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), bytes, err
}

type packing struct {
	root  *os.Root
	tar   *tar.Writer
	bytes int64
}

func (p *packing) entry(name string) error {
	info, err := p.root.Lstat(name)
	if err != nil {
		return err
	}
	st := statOf(info)
	h := &tar.Header{
		Name: name, Mode: int64(st.Mode & 0o7777), Uid: int(st.Uid), Gid: int(st.Gid), ModTime: time.Unix(info.ModTime().Unix(), 0),
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return p.directory(h)
	case unix.S_IFREG:
		return p.file(h, st.Size)
	case unix.S_IFLNK:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = p.root.Readlink(name); err != nil {
			return err
		}
		return p.tar.WriteHeader(h)
	case unix.S_IFCHR:
		if st.Rdev == 0 {
			return p.mark(path.Join(path.Dir(name), whiteoutPrefix+path.Base(name)), h.ModTime)
		}
	}
	return nil
}

func (p *packing) directory(h *tar.Header) error {
	name := h.Name
	h.Typeflag, h.Name = tar.TypeDir, name+"/"
	if err := p.tar.WriteHeader(h); err != nil {
		return err
	}
	f, err := p.root.OpenFile(name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	value := make([]byte, 1)
	if n, err := unix.Fgetxattr(int(f.Fd()), opaqueAttr, value); err == nil && n == 1 && value[0] == 'y' {
		return p.mark(path.Join(name, opaqueName), h.ModTime)
	}
	return nil
}

// mark writes the empty file that stands for a whiteout.
func (p *packing) mark(name string, at time.Time) error {
	return p.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, ModTime: at})
}

func (p *packing) file(h *tar.Header, size int64) error {
	f, err := p.root.OpenFile(h.Name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	h.Typeflag, h.Size = tar.TypeReg, size
	if err := p.tar.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.CopyN(p.tar, f, size)
	p.bytes += n
	return err
}
