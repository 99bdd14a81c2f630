// Package quietlog writes a log to a pipe that nobody may be reading: it never blocks and never fails.
package quietlog

import (
	"log/slog"
	"os"

	"golang.org/x/sys/unix"
)

// Writer writes what fits at once to a descriptor and drops the rest.
type Writer struct{ FD int }

// maxLine is at most PIPE_BUF, so that a pipe that polls writable takes it whole (pipe(7)).
const maxLine = 4096

func (w Writer) Write(p []byte) (int, error) {
	poll := []unix.PollFd{{Fd: int32(w.FD), Events: unix.POLLOUT}}
	if n, err := unix.Poll(poll, 0); n == 1 && err == nil && poll[0].Revents&unix.POLLOUT != 0 {
		_, _ = unix.Write(w.FD, p[:min(len(p), maxLine)]) // the reader may have gone: there is nobody to tell
	}
	return len(p), nil
}

// New returns a logger on standard error that names the program.
func New(program string) *slog.Logger {
	return slog.New(slog.NewTextHandler(Writer{FD: int(os.Stderr.Fd())}, nil)).With("program", program)
}
