package preview

import (
	"context"
	"io"
	"net"
	"time"
)

// closed is a context that ends when a channel closes, or with its parent.
func closed(parent context.Context, channel <-chan struct{}) context.Context {
	ctx, cancel := context.WithCancel(parent)
	go func() {
		defer cancel()
		select {
		case <-parent.Done():
		case <-channel:
		}
	}()
	return ctx
}

// netConn makes a net.Conn of what Agent.Dial returns; it mostly is one.
func netConn(conn io.ReadWriteCloser) net.Conn {
	if c, ok := conn.(net.Conn); ok {
		return c
	}
	return stream{conn}
}

// stream is a connection without deadlines: Close ends what waits in it.
type stream struct{ io.ReadWriteCloser }

func (stream) LocalAddr() net.Addr              { return &net.UnixAddr{Net: "unix"} }
func (stream) RemoteAddr() net.Addr             { return &net.UnixAddr{Net: "unix"} }
func (stream) SetDeadline(time.Time) error      { return nil }
func (stream) SetReadDeadline(time.Time) error  { return nil }
func (stream) SetWriteDeadline(time.Time) error { return nil }
