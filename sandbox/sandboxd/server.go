package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/ring"
	"podlab/sandbox/internal/settings"
	"podlab/sandbox/internal/socket"
	"podlab/sandbox/wire"
)

// Limits of the daemon's socket.
const (
	maxRequest  = 16 << 10 // bytes; the largest, a NodeSpec, is some 200
	maxCalls    = 1024     // at a time; a stream of moments for each node and some plain ones
	requestTime = 5 * time.Second
	sendTime    = 10 * time.Second     // until a message of a stream is taken
	callTime    = 60 * time.Second     // for all but streams
	batch       = 256                  // moments in one message, at most
	pace        = 2 * time.Millisecond // between two messages; the first goes out at once
)

// server answers on the daemon's socket. It serves the twelve verbs of package wire:
//
//	info                     → sandbox.HostInfo
//	create sandbox.NodeSpec  → sandbox.Node
//	list                     → []sandbox.Node
//	destroy freeze thaw      wire.NodeArgs
//	poweroff                 wire.NodeArgs
//	poweron wire.NodeArgs    → sandbox.Node
//	link cut restore         wire.LinkArgs
//	moments wire.NodeArgs    then 'j' sandbox.Moments …, 'x' node_gone (which is also the answer when there is no such node)
type server struct {
	set      *settings.Settings
	host     *host
	log      *slog.Logger
	listener *net.UnixListener
}

func listen(set *settings.Settings, host *host, log *slog.Logger) (*server, error) {
	if err := os.Remove(set.Socket()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	listener, err := socket.Listen(set.Socket(), set.Group)
	if err != nil {
		return nil, err
	}
	return &server{set, host, log, listener}, nil
}

// run serves calls until ctx ends, and waits for those that are open.
func (s *server) run(ctx context.Context) error {
	return socket.Serve(ctx, s.listener, maxCalls, s.log, s.call)
}

// call serves one connection.
func (s *server) call(ctx context.Context, conn *net.UnixConn) error {
	if err := conn.SetDeadline(time.Now().Add(requestTime)); err != nil {
		return err
	}
	kind, payload, err := wire.Read(conn, maxRequest)
	if errors.Is(err, io.EOF) {
		return nil // somebody looked whether the daemon is there
	}
	if err := socket.Admit(conn, s.set.Group); err != nil {
		return errors.Join(err, wire.Answer(conn, nil, sandbox.Errorf(sandbox.CodeDenied)))
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
		err = errors.Join(err, failed)
	}
	return err
}

// answer serves a plain call.
func (s *server) answer(ctx context.Context, request wire.Request) (any, error) {
	switch request.Verb {
	case wire.VerbInfo:
		return s.host.info(), nil
	case wire.VerbList:
		return s.host.list(), nil
	case wire.VerbCreate:
		spec, err := parse[sandbox.NodeSpec](request.Args)
		if err != nil {
			return nil, err
		}
		return s.host.create(spec)
	case wire.VerbLink, wire.VerbCut, wire.VerbRestore:
		args, err := parse[wire.LinkArgs](request.Args)
		if err != nil {
			return nil, err
		}
		return nil, s.host.cable(ctx, request.Verb, args.A, args.B)
	}
	args, err := parse[wire.NodeArgs](request.Args)
	if err != nil {
		return nil, err
	}
	switch request.Verb {
	case wire.VerbDestroy:
		return nil, s.host.destroy(ctx, args.ID, sandbox.GoneDestroyed)
	case wire.VerbFreeze, wire.VerbThaw:
		return nil, s.host.freeze(ctx, args.ID, request.Verb == wire.VerbFreeze)
	case wire.VerbPowerOff:
		return nil, s.host.stop(ctx, args.ID)
	case wire.VerbPowerOn:
		return s.host.restart(ctx, args.ID)
	}
	return nil, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "verb")
}

func parse[T any](args json.RawMessage) (value T, err error) {
	if err := json.Unmarshal(args, &value); err != nil {
		return value, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "args").Because(err)
	}
	return value, nil
}

// moments streams a node's moments until the caller goes away, the node is gone or the daemon ends.
func (s *server) moments(ctx context.Context, conn *net.UnixConn, raw json.RawMessage) error {
	args, err := parse[wire.NodeArgs](raw)
	if err != nil {
		return wire.Answer(conn, nil, err)
	}
	n, ok := s.host.find(ctx, args.ID)
	if ctx.Err() != nil {
		return nil // the daemon ends: whoever asked asks the next one
	}
	if !ok {
		return wire.Answer(conn, nil, s.host.ended.Of(args.ID))
	}
	if err := errors.Join(wire.Answer(conn, nil, nil), conn.SetReadDeadline(time.Time{})); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var reader sync.WaitGroup
	reader.Go(func() { // the caller says nothing more: an end of its side is its going away
		_, _ = conn.Read(make([]byte, 1))
		cancel()
	})
	defer reader.Wait()
	defer conn.Close()
	send := func(kind byte, v any) error {
		if err := conn.SetWriteDeadline(time.Now().Add(sendTime)); err != nil {
			return err
		}
		return wire.WriteJSON(conn, kind, v)
	}
	err = n.moments.Follow(ctx, args.After, batch, func(run ring.Run[sandbox.Moment]) error {
		defer time.Sleep(pace)
		return send(wire.JSON, sandbox.Moments{Lost: run.Lost, Items: run.Items})
	})
	if errors.Is(err, ring.ErrClosed) {
		return send(wire.Exit, s.host.ended.Of(args.ID))
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}
