package boot

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"podlab/sandbox/wire"
)

// TestAwait: any answer will do, none will not. That a node starts is tested on the daemon.
func TestAwait(t *testing.T) {
	for name, answer := range map[string]func(net.Conn) error{
		"":                          func(conn net.Conn) error { return wire.Write(conn, wire.Exit, []byte("what?")) },
		"the agent does not answer": func(conn net.Conn) error { return conn.Close() },
	} {
		path := filepath.Join(t.TempDir(), "s.sock")
		if err := Await(path); err == nil {
			t.Error("nobody is there, and answers")
		}
		listener, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan error)
		go func() {
			conn, err := listener.Accept()
			if err == nil {
				defer conn.Close()
				if _, _, err = wire.Read(conn, 1<<10); err == nil {
					err = answer(conn)
				}
			}
			answered <- err
		}()
		if err := Await(path); (err == nil) != (name == "") || err != nil && !strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v", name, err)
		}
		if err := <-answered; err != nil {
			t.Error(err)
		}
		listener.Close()
	}
}
