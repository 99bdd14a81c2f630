package kubectl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"podlab/sandbox"
)

// ErrSince says that a time of --since or --since-time cannot be understood.
var ErrSince = errors.New("--since takes a span such as 5s, 2m or 3h, and --since-time a time such as 2026-11-21T07:00:00Z; not both")

// Since reads --since and --since-time ("" for not given) into LogOptions.Since.
func Since(span, at string, now time.Time) (int64, error) {
	switch {
	case span == "" && at == "":
		return 0, nil
	case span != "" && at != "":
		return 0, ErrSince
	case span != "":
		d, err := time.ParseDuration(span)
		if err != nil || d <= 0 {
			return 0, ErrSince
		}
		return now.Add(-d).UnixNano(), nil
	}
	t, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return 0, ErrSince
	}
	return t.UnixNano(), nil
}

// AllLogs prints the logs of several containers: one after another, or line by line as they come when followed. With prefix each line
// says whose it is.
func AllLogs(ctx context.Context, agent sandbox.Agent, pod string, containers []string, opt sandbox.LogOptions, prefix bool, out io.Writer) error {
	var writing sync.Mutex
	read := func(name string) error {
		lines := &lineWriter{to: out, mu: &writing}
		if prefix {
			lines.prefix = fmt.Sprintf("[pod/%s/%s] ", pod, name)
		}
		opt := opt
		opt.Container = pod + "/" + name
		err := agent.Logs(ctx, opt, lines)
		return errors.Join(err, lines.flush())
	}
	if !opt.Follow {
		for _, name := range containers {
			if err := read(name); err != nil {
				return err
			}
		}
		return nil
	}
	errs := make([]error, len(containers))
	var reading sync.WaitGroup
	for i, name := range containers {
		reading.Go(func() { errs[i] = read(name) })
	}
	reading.Wait()
	return errors.Join(errs...)
}

// maxHeld is how much of an unfinished line is held back before it is written as it is.
const maxHeld = 64 << 10

// lineWriter writes whole lines, so that those of several containers do not mix.
type lineWriter struct {
	to     io.Writer
	mu     *sync.Mutex // of to
	prefix string
	rest   []byte
}

func (l *lineWriter) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	end := bytes.LastIndexByte(l.rest, '\n') + 1
	if end == 0 && len(l.rest) > maxHeld {
		end = len(l.rest)
	}
	if end == 0 {
		return len(p), nil
	}
	err := l.write(l.rest[:end])
	l.rest = append([]byte(nil), l.rest[end:]...)
	return len(p), err
}

func (l *lineWriter) flush() error {
	if len(l.rest) == 0 {
		return nil
	}
	return l.write(l.rest)
}

func (l *lineWriter) write(lines []byte) error {
	if l.prefix != "" {
		var b bytes.Buffer
		for line := range bytes.Lines(lines) {
			b.WriteString(l.prefix)
			b.Write(line)
		}
		lines = b.Bytes()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.to.Write(lines)
	return err
}
