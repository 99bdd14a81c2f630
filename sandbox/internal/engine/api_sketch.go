package engine

import (
	"context"
	"io"
	"net"

	"podlab/sandbox"
)

// Engine makes and keeps pods and plain containers.
type Engine struct{}

// Open starts the engine and adopts what lived through the death of an earlier one. sink gets moments (Source, Seq and Time are
// the caller's to set when zero) from many goroutines and must not block.
func Open(cfg Config, keeper Keeper, sink func(sandbox.Moment)) (*Engine, error) { panic("being built") }

// Close ends the engine's goroutines and leaves containers as they are.
func (e *Engine) Close() error { panic("being built") }

// Apply makes or changes one object, JSON of sandbox.Pod or sandbox.PlainContainer, and returns when it is recorded and its
// start has begun.
func (e *Engine) Apply(ctx context.Context, object []byte) (sandbox.Applied, error) {
	panic("being built")
}

// Delete stops an object and returns when nothing of it is left. grace in seconds; negative means the object's own.
func (e *Engine) Delete(ctx context.Context, ref sandbox.Ref, grace int64) error {
	panic("being built")
}

// State returns what there is now.
func (e *Engine) State() State { panic("being built") }

// Changed has a value after State may have changed. It has room for one: for one reader.
func (e *Engine) Changed() <-chan struct{} { panic("being built") }

// Exec starts a command in a living container. Errors: not_found, not_running, cannot_start.
func (e *Engine) Exec(ctx context.Context, containerID string, p Process) (*Running, error) {
	panic("being built")
}

// Wait returns how the command ended.
func (r *Running) Wait() (sandbox.Exit, error) { panic("being built") }

// Logs writes a container's log to out.
func (e *Engine) Logs(ctx context.Context, opt sandbox.LogOptions, out io.Writer) error {
	panic("being built")
}

// Dial opens a TCP connection to a port of a pod or plain container, from inside its network namespace: what listens on its
// loopback is reached too. An empty name is the node itself.
func (e *Engine) Dial(ctx context.Context, pod string, port int) (net.Conn, error) {
	panic("being built")
}
