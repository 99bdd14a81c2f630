package observe

import (
	"encoding/binary"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// dir is an open directory. Everything below /proc/PID is reached through one, so that it stays the same process's: once that has
// ended reads fail, even when its pid is another's already.
type dir int

const noDir dir = -1

func openDir(at dir, name string) (dir, error) {
	if at == noDir {
		at = unix.AT_FDCWD
	}
	fd, err := unix.Openat(int(at), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	return dir(fd), err
}

func (d dir) close() { _ = unix.Close(int(d)) } // read only: nothing to lose

// reader holds the buffers that every read of a snapshot shares. What it returns is valid until the next call.
type reader struct {
	buf   []byte
	names []string
}

func newReader() *reader { return &reader{buf: make([]byte, maxFileOfProc)} }

// file returns the content of a file of a kernel file system, at most maxFileOfProc bytes.
func (r *reader) file(at dir, name string) ([]byte, error) {
	if at == noDir {
		at = unix.AT_FDCWD
	}
	fd, err := unix.Openat(int(at), name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	total := 0
	for total < len(r.buf) {
		n, err := unix.Read(fd, r.buf[total:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
		total += n
	}
	return r.buf[:total], nil
}

// firstRead returns what one read gives: the whole of a small file, for half the calls.
func (r *reader) firstRead(at dir, name string) ([]byte, error) {
	fd, err := unix.Openat(int(at), name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, r.buf)
	return r.buf[:max(n, 0)], err
}

// link returns where a symbolic link points to.
func (r *reader) link(at dir, name string) ([]byte, error) {
	n, err := unix.Readlinkat(int(at), name, r.buf[:unix.PathMax])
	return r.buf[:max(n, 0)], err
}

// entries returns the names in a directory, in the file system's order, at most limit; more says that there are others.
func (r *reader) entries(d dir, limit int) (names []string, more bool, err error) {
	r.names = r.names[:0]
	for {
		n, err := unix.Getdents(int(d), r.buf)
		if err != nil || n == 0 {
			return r.names, false, err
		}
		for b := r.buf[:n]; len(b) > 0; {
			name, rest, ok := parseDirent(b)
			if !ok {
				return r.names, false, os.ErrInvalid
			}
			b = rest
			if name == "." || name == ".." || name == "" {
				continue
			}
			if len(r.names) == limit {
				return r.names, true, nil
			}
			r.names = append(r.names, name)
		}
	}
}

// parseDirent takes one struct linux_dirent64 (getdents(2)) off b.
func parseDirent(b []byte) (name string, rest []byte, ok bool) {
	const header = 19 // d_ino, d_off, d_reclen, d_type
	if len(b) < header {
		return "", nil, false
	}
	size := int(binary.NativeEndian.Uint16(b[16:]))
	if size < header || size > len(b) {
		return "", nil, false
	}
	text := b[header:size]
	for i, c := range text {
		if c == 0 {
			text = text[:i]
			break
		}
	}
	return string(text), b[size:], true
}

// numbers returns the entries that are decimal numbers: the pids in /proc, the tids in task, the descriptors in fd.
func (r *reader) numbers(d dir, limit int) (all []int, more bool, err error) {
	names, more, err := r.entries(d, limit+128) // /proc has some 60 other entries, before the pids
	for _, name := range names {
		n, err := strconv.Atoi(name)
		if err != nil || n < 0 {
			continue
		}
		if len(all) == limit {
			return all, true, nil
		}
		all = append(all, n)
	}
	return all, more, err
}
