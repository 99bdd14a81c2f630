package network

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Dial opens a TCP connection to port on the loopback, else on addr, of the network namespace of process pid.
func Dial(ctx context.Context, pid int, addr string, port int) (net.Conn, error) {
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	defer ns.Close()
	var conn net.Conn
	err = within(ns, func() error {
		conn, err = dial(ctx, port, "127.0.0.1", addr, "::1")
		return err
	})
	return conn, err
}

// dial tries hosts in order. It must stay on the calling thread, so it hands literal addresses to a dialer that has no need of
// a second goroutine.
func dial(ctx context.Context, port int, hosts ...string) (conn net.Conn, err error) {
	dialer := &net.Dialer{FallbackDelay: -1}
	for _, host := range hosts {
		if host == "" {
			continue
		}
		conn, err = dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil || ctx.Err() != nil {
			return conn, err
		}
	}
	return nil, err
}

// within runs fn on a thread that is in the given network namespace. The thread is thrown away afterwards: it ends with its
// goroutine because it is never unlocked.
func within(ns *os.File, fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("network: setns: %w", err)
			return
		}
		done <- fn()
	}()
	return <-done
}
