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

// A logReader reads a log's text: the older file, then the newer, then what is added to it.
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
	older, err := r.readOlder()
	if err != nil {
		return err
	}
	newer, err := r.more()
	if err != nil {
		return err
	}
	if _, err := out.Write(lastLines(append(older, newer...), tail)); err != nil || running == nil {
		return err
	}
	return r.follow(ctx, out, running)
}

func (r *logReader) close() {
	if r.file != nil {
		r.file.Close()
	}
}

func (r *logReader) readOlder() ([]byte, error) {
	f, err := openRead(r.path + oldLog)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 2*maxLog))
	return r.text.of(data), err
}

// more returns the text of the entries that were added since it was last called.
func (r *logReader) more() ([]byte, error) {
	if r.file == nil {
		f, err := openRead(r.path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		r.file = f
	}
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
		if r.rotated() {
			r.file.Close()
			r.file, r.rest = nil, nil
			continue
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

// rotated reports whether another file has taken the place of the one being read.
func (r *logReader) rotated() bool {
	if r.file == nil {
		return false
	}
	now, err := os.Lstat(r.path)
	if err != nil {
		return false
	}
	open, err := r.file.Stat()
	return err == nil && !os.SameFile(now, open)
}

// openRead never follows a link nor waits for a fifo's other end: the log directory is within a learner's reach.
func openRead(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
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
