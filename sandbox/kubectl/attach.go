package kubectl

import (
	"context"
	"errors"
	"io"
	"time"

	"podlab/sandbox"
)

// ErrDetached says that the detach keys were typed.
var ErrDetached = errors.New("detached")

// The keys that detach: docker's ctrl-p ctrl-q.
const (
	detachFirst = 'P' - '@'
	detachThen  = 'Q' - '@'
)

// comeBack is how long an agent that starts again is waited for.
const comeBack = 10 * time.Second

// Keyboard reads what is typed for one attachment after another, and loses nothing between them. Its goroutine ends with its input.
type Keyboard struct{ chunks chan []byte }

// NewKeyboard begins to read in.
func NewKeyboard(in io.Reader) *Keyboard {
	k := &Keyboard{chunks: make(chan []byte)}
	go func() {
		defer close(k.chunks)
		for {
			buf := make([]byte, 32<<10)
			n, err := in.Read(buf)
			if n > 0 {
				k.chunks <- buf[:n]
			}
			if err != nil {
				return
			}
		}
	}()
	return k
}

// keys is a Keyboard as one attachment reads it. detach is called at the detach keys; nil passes them on.
type keys struct {
	*Keyboard
	ctx    context.Context
	detach func()
	left   []byte
	first  bool // the first detach key was typed and is held back
}

func (k *keys) Read(p []byte) (int, error) {
	for len(k.left) == 0 {
		select {
		case chunk, ok := <-k.chunks:
			if !ok {
				return 0, io.EOF
			}
			k.left = k.typed(chunk)
		case <-k.ctx.Done():
			return 0, io.EOF
		}
	}
	n := copy(p, k.left)
	k.left = k.left[n:]
	return n, nil
}

// typed takes the detach keys out.
func (k *keys) typed(chunk []byte) (out []byte) {
	if k.detach == nil {
		return chunk
	}
	for _, key := range chunk {
		switch {
		case k.first && key == detachThen:
			k.detach()
			return out
		case k.first:
			out = append(out, detachFirst)
		}
		if k.first = key == detachFirst; !k.first {
			out = append(out, key)
		}
	}
	return out
}

// Attachment is what Attach needs of its caller.
type Attachment struct {
	Keyboard *Keyboard // nil: nothing is typed
	Detach   bool      // the detach keys end it, with ErrDetached
	Out, Err io.Writer
	Size     func() sandbox.Size // of the window; nil without a terminal
	Resize   <-chan sandbox.Size
	Again    func() // the agent came back; may be nil
}

// Attach attaches to a container until its run ends, and again when the agent comes back from a restart: the container outlives it.
func Attach(ctx context.Context, agent sandbox.Agent, container string, fromStart bool, a Attachment) (sandbox.Exit, error) {
	var away time.Time
	for {
		began := time.Now()
		exit, err := attachOnce(ctx, agent, container, fromStart, a)
		if sandbox.CodeOf(err) != sandbox.CodeUnavailable || errors.Is(err, ErrDetached) {
			return exit, err
		}
		if time.Since(began) > time.Second || away.IsZero() {
			away = time.Now()
		}
		if time.Since(away) > comeBack || !awaitAgent(ctx, agent) {
			return exit, err
		}
		if fromStart = false; a.Again != nil {
			a.Again()
		}
	}
}

// awaitAgent returns when the agent answers; false when it does not.
func awaitAgent(ctx context.Context, agent sandbox.Agent) bool {
	ctx, cancel := context.WithTimeout(ctx, comeBack)
	defer cancel()
	for {
		_, err := agent.Snapshot(ctx)
		if err == nil {
			return true
		}
		if sandbox.CodeOf(err) != sandbox.CodeUnavailable || !pause(ctx) {
			return false
		}
	}
}

func attachOnce(ctx context.Context, agent sandbox.Agent, container string, fromStart bool, a Attachment) (sandbox.Exit, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	spec := sandbox.AttachSpec{Container: container, FromStart: fromStart}
	streams := sandbox.Streams{Out: a.Out, Err: a.Err}
	if a.Keyboard != nil {
		in := &keys{Keyboard: a.Keyboard, ctx: ctx}
		if a.Detach {
			in.detach = func() { cancel(ErrDetached) }
		}
		streams.In = in
	}
	if a.Size != nil {
		spec.Size = a.Size()
	}
	if a.Resize != nil {
		streams.Resize = relay(ctx, a.Resize)
	}
	exit, err := agent.Attach(ctx, spec, streams)
	if err != nil && errors.Is(context.Cause(ctx), ErrDetached) {
		err = ErrDetached
	}
	return exit, err
}

// relay passes sizes on until ctx ends.
func relay(ctx context.Context, from <-chan sandbox.Size) <-chan sandbox.Size {
	to := make(chan sandbox.Size)
	go func() {
		defer close(to)
		for {
			select {
			case size, ok := <-from:
				if !ok {
					return
				}
				select {
				case to <- size:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return to
}
