package observe

import (
	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// disk reads the size of the file system that path is on (statfs(2)).
func disk(path string) (d sandbox.Disk) {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) != nil {
		return d
	}
	return sandbox.Disk{
		Total:      int64(st.Blocks) * st.Bsize,
		Used:       int64(st.Blocks-st.Bfree) * st.Bsize,
		Inodes:     int64(st.Files),
		InodesUsed: int64(st.Files - st.Ffree),
	}
}
