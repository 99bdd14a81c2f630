// Package verbs is the root daemon's side of package wire: it lets the nodes of one machine be asked over the daemon's socket.
//
//	info                     → sandbox.HostInfo
//	create sandbox.NodeSpec  → sandbox.Node
//	list                     → []sandbox.Node
//	destroy freeze thaw      wire.NodeArgs
//	poweroff                 wire.NodeArgs
//	poweron wire.NodeArgs    → sandbox.Node
//	link cut restore         wire.LinkArgs
//	moments wire.NodeArgs    then 'j' sandbox.Moments …, 'x' node_gone (which is also the answer when there is no such node)
//
// Whoever calls is root or of the daemon's group; still every request is bounded: its size, the time until it is there, the time that it may
// take, and how many there are at a time.
package verbs

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/ring"
	"podlab/sandbox/internal/socket"
	"podlab/sandbox/wire"
)

// Limits of the daemon's socket.
const (
	maxRequest  = 16 << 10 // bytes; the largest, a NodeSpec, is some 200
	maxCalls    = 1024     // at a time; a stream of moments for each node and some plain ones
	requestTime = 5 * time.Second
	sendTime    = 10 * time.Second // until a message of a stream is taken
	callTime    = 60 * time.Second // for all but streams
)

// Nodes is what is served: a sandbox.Nodes without the way to agents, which does not lead through here, and whose Moments are in two parts,
// since the reply goes out when the node is found.
type Nodes interface {
	Info(ctx context.Context) (sandbox.HostInfo, error)
	Create(ctx context.Context, spec sandbox.NodeSpec) (sandbox.Node, error)
	List(ctx context.Context) ([]sandbox.Node, error)
	Destroy(ctx context.Context, id string) error
	Freeze(ctx context.Context, id string) error
	Thaw(ctx context.Context, id string) error
	PowerOff(ctx context.Context, id string) error
	PowerOn(ctx context.Context, id string) (sandbox.Node, error)
	Link(ctx context.Context, a, b string) error
	Cut(ctx context.Context, a, b string) error
	Restore(ctx context.Context, a, b string) error
	// Log is what happened in a node that lives, after its creation if that is going on; it is closed when the node is gone.
	Log(ctx context.Context, id string) (log *ring.Ring[sandbox.Moment], lives bool)
	// Gone says that a node is not there, and why (node_gone).
	Gone(id string) error
}

// Server answers on the daemon's socket.
type Server struct {
	nodes    Nodes
	group    int
	log      *slog.Logger
	listener *net.UnixListener
}

// Listen makes the daemon's socket, for root and the group of that gid.
func Listen(path string, group int, nodes Nodes, log *slog.Logger) (*Server, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // a killed daemon's
		return nil, err
	}
	listener, err := socket.Listen(path, group)
	if err != nil {
		return nil, err
	}
	return &Server{nodes, group, log, listener}, nil
}

// Run serves calls until ctx ends, and waits for those that are open.
func (s *Server) Run(ctx context.Context) error {
	return socket.Serve(ctx, s.listener, maxCalls, s.log, s.call)
}

// call serves one connection.
func (s *Server) call(ctx context.Context, conn *net.UnixConn) error {
	if err := conn.SetDeadline(time.Now().Add(requestTime)); err != nil {
		return err
	}
	kind, payload, err := wire.Read(conn, maxRequest)
	if errors.Is(err, io.EOF) {
		return nil // somebody looked whether the daemon is there
	}
	if err := socket.Admit(conn, s.group); err != nil {
		_ = wire.Answer(conn, nil, sandbox.Errorf(sandbox.CodeDenied)) // who came is told of in the log, whether they wait or not
		return err
	}
	var request wire.Request
	if err != nil || kind != wire.JSON || json.Unmarshal(payload, &request) != nil {
		return errors.Join(err, wire.Answer(conn, nil, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "frame")))
	}
	if request.Verb == wire.VerbMoments {
		return s.moments(ctx, conn, request.Args)
	}
	// Not ended by ctx: what was begun is finished, so that an upgrade leaves no node half made.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
	defer cancel()
	result, failed := s.answer(limited, request)
	if err := conn.SetDeadline(time.Now().Add(sendTime)); err != nil {
		return err
	}
	err = wire.Answer(conn, result, failed)
	if sandbox.CodeOf(failed) == sandbox.CodeInternal {
		return failed
	}
	return err
}

// answer serves a plain call.
func (s *Server) answer(ctx context.Context, request wire.Request) (any, error) {
	switch request.Verb {
	case wire.VerbInfo:
		return s.nodes.Info(ctx)
	case wire.VerbList:
		return s.nodes.List(ctx)
	case wire.VerbCreate:
		return with(request, func(spec sandbox.NodeSpec) (sandbox.Node, error) { return s.nodes.Create(ctx, spec) })
	case wire.VerbPowerOn:
		return with(request, func(of wire.NodeArgs) (sandbox.Node, error) { return s.nodes.PowerOn(ctx, of.ID) })
	case wire.VerbDestroy:
		return node(ctx, request, s.nodes.Destroy)
	case wire.VerbFreeze:
		return node(ctx, request, s.nodes.Freeze)
	case wire.VerbThaw:
		return node(ctx, request, s.nodes.Thaw)
	case wire.VerbPowerOff:
		return node(ctx, request, s.nodes.PowerOff)
	case wire.VerbLink:
		return link(ctx, request, s.nodes.Link)
	case wire.VerbCut:
		return link(ctx, request, s.nodes.Cut)
	case wire.VerbRestore:
		return link(ctx, request, s.nodes.Restore)
	}
	return nil, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "verb")
}

// with reads a verb's arguments and calls do with them.
func with[Args, Result any](request wire.Request, do func(Args) (Result, error)) (any, error) {
	var args Args
	if err := json.Unmarshal(request.Args, &args); err != nil {
		return nil, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "args").Because(err)
	}
	return do(args)
}

func node(ctx context.Context, request wire.Request, do func(ctx context.Context, id string) error) (any, error) {
	return with(request, func(args wire.NodeArgs) (any, error) { return nil, do(ctx, args.ID) })
}

func link(ctx context.Context, request wire.Request, do func(ctx context.Context, a, b string) error) (any, error) {
	return with(request, func(args wire.LinkArgs) (any, error) { return nil, do(ctx, args.A, args.B) })
}
