package verbs

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"sync"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/ring"
	"podlab/sandbox/wire"
)

// What a stream of moments sends.
const (
	batch = 256                  // moments in one message, at most
	pace  = 2 * time.Millisecond // between two messages; the first goes out at once
)

// moments streams a node's moments until the caller goes away, the node is gone or the daemon ends.
func (s *Server) moments(ctx context.Context, conn *net.UnixConn, raw json.RawMessage) error {
	var args wire.NodeArgs
	if err := json.Unmarshal(raw, &args); err != nil {
		return wire.Answer(conn, nil, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "args").Because(err))
	}
	log, lives := s.nodes.Log(ctx, args.ID)
	if ctx.Err() != nil {
		return nil // the daemon ends: whoever asked asks the next one
	}
	if !lives {
		return wire.Answer(conn, nil, s.nodes.Gone(args.ID))
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
	err := log.Follow(ctx, args.After, batch, func(run ring.Run[sandbox.Moment]) error {
		defer time.Sleep(pace)
		return send(conn, wire.JSON, sandbox.Moments{Lost: run.Lost, Items: run.Items})
	})
	if errors.Is(err, ring.ErrClosed) {
		return send(conn, wire.Exit, s.nodes.Gone(args.ID))
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func send(conn *net.UnixConn, kind byte, v any) error {
	if err := conn.SetWriteDeadline(time.Now().Add(sendTime)); err != nil {
		return err
	}
	return wire.WriteJSON(conn, kind, v)
}
