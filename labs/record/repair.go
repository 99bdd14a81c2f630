package record

import (
	"io"
	"os"
	"slices"
)

// Repair ends a file that was cut off, by a crash, after its last whole chunk. Errors: ErrBad when there is nothing to keep, those of the file.
func Repair(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	r, err := Open(f, info.Size())
	if err != nil || r.Whole {
		return err
	}
	if !slices.ContainsFunc(r.chunks, func(c chunk) bool { return c.kind == kindFrames }) {
		return bad("nothing was recorded")
	}
	if err := f.Truncate(r.end); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	_, err = f.Write(head{kind: kindEnd}.encode())
	return err
}
