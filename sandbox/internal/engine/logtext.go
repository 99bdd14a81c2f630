package engine

import (
	"bytes"
	"errors"
	"io"
	"time"

	"podlab/sandbox"
)

// stampFormat is that of the entries' times: of one width, so that they sort as text.
const stampFormat = "2006-01-02T15:04:05.000000000Z"

// logText takes the output back out of a log's entries.
type logText struct {
	since   []byte // entries before are left out
	stamps  bool
	midline map[string]bool // by stream: its last entry was a part of a line
}

func newLogText(opt sandbox.LogOptions) logText {
	t := logText{stamps: opt.Timestamps, midline: map[string]bool{}}
	if opt.Since > 0 {
		t.since = []byte(time.Unix(0, opt.Since).UTC().Format(stampFormat))
	}
	return t
}

func (t logText) of(entries []byte) (text []byte) {
	for line := range bytes.Lines(entries) {
		text = t.append(text, line)
	}
	return text
}

func (t logText) append(to, line []byte) []byte {
	e, ok := parseEntry(line)
	if !ok || bytes.Compare(e.stamp, t.since) < 0 {
		return to
	}
	stream := string(e.stream)
	if t.stamps && !t.midline[stream] {
		to = append(append(to, e.stamp...), ' ')
	}
	if len(t.midline) < len(streams) || stream == streams[0] || stream == streams[1] { // a learner's own lines in the file add no more
		t.midline[stream] = !bytes.HasSuffix(e.text, []byte("\n"))
	}
	return append(to, e.text...)
}

// entry is one of a log: text is a part of a line, or ends with the line's end.
type entry struct{ stamp, stream, text []byte }

func parseEntry(line []byte) (e entry, ok bool) {
	bare := bytes.TrimSuffix(line, []byte("\n"))
	fields := bytes.SplitN(bare, []byte(" "), 4)
	if len(fields) < 4 {
		return e, false
	}
	e = entry{stamp: fields[0], stream: fields[1], text: fields[3]}
	if len(fields[2]) > 0 && fields[2][0] == 'F' {
		e.text = line[len(bare)-len(e.text):]
	}
	return e, true
}

// errLimit ends a log that has reached its limit.
var errLimit = errors.New("limit reached")

// limited writes so many bytes and no more.
type limited struct {
	to   io.Writer
	left int64
}

func (l *limited) Write(p []byte) (int, error) {
	if int64(len(p)) < l.left {
		l.left -= int64(len(p))
		return l.to.Write(p)
	}
	n, err := l.to.Write(p[:l.left])
	l.left -= int64(n)
	return n, errors.Join(err, errLimit)
}
