package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// exec runs a command in a container and passes its exit code on.
func (p *program) exec(ctx context.Context, id string, argv []string, stdin, tty bool) (int, error) {
	spec := sandbox.ExecSpec{Container: id, Argv: argv, TTY: tty}
	streams := sandbox.Streams{Out: p.out, Err: p.err}
	if stdin {
		streams.In = p.in
	}
	if !tty {
		exit, err := p.agent.Exec(ctx, spec, streams)
		return exit.Code, err
	}
	if !stdin {
		streams.In = nil
	}
	restore, err := rawTerminal(int(p.in.Fd()))
	if err != nil {
		p.complain(p.words.say("no_terminal"))
		spec.TTY = false
		exit, err := p.agent.Exec(ctx, spec, streams)
		return exit.Code, err
	}
	defer restore()
	spec.Size = windowSize(int(p.in.Fd()))
	sizes, stop := watchSize(int(p.in.Fd()))
	defer stop()
	streams.Resize = sizes
	exit, err := p.agent.Exec(ctx, spec, streams)
	return exit.Code, err
}

// rawTerminal passes every key on as it is (cfmakeraw in termios(3)), until restore.
func rawTerminal(fd int) (restore func(), err error) {
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, err
	}
	raw := *before
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag = raw.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &raw); err != nil {
		return nil, err
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, before) }, nil
}

func isTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}

func windowSize(fd int) sandbox.Size {
	size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
	if err != nil {
		return sandbox.Size{}
	}
	return sandbox.Size{Cols: size.Col, Rows: size.Row}
}

// watchSize sends the window's size whenever it changes. The goroutine ends with stop.
func watchSize(fd int) (sizes chan sandbox.Size, stop func()) {
	sizes = make(chan sandbox.Size, 1)
	changed := make(chan os.Signal, 1)
	done := make(chan struct{})
	signal.Notify(changed, syscall.SIGWINCH)
	go func() {
		for {
			select {
			case <-changed:
				select {
				case sizes <- windowSize(fd):
				default: // the next change brings the size up to date
				}
			case <-done:
				return
			}
		}
	}()
	return sizes, func() { signal.Stop(changed); close(done) }
}
