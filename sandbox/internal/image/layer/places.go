package layer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links one path may go through (Linux' own limit).
const maxLinks = 40

// places finds the directories that entries of a layer lie in, and makes those that the tar left out. Symbolic links that the layer
// itself holds are followed as in the container that it is for: an absolute one begins at the layer's top, and above the top
// is the top. os.Root sees to it that a mistake here leads nowhere.
type places struct {
	root *os.Root
	// The directory last entered: tars list directory by directory.
	asked string
	path  string // where that really is
	dir   *os.File
	stale bool // a name was replaced since: asked may lead elsewhere
}

// enter returns the descriptor of a directory, valid until the next call. It is made where it is missing.
func (p *places) enter(dir string) (int, error) {
	dir = path.Clean(dir)
	if p.dir != nil && p.asked == dir && !p.stale {
		return int(p.dir.Fd()), nil
	}
	p.leave()
	real, err := p.resolve(dir, true)
	if err != nil {
		return -1, err
	}
	p.asked, p.stale = dir, false
	return p.open(real)
}

func (p *places) open(real string) (int, error) {
	f, err := p.root.OpenFile(real, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return -1, err
	}
	p.dir, p.path = f, real
	return int(f.Fd()), nil
}

// reach opens a directory that must be there, as a descriptor of the caller's own.
func (p *places) reach(dir string) (int, error) {
	real, err := p.resolve(path.Clean(dir), false)
	if err != nil {
		return -1, err
	}
	f, err := p.root.OpenFile(real, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return -1, err
	}
	defer f.Close()
	return unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
}

func (p *places) leave() {
	if p.dir != nil {
		p.dir.Close()
	}
	p.dir = nil
}

// resolve returns where a directory really is: a path without links.
func (p *places) resolve(dir string, create bool) (string, error) {
	todo := strings.Split(dir, "/")
	real, links := ".", 0
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if name == "" || name == "." {
			continue
		}
		if name == ".." {
			real = path.Dir(real)
			continue
		}
		here := path.Join(real, name)
		st, err := p.root.Lstat(here)
		if errors.Is(err, fs.ErrNotExist) && create {
			if err := p.root.Mkdir(here, 0o755); err != nil {
				return "", err
			}
			real = here
			continue
		}
		if err != nil {
			return "", err
		}
		switch {
		case st.IsDir():
			real = here
		case st.Mode()&fs.ModeSymlink != 0:
			if links++; links > maxLinks {
				return "", unix.ELOOP
			}
			target, err := p.root.Readlink(here)
			if err != nil {
				return "", err
			}
			if strings.HasPrefix(target, "/") {
				real = "."
			}
			todo = append(slices.Clone(strings.Split(target, "/")), todo...)
			if len(todo) > maxDepth*2 {
				return "", unix.ENAMETOOLONG
			}
		default:
			return "", fmt.Errorf("below %s, which is no directory: %w", here, unix.ENOTDIR)
		}
	}
	return real, nil
}
