package engine

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/terminal"
)

// typeFor is how long one write to a container's standard input waits before it is looked whether anyone still wants it.
const typeFor = 200 * time.Millisecond

// joined is what an attachment needs of a running container.
type joined struct {
	recorder *recorder
	input    *os.File // nil: it has no stdin, or that has ended
	console  *os.File // nil: it has no terminal
	close    func()   // ends its stdin; nil when that outlives its attachments
}

// Attach joins a container's own standard streams (the CRI's Attach). wait returns when its run has ended and all that it printed
// was written, or ctx has. Streams.In is the caller's to end. Errors: not_found, not_running.
func (e *Engine) Attach(ctx context.Context, spec sandbox.AttachSpec, streams sandbox.Streams) (wait func() (sandbox.Exit, error), err error) {
	j, err := e.join(ctx, spec.Container)
	if err != nil {
		return nil, err
	}
	a := j.recorder.output.attach(spec.FromStart)
	stop := context.AfterFunc(ctx, a.detach)
	closeInput := func() {}
	if j.console != nil {
		j.resize(a, spec.Size, streams.Resize)
	}
	if spec.Stdin && streams.In != nil {
		if j.close != nil {
			closeInput = sync.OnceFunc(j.close)
		}
		if j.input != nil {
			go func() { // ends with the input, or when nobody is attached any more
				copyInput(j.input, streams.In, a)
				closeInput()
			}()
		}
	}
	return func() (sandbox.Exit, error) {
		defer stop()
		defer closeInput()
		defer a.detach()
		exit, err := a.copyTo(streams.Out, streams.Err)
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return exit, err
	}, nil
}

// join asks the container's unit for what an attachment needs.
func (e *Engine) join(ctx context.Context, id string) (j joined, err error) {
	missing := sandbox.Errorf(sandbox.CodeNotFound, "kind", sandbox.ManifestContainer, "name", id)
	v, s, ok := e.find(id)
	if !ok || s.Kind == sandbox.KindInfra {
		return j, missing
	}
	e.mu.Lock()
	u := e.units[v.record.Object.Ref]
	e.mu.Unlock()
	if u == nil {
		return j, missing
	}
	err = u.do(ctx, func() error {
		for _, c := range u.members() {
			if c.id() == id && c.run.State == running && c.alive != nil && c.alive.recorder != nil {
				j = c.join()
				return nil
			}
		}
		return sandbox.Errorf(sandbox.CodeNotRunning, "kind", sandbox.ManifestContainer, "name", id)
	})
	return j, err
}

func (c *container) join() joined {
	r := c.alive.recorder
	j := joined{recorder: r}
	switch {
	case c.spec.TTY:
		j.console = r.files[0]
		if c.spec.Stdin {
			j.input = j.console
		}
	case c.spec.Stdin && len(r.files) > len(streams):
		j.input = r.files[len(streams)]
		if c.spec.StdinOnce {
			j.close = func() { c.unit.post(func() { c.endInput(r) }) }
		}
	}
	return j
}

// endInput closes the standard input of a run, here and with node init: its program reads to the end.
func (c *container) endInput(r *recorder) {
	if c.alive == nil || c.alive.recorder != r || len(r.files) <= len(streams) {
		return
	}
	if err := c.unit.engine.keeper.Keep(c.keepKey(), r.files[:len(streams)]...); err != nil {
		c.unit.log.Error("input not ended", "container", c.id(), "err", err)
	}
	r.files[len(streams)].Close()
	r.files = r.files[:len(streams)]
}

// copyTo writes what was printed, if that was asked for, and what is printed until the run ends.
func (a *attachment) copyTo(out, errs io.Writer) (sandbox.Exit, error) {
	to := [len(streams)]io.Writer{out, errs}
	write := func(p piece) (err error) {
		if to[p.stream] != nil && len(p.text) > 0 {
			_, err = to[p.stream].Write(p.text)
		}
		return err
	}
	defer a.past.close()
	if err := a.past.each(func(p piece) error { defer a.move(); return write(p) }); err != nil {
		return sandbox.Exit{}, err
	}
	for {
		pieces, err := a.next()
		if errors.Is(err, io.EOF) {
			return *a.to.exit, nil // never changed once it is set
		}
		if err != nil {
			return sandbox.Exit{}, err
		}
		for _, p := range pieces {
			if err := write(p); err != nil {
				return sandbox.Exit{}, err
			}
		}
	}
}

// copyInput passes on what is typed. A program that does not read makes whoever types wait, until they leave.
func copyInput(to *os.File, from io.Reader, a *attachment) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		for rest := buf[:n]; len(rest) > 0; {
			_ = to.SetWriteDeadline(time.Now().Add(typeFor)) // fails on a closed file only, which the write tells
			written, err := to.Write(rest)
			rest = rest[written:]
			if a.detached() || err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// resize gives the terminal the size of the caller's window. It is changed twice, so that a full-screen program draws anew.
func (j joined) resize(a *attachment, size sandbox.Size, sizes <-chan sandbox.Size) {
	if size.Cols > 0 && size.Rows > 0 {
		terminal.SetSize(j.console, sandbox.Size{Cols: size.Cols + 1, Rows: size.Rows + 1})
		terminal.SetSize(j.console, size)
	}
	if sizes == nil {
		return
	}
	go func() { // ends with the run or the attachment
		for {
			select {
			case size, ok := <-sizes:
				if !ok {
					return
				}
				terminal.SetSize(j.console, size)
			case <-j.recorder.done:
				return
			case <-a.left:
				return
			}
		}
	}()
}
