package observe

import (
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/text"
)

// layers fills in the bytes of the writable layers and what they change; the others stay as the image is.
func (o *Observer) layers(s *scan, c Subject) {
	for i := range c.Layers {
		l := &c.Layers[i]
		s.origin(l)
		if l.Writable && l.Path != "" {
			l.Bytes = o.sizeOf(s, l.Path)
			l.Changes = o.changesOf(s, l.Path, c.Layers[:i])
		}
	}
}

// origin keeps to the limit of all texts together what is said of a layer's origin.
func (s *scan) origin(l *sandbox.Layer) {
	l.CreatedBy = text.Clean(l.CreatedBy, maxPath)
	names := append([]string{}, cut(s, "images", l.Images, maxUses)...)
	s.paths += len(l.CreatedBy)
	for i, name := range names {
		names[i] = text.Clean(name, maxName)
		s.paths += len(names[i])
	}
	l.Images = names
	if s.paths > maxAllPathBytes {
		s.truncate("layers")
		l.CreatedBy, l.Images = "", nil
	}
}

// upper is what was found in a writable layer when it was last looked into.
type upper struct {
	changes []sandbox.Change
	cut     bool
	at      time.Time
	seen    uint64
}

// changesOf returns what a writable layer changes, not older than staleUpper.
func (o *Observer) changesOf(s *scan, path string, lower []sandbox.Layer) []sandbox.Change {
	known := o.uppers[path]
	if known.at.IsZero() || s.now.Sub(known.at) >= staleUpper {
		known.changes, known.cut = o.r.changes(path, lower)
		known.at = s.now
	}
	known.seen = o.seq
	o.uppers[path] = known
	if known.cut {
		s.truncate("changes")
	}
	for i, c := range known.changes {
		if s.paths += len(c.Path); s.paths > maxAllPathBytes {
			s.truncate("changes")
			return known.changes[:i]
		}
	}
	return known.changes
}

// below are an image's layers, the highest first.
type below []dir

func openLayers(lower []sandbox.Layer) (b below) {
	for i := len(lower) - 1; i >= 0; i-- {
		if d, err := openTree(lower[i].Path); err == nil {
			b = append(b, d)
		}
	}
	return b
}

func (b below) close() {
	for _, d := range b {
		d.close()
	}
}

// find returns what the image has at a path.
func (b below) find(path string) (st unix.Stat_t, found bool) {
	for _, d := range b {
		fd, err := unix.Openat2(int(d), path, &unix.OpenHow{
			Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
		})
		if err != nil {
			continue
		}
		err = unix.Fstat(fd, &st)
		_ = unix.Close(fd)
		if err == nil {
			return st, !isWhiteout(&st)
		}
	}
	return st, false
}

// isWhiteout: overlayfs marks a deleted name by a character device 0:0.
func isWhiteout(st *unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0 }

// isOpaque reports overlayfs' mark of a directory that hides all below, as it is in a user namespace.
func isOpaque(d dir) bool {
	value := make([]byte, 1)
	n, err := unix.Fgetxattr(int(d), "user.overlay.opaque", value)
	return err == nil && n == 1 && value[0] == 'y'
}

// changes lists what a writable layer lays over an image, breadth first.
func (r *reader) changes(path string, lower []sandbox.Layer) (all []sandbox.Change, more bool) {
	top, err := openTree(path)
	if err != nil {
		return nil, false
	}
	image := openLayers(lower)
	defer image.close()
	type place struct {
		d    dir
		path string
		own  bool // nothing of the image shows through
	}
	queue := []place{{d: top}}
	defer func() {
		for _, p := range queue {
			p.d.close()
		}
	}()
	for i := 0; i < len(queue); i++ {
		p := queue[i]
		entries, cut := r.list(p.d, maxDirEntries)
		more = more || cut
		for _, e := range entries {
			if len(all) == maxChanges || len(queue) == maxUpperDirs {
				return all, true
			}
			at := p.path + e.name
			c := sandbox.Change{Path: "/" + text.Clean(at, maxPath), Dir: e.isDir(), Kind: sandbox.ChangeAdded}
			st, below := unix.Stat_t{}, false
			if !p.own {
				st, below = image.find(at)
			}
			if !e.isDir() {
				all = append(all, fileChange(c, e, below))
				continue
			}
			d, err := openBelow(p.d, e.name)
			if err != nil {
				continue
			}
			merged := below && st.Mode&unix.S_IFMT == unix.S_IFDIR && !isOpaque(d)
			if below && !merged {
				c.Kind = sandbox.ChangeOpaque
			}
			if !merged {
				all = append(all, c)
			}
			queue = append(queue, place{d, at + "/", !merged})
		}
	}
	return all, more
}

// fileChange says what became of something that is no directory.
func fileChange(c sandbox.Change, e entry, below bool) sandbox.Change {
	switch {
	case isWhiteout(&e.st):
		c.Kind = sandbox.ChangeDeleted
		return c
	case below:
		c.Kind = sandbox.ChangeCopied
	}
	if e.st.Mode&unix.S_IFMT == unix.S_IFREG {
		c.Bytes = e.st.Size
	}
	return c
}
