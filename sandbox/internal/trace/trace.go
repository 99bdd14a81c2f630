// Package trace reports the moments of every node's processes as the kernel sees them: fork, exec and exit, and by eBPF what they do to
// namespaces, mounts and sockets.
//
// Where they come from, best first: eBPF programs on the kernel's tracepoints ("ebpf"), the kernel's proc connector ("proc"),
// reading /proc again and again ("poll"). Open takes the first that works here. All three are host-wide and need root; what is not
// in a registered node is dropped at once, by eBPF in the kernel itself.
//
// Who owns what: a Tracer owns its source until Close. Run reads from it in its caller's goroutine; Add and Remove may be called
// from any goroutine, before and while Run runs.
package trace

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"podlab/sandbox"
)

// Kinds of source.
const (
	KindEBPF = "ebpf"
	KindProc = "proc"
	KindPoll = "poll"
)

// Sink receives what happened. Both functions are called from Run's goroutine, in the order of events, and must not block for long.
type Sink struct {
	// Moment of the node with that pid namespace inode. Source and Seq are the receiver's to set.
	Moment func(node uint64, m sandbox.Moment)
	// Lost says that n moments of that node are missing between the last one and the next.
	Lost func(node uint64, n uint64)
}

// source is one way to learn of events.
type source interface {
	add(pidns uint64, initHostPID int) error
	remove(pidns uint64)
	lacks() []string
	run(ctx context.Context, sink Sink) error
	close() error
}

// Tracer is an open source of moments.
type Tracer struct {
	kind   string
	source source
}

// Open takes the best source that this host has, for at most so many nodes at a time. It says in the log why a better one was not taken.
func Open(ctx context.Context, log *slog.Logger, nodes int) (*Tracer, error) {
	var failures []error
	for _, kind := range []string{KindEBPF, KindProc, KindPoll} {
		t, err := OpenKind(ctx, kind, nodes)
		if err == nil {
			if lacks := t.Untold(); len(lacks) > 0 {
				log.Warn("some kernel moments are not told", "source", kind, "untold", lacks, "error", t.partial())
			}
			return t, nil
		}
		log.Warn("no kernel moments from this source", "source", kind, "error", err)
		failures = append(failures, fmt.Errorf("%s: %w", kind, err))
	}
	return nil, errors.Join(failures...)
}

// OpenKind takes one source and no other.
func OpenKind(ctx context.Context, kind string, nodes int) (*Tracer, error) {
	open := map[string]func(context.Context) (source, error){
		KindEBPF: func(context.Context) (source, error) { return openEBPF(nodes) }, KindProc: openConnector, KindPoll: openPoll,
	}[kind]
	if open == nil {
		return nil, fmt.Errorf("trace: no source %q", kind)
	}
	s, err := open(ctx)
	if err != nil {
		return nil, err
	}
	return &Tracer{kind: kind, source: s}, nil
}

// Untold are the kinds of moments that this source cannot tell of on this kernel: sandbox.Untold….
func (t *Tracer) Untold() []string { return t.source.lacks() }

// partial says why Untold is not empty, where that is not the source's nature.
func (t *Tracer) partial() error {
	if s, ok := t.source.(*kernelSource); ok {
		return s.partial
	}
	return nil
}

// Kind says where moments come from: ebpf, proc or poll.
func (t *Tracer) Kind() string { return t.kind }

// Add begins to report on the node whose pid namespace has that inode and whose PID 1 has that pid in the tracer's own namespace.
func (t *Tracer) Add(pidns uint64, initHostPID int) error { return t.source.add(pidns, initHostPID) }

// Remove ends it. Removing a node that was never added is no error.
func (t *Tracer) Remove(pidns uint64) { t.source.remove(pidns) }

// Run delivers moments until ctx ends, which is no error, or the source fails.
func (t *Tracer) Run(ctx context.Context, sink Sink) error { return t.source.run(ctx, sink) }

// Close releases the source. Call it after Run returned.
func (t *Tracer) Close() error { return t.source.close() }
