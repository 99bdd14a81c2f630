package observe

import (
	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/text"
)

// volumes fills in what is in each volume's directory.
func (o *Observer) volumes(s *scan) []sandbox.Volume {
	all := append([]sandbox.Volume{}, cut(s, "volumes", s.in.Volumes, maxVolumes)...)
	for i := range all {
		o.volume(s, &all[i])
	}
	return all
}

func (o *Observer) volume(s *scan, v *sandbox.Volume) {
	path := v.Path
	v.Path = text.Clean(path, unix.PathMax)
	v.Files = []sandbox.File{}
	d, err := openTree(path)
	if err != nil {
		o.single(v, path)
		return
	}
	defer d.close()
	var st unix.Stat_t
	if unix.Fstat(int(d), &st) == nil {
		v.Dev, v.Inode = st.Dev, st.Ino
	}
	var more bool
	if v.Files, v.Bytes, more = o.r.files(d); more {
		s.truncate("files")
		v.Bytes = o.sizeOf(s, path)
	}
	v.Files = s.someFiles(v.Files)
}

// someFiles keeps to the limit of all volumes together.
func (s *scan) someFiles(files []sandbox.File) []sandbox.File {
	for i, f := range files {
		if s.paths += len(f.Path); s.paths > maxAllPathBytes {
			s.truncate("files")
			return files[:i]
		}
	}
	return files
}

// single is for a hostPath that is a file.
func (o *Observer) single(v *sandbox.Volume, path string) {
	var st unix.Stat_t
	if unix.Lstat(path, &st) == nil {
		v.Dev, v.Inode, v.Bytes = st.Dev, st.Ino, st.Size
	}
}
