package fake

import (
	"context"
	"io"

	"podlab/sandbox"
)

// Attach joins a container whose program is taken for cat: what is typed comes back, and is in the log. It ends when the container does.
func (a *Agent) Attach(ctx context.Context, spec sandbox.AttachSpec, streams sandbox.Streams) (sandbox.Exit, error) {
	if err := a.alive(); err != nil {
		return sandbox.Exit{}, err
	}
	if _, err := a.where(spec.Container); err != nil {
		return sandbox.Exit{}, err
	}
	a.mu.Lock()
	c := a.container(spec.Container)
	sent := len(c.log)
	if spec.FromStart {
		sent = 0
	}
	a.mu.Unlock()
	if streams.In != nil {
		go a.typeInto(spec.Container, streams.In) // ends with its input, which is the caller's
	}
	for {
		a.mu.Lock()
		text, ended, changed := c.log, c.view.State != sandbox.StateRunning, a.changed
		exit := sandbox.Exit{Code: c.view.ExitCode, Signal: c.view.Signal}
		a.mu.Unlock()
		if len(text) > sent && streams.Out != nil {
			if _, err := io.WriteString(streams.Out, text[sent:]); err != nil {
				return sandbox.Exit{}, err
			}
		}
		sent = len(text)
		if ended {
			return exit, nil
		}
		select {
		case <-ctx.Done():
			return sandbox.Exit{}, ctx.Err()
		case <-a.gone:
			return sandbox.Exit{}, sandbox.Errorf(sandbox.CodeUnavailable)
		case <-changed:
		}
	}
}

// typeInto logs what it reads; the end of it ends the container if its standard input is for one attachment only.
func (a *Agent) typeInto(id string, in io.Reader) {
	buf := make([]byte, 4096)
	for {
		n, err := in.Read(buf)
		if n > 0 {
			a.Log(id, string(buf[:n]))
		}
		if err == nil {
			continue
		}
		a.mu.Lock()
		c := a.container(id)
		ends := c != nil && c.spec.StdinOnce && !c.spec.TTY
		a.mu.Unlock()
		if ends {
			a.Exit(id, sandbox.Exit{})
		}
		return
	}
}
