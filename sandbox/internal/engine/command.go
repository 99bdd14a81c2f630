package engine

import (
	"context"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/pidfd"
)

// Bounds of what a probe's or hook's command may say.
const (
	maxOutput  = 10 << 10               // bytes that are read of it (kubelet: maxReadLength)
	outputWait = 100 * time.Millisecond // for the rest of it: a child of the command may hold its output open
	maxDetail  = 1 << 10                // bytes of it that a moment carries
)

// execute runs a command in the container, as whom and where its program runs, and returns what it printed and its exit code. When ctx
// ends it is killed. hidden leaves it out of what learners see.
func (c *container) execute(ctx context.Context, argv []string, hidden bool) (output string, code int, err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return "", 0, err
	}
	defer read.Close()
	started, err := c.unit.engine.Exec(ctx, c.id(), Process{Argv: argv, Stdout: write, Stderr: write, Hidden: hidden})
	write.Close()
	if err != nil {
		return "", 0, err
	}
	text := make(chan string, 1)
	go func() { // ends with the output, or its deadline
		data, _ := io.ReadAll(io.LimitReader(read, maxOutput)) // cut short is good enough
		text <- string(data)
	}()
	stop := context.AfterFunc(ctx, func() { started.kill() })
	exit, err := started.Wait()
	stop()
	_ = read.SetReadDeadline(time.Now().Add(outputWait)) // a pipe has deadlines
	return <-text, exit.Code, err
}

// kill ends the command, if it has not ended.
func (r *Running) kill() {
	f, err := pidfd.Open(r.PID)
	if err != nil {
		return // it has ended
	}
	defer f.Close()
	if startTime(r.PID) == r.Start {
		_ = pidfd.Signal(f, unix.SIGKILL) // it may have ended meanwhile
	}
}

// clip makes what a program said short and whole enough for a moment.
func clip(text string) string {
	text = strings.ToValidUTF8(strings.TrimSpace(text), "\uFFFD")
	if len(text) <= maxDetail {
		return text
	}
	cut := maxDetail
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut]
}
