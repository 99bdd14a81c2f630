package layer

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Unpack reads a layer, compressed or not, into an empty directory. After an error what is there is of no use.
func Unpack(from io.Reader, root *os.Root, bounds Bounds) (Report, error) {
	s, err := open(from, bounds)
	if err != nil {
		return Report{}, err
	}
	defer s.closing()
	sum := sha256.New()
	plain := io.TeeReader(s, sum)
	u := &unpacking{places: places{root: root}, bounds: bounds, times: map[string]unix.Timespec{}}
	defer u.places.leave()
	if err := u.all(tar.NewReader(plain)); err != nil {
		return Report{}, err
	}
	if _, err := io.Copy(io.Discard, plain); err != nil { // what stands behind the tar's end belongs to its digest
		return Report{}, err
	}
	u.report.DiffID = "sha256:" + hex.EncodeToString(sum.Sum(nil))
	return u.report, u.setTimes()
}

// Sum reads a layer, compressed or not, and returns its DiffID: what Unpack would report, without a file written.
func Sum(from io.Reader, bounds Bounds) (diffID string, err error) {
	s, err := open(from, bounds)
	if err != nil {
		return "", err
	}
	defer s.closing()
	sum := sha256.New()
	if _, err := io.Copy(sum, s); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

// unpacking is one layer while it is written.
type unpacking struct {
	places places
	bounds Bounds
	report Report
	times  map[string]unix.Timespec // of directories: set last, since writing into one changes it
}

func (u *unpacking) all(r *tar.Reader) error {
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if u.report.Entries++; u.report.Entries > u.bounds.Entries {
			return fmt.Errorf("%w: over %d entries", ErrTooLarge, u.bounds.Entries)
		}
		if err := u.entry(h, r); err != nil {
			return fmt.Errorf("%.200q: %w", h.Name, err)
		}
	}
}

// entry writes one entry of the tar.
func (u *unpacking) entry(h *tar.Header, content io.Reader) error {
	name, err := clean(h.Name)
	if err != nil {
		return err
	}
	if name == "." {
		return nil // the layer's own top; its mode is the lowest layer's business
	}
	dir, base := path.Split(name)
	if strings.HasPrefix(base, whiteoutPrefix) {
		return u.whiteout(dir, base)
	}
	if h.Uid < 0 || h.Uid > maxID || h.Gid < 0 || h.Gid > maxID {
		return fmt.Errorf("owner %d:%d: a node has ids up to %d", h.Uid, h.Gid, maxID)
	}
	at, err := u.places.enter(dir)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return u.directory(at, dir, base, h)
	case tar.TypeReg, tar.TypeGNUSparse:
		return u.file(at, base, h, content)
	case tar.TypeSymlink:
		return u.symlink(at, base, h)
	case tar.TypeLink:
		return u.link(at, base, h)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		u.report.Skipped++
		return nil
	}
	return fmt.Errorf("unknown type %q", h.Typeflag)
}

// clean brings a name of the tar into the form a/b/c. A leading slash is the layer's top; a name that climbs is refused.
func clean(name string) (string, error) {
	if len(name) > maxPath || strings.IndexByte(name, 0) >= 0 {
		return "", fmt.Errorf("no path: %w", unix.ENAMETOOLONG)
	}
	parts := strings.Split(name, "/")
	for _, part := range parts {
		if part == ".." {
			return "", errors.New("the path climbs")
		}
		if len(part) > maxName {
			return "", unix.ENAMETOOLONG
		}
	}
	if len(parts) > maxDepth {
		return "", fmt.Errorf("%w: over %d directories deep", ErrTooLarge, maxDepth)
	}
	if name = strings.TrimPrefix(path.Clean("/"+name), "/"); name == "" {
		return ".", nil
	}
	return name, nil
}

// mode leaves out set-user-id and set-group-id: nothing in a node may gain privileges by exec.
func mode(h *tar.Header) uint32 { return uint32(h.Mode) & 0o1777 }

func (u *unpacking) directory(at int, dir, base string, h *tar.Header) error {
	st, err := lstat(at, base)
	hides := err == nil && isWhiteout(st) // the layer replaces a directory by this one
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		if err := u.remove(at, base); err != nil {
			return err
		}
		if err := unix.Mkdirat(at, base, 0o755); err != nil {
			return err
		}
	}
	fd, err := openDirectory(at, base)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	u.times[dir+base] = unix.NsecToTimespec(h.ModTime.UnixNano())
	if err := errors.Join(unix.Fchown(fd, h.Uid, h.Gid), unix.Fchmod(fd, mode(h))); err != nil || !hides {
		return err
	}
	return unix.Fsetxattr(fd, opaqueAttr, []byte("y"), 0)
}

func (u *unpacking) file(at int, base string, h *tar.Header, content io.Reader) error {
	if h.Size < 0 || u.report.Bytes+h.Size > u.bounds.Bytes {
		return fmt.Errorf("%w: over %d bytes", ErrTooLarge, u.bounds.Bytes)
	}
	if err := u.remove(at, base); err != nil {
		return err
	}
	fd, err := unix.Openat(at, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), base)
	n, err := io.CopyN(f, content, h.Size)
	u.report.Bytes += n
	err = errors.Join(err, unix.Fchown(fd, h.Uid, h.Gid), unix.Fchmod(fd, mode(h)))
	return errors.Join(err, f.Close(), setTime(at, base, unix.NsecToTimespec(h.ModTime.UnixNano())))
}

// symlink keeps the target as it is: it means something in the container only. Nothing here follows it but places.enter.
func (u *unpacking) symlink(at int, base string, h *tar.Header) error {
	if h.Linkname == "" || len(h.Linkname) > maxPath {
		return errors.New("a symbolic link to nowhere")
	}
	if err := u.remove(at, base); err != nil {
		return err
	}
	if err := unix.Symlinkat(h.Linkname, at, base); err != nil {
		return err
	}
	err := unix.Fchownat(at, base, h.Uid, h.Gid, unix.AT_SYMLINK_NOFOLLOW)
	return errors.Join(err, setTime(at, base, unix.NsecToTimespec(h.ModTime.UnixNano())))
}

// link makes a second name of a regular file of the same layer.
func (u *unpacking) link(at int, base string, h *tar.Header) error {
	target, err := clean(h.Linkname)
	if err != nil {
		return err
	}
	dir, first := path.Split(target)
	from, err := u.places.reach(dir)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	st, err := lstat(from, first)
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return errors.New("a hard link to no file of this layer")
	}
	var own unix.Stat_t
	if unix.Fstatat(at, base, &own, unix.AT_SYMLINK_NOFOLLOW) == nil && own.Ino == st.Ino && own.Dev == st.Dev {
		return nil // to itself
	}
	if err := u.remove(at, base); err != nil {
		return err
	}
	return unix.Linkat(from, first, at, base, 0)
}

// whiteout writes what hides a name, or all names, of lower layers. It never hides what this layer itself holds.
func (u *unpacking) whiteout(dir, base string) error {
	hidden := strings.TrimPrefix(base, whiteoutPrefix)
	switch {
	case base == opaqueName:
	case strings.HasPrefix(base, whiteoutMeta):
		u.report.Skipped++
		return nil
	case hidden == "" || hidden == "." || hidden == "..":
		return errors.New("a whiteout of nothing")
	}
	at, err := u.places.enter(dir)
	if err != nil {
		return err
	}
	if base == opaqueName {
		return unix.Fsetxattr(at, opaqueAttr, []byte("y"), 0)
	}
	st, err := lstat(at, hidden)
	if err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		fd, err := openDirectory(at, hidden)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Fsetxattr(fd, opaqueAttr, []byte("y"), 0)
	}
	if err == nil {
		return nil
	}
	return unix.Mknodat(at, hidden, unix.S_IFCHR, 0)
}

// remove takes away what an earlier entry of the layer put there. A directory goes with all below it.
func (u *unpacking) remove(at int, base string) error {
	err := unix.Unlinkat(at, base, 0)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case errors.Is(err, unix.EISDIR):
		err = u.places.root.RemoveAll(path.Join(u.places.path, base))
	}
	u.places.stale = true
	return err
}

func (u *unpacking) setTimes() error {
	for name, at := range u.times {
		dir, base := path.Split(name)
		fd, err := u.places.reach(dir)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, os.ErrNotExist) {
			continue // something took its place
		}
		if err != nil {
			return err
		}
		err = setTime(fd, base, at)
		unix.Close(fd)
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

func lstat(at int, base string) (st unix.Stat_t, err error) {
	err = unix.Fstatat(at, base, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st, err
}

func isWhiteout(st unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0 }

func openDirectory(at int, base string) (int, error) {
	return unix.Openat(at, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}

func setTime(at int, base string, ts unix.Timespec) error {
	return unix.UtimesNanoAt(at, base, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}
