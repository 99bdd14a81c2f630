package engine

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// Bounds of what is kept of a container's output.
const (
	maxLog  = 1 << 20  // bytes of one file; a full one becomes FILE.1 in place of an older FILE.1
	maxLine = 16 << 10 // bytes of one entry; a longer line is written in parts, as in the CRI log format
	oldLog  = ".1"

	logRate  = 2 << 20 // bytes a second that are written of one run, in the long run; its writers wait
	logBurst = 4 << 20 // bytes that may come at once

	maxPipe = 1 << 20 // bytes that a program without rights on the host can have a pipe hold (fs.pipe-max-size)
)

// logFile is the log of one run of a container in the CRI format, which kubelets write too:
//
//	2026-11-21T03:15:44.123456789Z stdout F text of a whole line
//	2026-11-21T03:15:44.123456789Z stdout P first part of a line that was cut
//
// It is used under the lock of the output that it belongs to.
type logFile struct {
	path    string
	file    *os.File
	size    int64
	rotated bool // there is an older file, which the next rotation removes
	pace    pace
}

// pace bounds what an endless output costs the node and the host's disk. It is in debt when more was written than time allows.
type pace struct {
	debt int64 // bytes
	at   time.Time
}

// add takes n bytes into account and says how long to wait before the next.
func (p *pace) add(n int, now time.Time) time.Duration {
	p.debt = max(0, p.debt-int64(now.Sub(p.at).Seconds()*logRate)) + int64(n)
	p.at = now
	return time.Duration(max(0, p.debt-logBurst)) * time.Second / logRate
}

func openLog(path string) (*logFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY|unix.O_NOFOLLOW, 0o640)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	_, err = os.Lstat(path + oldLog)
	return &logFile{path: path, file: f, size: info.Size(), rotated: err == nil}, nil
}

func (l *logFile) Close() error { return l.file.Close() }

// write appends entries that are already formatted, and says how long to wait before the next. A disk that is full costs entries,
// never the container.
func (l *logFile) write(entries []byte) time.Duration {
	if l.size+int64(len(entries)) > maxLog && l.rotate() != nil {
		return l.pace.add(len(entries), time.Now())
	}
	n, _ := l.file.Write(entries)
	l.size += int64(n)
	return l.pace.add(len(entries), time.Now())
}

func (l *logFile) rotate() error {
	if err := os.Rename(l.path, l.path+oldLog); err != nil {
		return err
	}
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_EXCL|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	l.file.Close()
	l.file, l.size, l.rotated = f, 0, true
	return nil
}

// copyOutput reads a stream of a container to its end, into the log and to whoever is attached.
func copyOutput(o *output, stream int, from *os.File) {
	chunk := make([]byte, maxLine)
	var rest, entries []byte // rest is of a line that is not whole yet
	left := maxPipe          // bytes that are still read when the run has ended
	for {
		n, err := from.Read(chunk)
		ended := errors.Is(err, os.ErrDeadlineExceeded)
		if ended {
			n, err = readNow(from, chunk[:min(len(chunk), left)])
			left -= n
		}
		text := chunk[:n]
		if len(rest) > 0 {
			text = append(rest, text...)
		}
		entries, rest = appendLines(entries[:0], text, streams[stream])
		if err != nil && len(rest) > 0 {
			entries, rest = appendEntry(entries, time.Now(), streams[stream], rest), nil
		}
		wait := o.take(stream, chunk[:n], entries, rest)
		if err != nil {
			return
		}
		if !ended {
			time.Sleep(wait)
		}
	}
}

// readNow reads what is there already; io.EOF when that is nothing.
func readNow(from *os.File, to []byte) (n int, err error) {
	raw, err := from.SyscallConn()
	if err != nil {
		return 0, err
	}
	outer := raw.Control(func(fd uintptr) { // not Read, which does nothing after the deadline
		n, err = unix.Read(int(fd), to)
	})
	if n <= 0 {
		return 0, cmp.Or(outer, err, io.EOF)
	}
	return n, outer
}

// appendLines makes entries of the whole lines in text, and of the parts of those that are too long; rest is what is left.
func appendLines(to, text []byte, stream string) (entries, rest []byte) {
	now := time.Now()
	for len(text) > 0 {
		end := bytes.IndexByte(text, '\n') + 1
		switch {
		case end > maxLine || end == 0 && len(text) >= maxLine:
			end = maxLine
		case end == 0:
			return to, bytes.Clone(text)
		}
		to, text = appendEntry(to, now, stream, text[:end]), text[end:]
	}
	return to, nil
}

func appendEntry(to []byte, at time.Time, stream string, line []byte) []byte {
	tag := " P "
	if whole, ok := bytes.CutSuffix(line, []byte("\n")); ok {
		tag, line = " F ", whole
	}
	to = at.UTC().AppendFormat(to, stampFormat)
	to = append(to, ' ')
	to = append(to, stream...)
	to = append(to, tag...)
	return append(append(to, line...), '\n')
}

// newPipe makes a pipe for a container. The engine's end is polled; the container's must block, since programs expect that.
func newPipe() (read, write *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("pipe: %w", err)
	}
	return polled(fds[0]), os.NewFile(uintptr(fds[1]), "log"), nil
}

// newInput makes a pipe the other way round: the engine writes, without blocking a thread, and the container reads.
func newInput() (read, write *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("pipe: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "input"), polled(fds[1]), nil
}

// polled makes a file of a descriptor that Go's poller waits on, so that closing it ends a read.
func polled(fd int) *os.File {
	_ = unix.SetNonblock(fd, true) // cannot fail on a pipe or pty
	return os.NewFile(uintptr(fd), "log")
}

// streams are the names of what a recorder copies, in the order of its files.
var streams = [2]string{"stdout", "stderr"}

// A recorder copies a running container's output into its log. done is closed when all of it is read.
type recorder struct {
	files  []*os.File
	output *output
	done   chan struct{}
}

// newRecorder starts the copying, into the log and to whoever is attached. It owns files from here: a pty's master, or stdout, stderr
// and stdin's other end.
func newRecorder(path string, files []*os.File, spec *sandbox.ContainerSpec) (*recorder, error) {
	l, err := openLog(path)
	if err != nil {
		return nil, err
	}
	r := &recorder{files: files, output: newOutput(spec, l), done: make(chan struct{})}
	var copying sync.WaitGroup
	for i, f := range r.printed() {
		copying.Go(func() { copyOutput(r.output, i, f) })
	}
	go func() {
		copying.Wait()
		l.Close()
		close(r.done)
	}()
	return r, nil
}

// printed are the files that are read.
func (r *recorder) printed() []*os.File { return r.files[:min(len(r.files), len(streams))] }

// finish reads the rest of the output of a run whose processes are gone: all that they wrote is in its pipes. Then it lets go of them,
// without waiting for their end: a process that outlived its container may hold them. Whoever is attached is told how the run ended.
func (r *recorder) finish(exit sandbox.Exit) {
	r.output.hurry()
	for _, f := range r.printed() {
		if f.SetReadDeadline(time.Unix(1, 0)) != nil {
			f.Close() // it is closed, or none that can be waited for
		}
	}
	<-r.done
	for _, f := range r.files {
		f.Close()
	}
	r.output.end(exit)
}
