package layer

import (
	"bytes"
	"errors"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Settle makes what was overlayfs' upper directory fit to be a lower one: of the marks that overlayfs left in it for itself
// (user.overlay.origin, .impure, .uuid …) only that of an opaque directory means something there.
func Settle(dir string) error {
	return filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			return err
		}
		names := make([]byte, 4096)
		n, err := unix.Llistxattr(file, names)
		if errors.Is(err, unix.ENOTSUP) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, name := range bytes.Split(names[:n], []byte{0}) {
			if bytes.HasPrefix(name, []byte("user.overlay.")) && string(name) != opaqueAttr {
				if err := unix.Lremovexattr(file, string(name)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
