package kubectl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"

	"podlab/sandbox"
)

// maxForwarded is how many connections are forwarded at a time; more wait to be accepted.
const maxForwarded = 32

// Port is one port to forward; Local 0 means any that is free.
type Port struct{ Local, Remote int }

// ParsePorts reads REMOTE, LOCAL:REMOTE and :REMOTE.
func ParsePorts(words []string) ([]Port, error) {
	ports := make([]Port, 0, len(words))
	for _, word := range words {
		local, remote, both := strings.Cut(word, ":")
		if !both {
			remote = local
		}
		to, err := port(remote)
		from := 0
		if err == nil && local != "" {
			from, err = port(local)
		}
		if err != nil {
			return nil, fmt.Errorf("invalid port %q: write [LOCAL:]REMOTE with ports from 1 to 65535", word)
		}
		ports = append(ports, Port{from, to})
	}
	return ports, nil
}

func port(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err == nil && n == 0 {
		err = strconv.ErrRange
	}
	return int(n), err
}

// ErrLostPod ends forwarding when the pod is gone or no longer runs.
var ErrLostPod = errors.New("lost connection to pod")

// forwarder forwards ports of one pod.
type forwarder struct {
	agent     sandbox.Agent
	pod       string
	cancel    context.CancelCauseFunc
	seats     chan struct{}
	conns     sync.WaitGroup
	mu        sync.Mutex // of what is printed
	out, errs io.Writer
}

// Forward listens on the loopback addresses and joins each connection with one into the pod, until ctx ends (no error) or the pod is lost.
// Every connection has ended when it returns. What it does goes to out, what fails to errs, in kubectl's words.
func Forward(ctx context.Context, agent sandbox.Agent, pod string, ports []Port, out, errs io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f := &forwarder{agent: agent, pod: pod, cancel: cancel, seats: make(chan struct{}, maxForwarded), out: out, errs: errs}
	defer f.conns.Wait()
	defer cancel(nil)
	for _, p := range ports {
		if err := f.listen(ctx, p); err != nil {
			return err
		}
	}
	<-ctx.Done()
	if err := context.Cause(ctx); errors.Is(err, ErrLostPod) {
		return err
	}
	return nil
}

// listen opens a port on 127.0.0.1 and, where there is one, on ::1.
func (f *forwarder) listen(ctx context.Context, p Port) error {
	four, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Local)))
	if err != nil {
		return fmt.Errorf("unable to listen on port %d: %w", p.Local, err)
	}
	p.Local = four.Addr().(*net.TCPAddr).Port
	f.serve(ctx, four, p)
	if six, err := net.Listen("tcp6", net.JoinHostPort("::1", strconv.Itoa(p.Local))); err == nil {
		f.serve(ctx, six, p)
	}
	return nil
}

// serve accepts until ctx ends.
func (f *forwarder) serve(ctx context.Context, l net.Listener, p Port) {
	f.say(f.out, "Forwarding from %s -> %d", l.Addr(), p.Remote)
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	f.conns.Go(func() {
		defer stop()
		defer l.Close()
		for {
			select {
			case f.seats <- struct{}{}:
			case <-ctx.Done():
				return
			}
			conn, err := l.Accept()
			if err != nil {
				<-f.seats
				if ctx.Err() == nil {
					f.say(f.errs, "error: accept on port %d: %v", p.Local, err)
					f.cancel(err)
				}
				return
			}
			f.conns.Go(func() {
				defer func() { <-f.seats }()
				f.join(ctx, conn, p)
			})
		}
	})
}

// join carries one connection.
func (f *forwarder) join(ctx context.Context, near net.Conn, p Port) {
	defer near.Close()
	f.say(f.out, "Handling connection for %d", p.Local)
	far, err := f.agent.Dial(ctx, f.pod, p.Remote)
	if err != nil {
		f.failed(ctx, p, err)
		return
	}
	defer far.Close()
	stop := context.AfterFunc(ctx, func() { _, _ = near.Close(), far.Close() })
	defer stop()
	var sending sync.WaitGroup
	sending.Go(func() {
		_, _ = io.Copy(far, near) // either side may hang up at any time
		endWrite(far)
	})
	_, _ = io.Copy(near, far)
	// The pod has said everything. What the client still sends has nobody to read it.
	_ = near.Close()
	sending.Wait()
}

// endWrite passes the end of one direction on; the other goes on.
func endWrite(c io.Closer) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	_ = c.Close()
}

// failed tells why a connection was not made. A pod that is gone ends the forwarding.
func (f *forwarder) failed(ctx context.Context, p Port, err error) {
	if ctx.Err() != nil {
		return
	}
	e := sandbox.Public(err)
	switch {
	case e.Code == sandbox.CodeNotRunning && e.Params["kind"] == "port":
		f.say(f.errs, "error: an error occurred forwarding %d -> %d: pod %s: connection refused", p.Local, p.Remote, f.pod)
	case e.Code == sandbox.CodeNotRunning, e.Code == sandbox.CodeNotFound, e.Code == sandbox.CodeNodeGone:
		f.cancel(ErrLostPod)
	default:
		f.say(f.errs, "error: an error occurred forwarding %d -> %d: pod %s: %v", p.Local, p.Remote, f.pod, err)
	}
}

func (f *forwarder) say(w io.Writer, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fmt.Fprintf(w, format+"\n", args...)
}
