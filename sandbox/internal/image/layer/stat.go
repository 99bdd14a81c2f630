package layer

import (
	"io/fs"
	"syscall"
)

// statOf is what lstat(2) said of a file.
func statOf(info fs.FileInfo) *syscall.Stat_t { return info.Sys().(*syscall.Stat_t) }
