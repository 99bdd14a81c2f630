package engine

import (
	"bytes"
	"io"
	"os"
)

// past is what a run had printed when somebody attached: its log's files as far as they went, and the lines that were not whole yet.
type past struct {
	files []*os.File
	size  int64 // up to which the last one counts
	rest  [len(streams)][]byte
}

// past opens what the log holds now. A file that cannot be read is nobody's past: the log is within a learner's reach.
func (l *logFile) past(rest [len(streams)][]byte) (p past) {
	p.size, p.rest = l.size, rest
	for _, name := range []string{l.path + oldLog, l.path} {
		if f, err := openRead(name); err == nil {
			p.files = append(p.files, f)
		}
	}
	return p
}

func (p past) close() {
	for _, f := range p.files {
		f.Close()
	}
}

// each calls fn with what was printed, in its order.
func (p past) each(fn func(piece) error) error {
	for i, f := range p.files {
		bound := int64(2 * maxLog) // as of one that has not been tampered with
		if i == len(p.files)-1 {
			bound = min(bound, p.size)
		}
		entries, err := io.ReadAll(io.LimitReader(f, bound))
		if err != nil {
			return err
		}
		for _, text := range pieces(entries) {
			if err := fn(text); err != nil {
				return err
			}
		}
	}
	for i, text := range p.rest {
		if err := fn(piece{i, text}); err != nil {
			return err
		}
	}
	return nil
}

// pieces takes the output back out of a log's entries, each stream's own.
func pieces(entries []byte) (all []piece) {
	for line := range bytes.Lines(entries) {
		e, ok := parseEntry(line)
		for i, name := range streams {
			if ok && string(e.stream) == name {
				all = appendPiece(all, i, e.text)
			}
		}
	}
	return all
}
