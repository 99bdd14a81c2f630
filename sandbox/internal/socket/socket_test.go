package socket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"podlab/sandbox/internal/sandboxtest"
)

// TestListen: mode and owner are the walls; a caller that is root passes. That strangers do not is tested on the daemon.
func TestListen(t *testing.T) {
	sandboxtest.Root(t)
	const group = 4242
	path := filepath.Join(t.TempDir(), "s.sock")
	listener, err := Listen(path, group)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	if info.Mode().Perm() != 0o660 || stat.Uid != 0 || stat.Gid != group {
		t.Errorf("%v of %d:%d", info.Mode(), stat.Uid, stat.Gid)
	}
	caller, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	conn, err := listener.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	if err := Admit(conn, 0); err != nil {
		t.Errorf("root: %v", err)
	}
	conn.Close()
	if Admit(conn, group) == nil {
		t.Error("nobody knows who calls, and is let in")
	}
}

// TestServeLogsWhatIsWrong: a caller that does not wait for its answer is nobody's trouble, another error is.
func TestServeLogsWhatIsWrong(t *testing.T) {
	sandboxtest.Root(t)
	path := filepath.Join(t.TempDir(), "s.sock")
	listener, err := Listen(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	answers := make(chan error, 2)
	served := make(chan error)
	var log bytes.Buffer
	go func() {
		served <- Serve(ctx, listener, 1, slog.New(slog.NewTextHandler(&log, nil)), func(_ context.Context, conn *net.UnixConn) error {
			kind, err := io.ReadAll(conn)
			if string(kind) == "bad" {
				err = errors.New("what is wrong")
			}
			for err == nil { // until the kernel says that nobody listens
				_, err = conn.Write([]byte("x"))
			}
			answers <- err
			return err
		})
	}()
	for _, say := range []string{"bye", "bad"} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(say)); err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if err := <-answers; (say == "bye") != errors.Is(err, syscall.EPIPE) {
			t.Errorf("%s: %v", say, err)
		}
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if said := log.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "level=WARN msg=call") || !strings.Contains(said, "what is wrong") {
		t.Errorf("the log says:\n%s", said)
	}
}

func TestIsMember(t *testing.T) {
	if !isMember(0, 0) || isMember(0, 4242) || isMember(4_000_000, 0) {
		t.Error("members are not who /etc/group says")
	}
}

// TestServe: no more callers at a time than there are places; the end waits for those that are being answered.
func TestServe(t *testing.T) {
	sandboxtest.Root(t)
	path := filepath.Join(t.TempDir(), "s.sock")
	listener, err := Listen(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	came, proceed, served := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		served <- Serve(ctx, listener, 1, slog.New(slog.DiscardHandler), func(_ context.Context, conn *net.UnixConn) error {
			came <- struct{}{}
			<-proceed
			_, err := conn.Write([]byte("x"))
			return err
		})
	}()
	var callers []net.Conn
	for range 2 {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		callers = append(callers, conn)
	}
	answered := func(conn net.Conn) {
		t.Helper()
		if text, err := io.ReadAll(conn); err != nil || string(text) != "x" {
			t.Errorf("answered %q %v", text, err)
		}
	}
	<-came
	select {
	case <-came:
		t.Fatal("two callers at one place")
	case <-time.After(50 * time.Millisecond):
	}
	proceed <- struct{}{}
	answered(callers[0])
	<-came
	cancel()
	select {
	case err := <-served:
		t.Fatal("ended with a caller unanswered:", err)
	case <-time.After(50 * time.Millisecond):
	}
	proceed <- struct{}{}
	answered(callers[1])
	if err := <-served; err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		t.Error("it still listens")
	}
}
