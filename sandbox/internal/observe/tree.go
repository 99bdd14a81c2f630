package observe

import (
	"slices"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/text"
)

// Directories below are a learner's and change while they are read. They are walked from descriptor to descriptor: no link is
// followed, no other file system entered, nothing but directories opened.

// openTree opens the top of a tree. Its path is the engine's, or a learner's own hostPath on their own node.
func openTree(path string) (dir, error) {
	fd, err := unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NONBLOCK | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_MAGICLINKS,
	})
	return dir(fd), err
}

func openBelow(d dir, name string) (dir, error) {
	fd, err := unix.Openat2(int(d), name, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	})
	return dir(fd), err
}

// entry is one file of a directory.
type entry struct {
	name string
	st   unix.Stat_t
}

func (e entry) isDir() bool { return e.st.Mode&unix.S_IFMT == unix.S_IFDIR }

// list reads one directory, by name; more says that it holds others than the first limit of the maxDirEntries read.
func (r *reader) list(d dir, limit int) (all []entry, more bool) {
	names, more, err := r.entries(d, maxDirEntries)
	if err != nil {
		return nil, false
	}
	slices.Sort(names)
	if len(names) > limit {
		names, more = names[:limit], true
	}
	all = make([]entry, 0, len(names))
	for _, name := range names {
		e := entry{name: name}
		if unix.Fstatat(int(d), name, &e.st, unix.AT_SYMLINK_NOFOLLOW) == nil {
			all = append(all, e)
		}
	}
	return all, more
}

// files lists what is below a directory, breadth first, down to maxFilesDepth; size is the sum of the files listed. more says that
// there is something below that is not in the list.
func (r *reader) files(top dir) (all []sandbox.File, size int64, more bool) {
	all = []sandbox.File{}
	type level struct {
		d     dir
		path  string
		depth int
	}
	queue := []level{{top, "", 1}}
	defer func() {
		for _, l := range queue {
			if l.path != "" {
				l.d.close()
			}
		}
	}()
	for i := 0; i < len(queue); i++ {
		l := queue[i]
		entries, cut := r.list(l.d, maxFiles-len(all)+1)
		more = more || cut
		for _, e := range entries {
			if len(all) == maxFiles {
				return all, size, true
			}
			path := l.path + e.name
			all = append(all, file(path, e))
			if !e.isDir() {
				size += e.st.Size
				continue
			}
			if l.depth == maxFilesDepth {
				more = true
				continue
			}
			if d, err := openBelow(l.d, e.name); err == nil {
				queue = append(queue, level{d, path + "/", l.depth + 1})
			}
		}
	}
	return all, size, more
}

func file(path string, e entry) sandbox.File {
	f := sandbox.File{
		Path:  text.Clean(path, maxPath),
		Dir:   e.isDir(),
		Inode: e.st.Ino,
		MTime: e.st.Mtim.Nano() / 1e6,
	}
	if !f.Dir {
		f.Size = e.st.Size
	}
	return f
}

// size adds up the files below a directory, at most maxCounted entries; full says that there were more.
func (r *reader) size(top dir) (bytes int64, full bool) {
	left := maxCounted
	var walk func(d dir, depth int)
	walk = func(d dir, depth int) {
		entries, more := r.list(d, maxDirEntries)
		full = full || more
		for _, e := range entries {
			if left--; left < 0 || depth > maxSizeDepth {
				full = true
				return
			}
			if !e.isDir() {
				bytes += min(e.st.Size, e.st.Blocks*512+4096) // a sparse file counts what it takes
				continue
			}
			if below, err := openBelow(d, e.name); err == nil {
				walk(below, depth+1)
				below.close()
			}
		}
	}
	walk(top, 1)
	return bytes, full
}
