// Package client reaches the root daemon and the nodes' agents over their sockets. It implements sandbox.Nodes and sandbox.Agent.
// Every answer of an agent is untrusted: frames are bounded by wire, and a call ends with its context.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"podlab/sandbox"
	"podlab/sandbox/wire"
)

// call dials, sends the request, reads the reply into result (may be nil), and returns the open connection for what follows.
// The connection closes when ctx ends; stop releases that link.
func call(ctx context.Context, socket, verb string, args, result any) (conn net.Conn, err error) {
	dialed, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, dialError(err)
	}
	open := &linked{Conn: dialed, stop: context.AfterFunc(ctx, func() { dialed.Close() })}
	defer func() {
		if err != nil {
			open.Close()
			if ctx.Err() != nil {
				err = ctx.Err()
			}
		}
	}()
	request := wire.Request{Verb: verb}
	if args != nil {
		if request.Args, err = json.Marshal(args); err != nil {
			return nil, err
		}
	}
	if err = wire.WriteJSON(open, wire.JSON, request); err != nil {
		return nil, dialError(err)
	}
	var reply wire.Reply
	if err = wire.ReadJSON(open, &reply); err != nil {
		return nil, dialError(err)
	}
	if reply.Error != nil {
		return nil, said(reply.Error)
	}
	if result != nil {
		if _, err = decode(reply.Result, result); err != nil {
			return nil, sandbox.Errorf(sandbox.CodeInternal).Because(err)
		}
	}
	return open, nil
}

// once is a call without a stream behind it.
func once(ctx context.Context, socket, verb string, args, result any) error {
	conn, err := call(ctx, socket, verb, args, result)
	if err != nil {
		return err
	}
	return conn.Close()
}

// dialError gives the ways in which a socket can be away a code of their own.
func dialError(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return sandbox.Errorf(sandbox.CodeNotFound, "kind", "socket").Because(err)
	}
	for _, away := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, away) {
			return sandbox.Errorf(sandbox.CodeUnavailable).Because(err)
		}
	}
	return err
}

// linked is a connection that a context closes.
type linked struct {
	net.Conn
	stop func() bool
}

func (l *linked) Close() error {
	l.stop()
	return l.Conn.Close()
}

// CloseWrite ends the sending half.
func (l *linked) CloseWrite() error { return l.Conn.(*net.UnixConn).CloseWrite() }
