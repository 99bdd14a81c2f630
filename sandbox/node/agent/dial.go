package agent

import (
	"context"
	"io"
)

// Dial opens a TCP connection from inside a pod's network namespace.
func (a *Agent) Dial(ctx context.Context, pod string, port int) (io.ReadWriteCloser, error) {
	return a.engine.Dial(ctx, pod, port)
}
