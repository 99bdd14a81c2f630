package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// followEvery is how often a followed log is looked at.
const followEvery = 100 * time.Millisecond

// filesAtOnce is how many files of a log are read before what was found is sent: the one that was open, and the two that are kept.
const filesAtOnce = 3

// A logReader reads a log's text: the older file, then the newer, then what is added. A file that was replaced is read to its end first.
type logReader struct {
	path string
	file *os.File
	rest []byte // of an entry that is not whole yet
	text logText
}

// readLog sends what opt selects of a log to out, then what is added while running reports true. running nil means not to wait.
func readLog(ctx context.Context, path string, opt sandbox.LogOptions, out io.Writer, running func() bool) error {
	r := &logReader{path: path, text: newLogText(opt)}
	defer r.close()
	if opt.Limit > 0 {
		out = &limited{out, opt.Limit}
	}
	err := r.send(ctx, opt.Tail, out, running)
	if errors.Is(err, errLimit) {
		return nil
	}
	return err
}

func (r *logReader) send(ctx context.Context, tail int, out io.Writer, running func() bool) error {
	text, err := r.more()
	if err != nil {
		return err
	}
	if _, err := out.Write(lastLines(text, tail)); err != nil || running == nil {
		return err
	}
	return r.follow(ctx, out, running)
}

func (r *logReader) close() {
	if r.file != nil {
		r.file.Close()
	}
}

// more returns the text of the entries that were added since it was last called; at first of all that there are.
func (r *logReader) more() (text []byte, err error) {
	for range filesAtOnce {
		if r.file == nil {
			if r.file, err = r.next(); r.file == nil {
				return text, err
			}
		}
		behind := r.isNot(r.path) // asked before reading: nothing is added to a file that was replaced
		part, err := r.read()
		text = append(text, part...)
		if err != nil || !behind {
			return text, err
		}
		next, err := r.next()
		if next == nil {
			return text, err
		}
		r.close()
		r.file, r.rest = next, nil
	}
	return text, nil
}

// next opens the file behind the open one: the older of the two that are kept, unless that is the open one. nil: it is not there yet.
func (r *logReader) next() (*os.File, error) {
	for range filesAtOnce {
		name := r.path
		if r.isNot(r.path + oldLog) {
			name += oldLog
		}
		f, err := openRead(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil || name != r.path || !r.isNot(r.path+oldLog) {
			return f, err
		}
		f.Close() // it was replaced meanwhile: one is between
	}
	return nil, nil
}

// isNot reports whether there is a file of that name, and not the one that is open.
func (r *logReader) isNot(name string) bool {
	there, err := os.Lstat(name)
	if err != nil || r.file == nil {
		return err == nil
	}
	open, err := r.file.Stat()
	return err == nil && !os.SameFile(there, open)
}

// read returns the text of the whole entries that follow in the open file.
func (r *logReader) read() ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r.file, 2*maxLog))
	data = append(r.rest, data...)
	whole := bytes.LastIndexByte(data, '\n') + 1
	r.rest = bytes.Clone(data[whole:])
	return r.text.of(data[:whole]), err
}

// follow polls: a log grows in many small steps, and watching each would cost more than looking ten times a second.
func (r *logReader) follow(ctx context.Context, out io.Writer, running func() bool) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		last := !running() // asked before reading, so that nothing written before the end is missed
		text, err := r.more()
		if err == nil && len(text) > 0 {
			_, err = out.Write(text)
		}
		if err != nil {
			return err
		}
		if last {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// openRead opens a plain file. The log directory is within a learner's reach: it never follows a link nor waits for a fifo's other end, and a
// fifo is not read, which its writer could make last for ever.
func openRead(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// lastLines cuts text to its last n lines; 0 means all, below 0 none.
func lastLines(text []byte, n int) []byte {
	switch {
	case n < 0:
		return nil
	case n == 0:
		return text
	}
	for i := len(text) - 1; i > 0; i-- {
		if text[i-1] == '\n' {
			if n--; n == 0 {
				return text[i:]
			}
		}
	}
	return text
}
