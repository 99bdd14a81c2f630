package keep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/procstat"
)

// answerIn is how long node init may take for one answer.
const answerIn = 5 * time.Second

// Client is the agent's end.
type Client struct {
	mu   sync.Mutex
	conn *net.UnixConn
}

// NewClient asks over conn.
func NewClient(conn *net.UnixConn) *Client { return &Client{conn: conn} }

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Keep stores duplicates of files under key, in place of what was there.
func (c *Client) Keep(key string, files ...*os.File) error {
	if len(key) > MaxKey || len(files) > MaxFiles {
		return fmt.Errorf("keep %s: over the limit", key)
	}
	fds, release, err := numbers(files)
	if err != nil {
		return fmt.Errorf("keep %s: %w", key, err)
	}
	defer release()
	_, err = c.ask(Request{Op: OpKeep, Key: key}, fds, nil)
	return err
}

// numbers returns duplicates of the files' descriptors. File.Fd would make them blocking.
func numbers(files []*os.File) (fds []int, release func(), err error) {
	release = func() { CloseAll(fds) }
	for _, f := range files {
		raw, e := f.SyscallConn()
		if e == nil {
			e = raw.Control(func(fd uintptr) {
				var d int
				if d, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err == nil {
					fds = append(fds, d)
				}
			})
		}
		if err = errors.Join(err, e); err != nil {
			release()
			return nil, nil, err
		}
	}
	return fds, release, nil
}

// Drop closes what is stored under key.
func (c *Client) Drop(key string) error {
	_, err := c.ask(Request{Op: OpDrop, Key: key}, nil, nil)
	return err
}

// Kept returns duplicates of all that is stored under keys that begin with prefix.
func (c *Client) Kept(prefix string) (map[string][]*os.File, error) {
	out := map[string][]*os.File{}
	_, err := c.ask(Request{Op: OpKept, Key: prefix}, nil, func(key string, fds []int) {
		for _, fd := range fds {
			out[key] = append(out[key], os.NewFile(uintptr(fd), key))
		}
	})
	if err != nil {
		for _, files := range out {
			for _, f := range files {
				_ = f.Close()
			}
		}
		return nil, err
	}
	return out, nil
}

func (c *Client) ask(r Request, fds []int, part func(key string, fds []int)) (Reply, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.conn.SetDeadline(time.Now().Add(answerIn)); err != nil {
		return Reply{}, fmt.Errorf("keep: %w", err)
	}
	if err := Send(c.conn, r, fds); err != nil {
		return Reply{}, fmt.Errorf("keep: %s: %w", r.Op, err)
	}
	for {
		var reply Reply
		got, err := Receive(c.conn, &reply)
		switch {
		case err != nil:
			return Reply{}, fmt.Errorf("keep: %s: %w", r.Op, err)
		case reply.More && part != nil:
			part(reply.Key, got)
			continue
		}
		CloseAll(got)
		switch {
		case reply.NotFound:
			return reply, fmt.Errorf("keep: %s %s: %w", r.Op, r.Key, fs.ErrNotExist)
		case reply.Error != "":
			return reply, fmt.Errorf("keep: %s: %s", r.Op, reply.Error)
		}
		return reply, nil
	}
}

// WaitOrphan returns how a process ended that node init adopted. start is field 22 of /proc/PID/stat; fs.ErrNotExist when no such
// process was ever seen, or it was too long ago.
func (c *Client) WaitOrphan(ctx context.Context, pid int, start uint64) (syscall.WaitStatus, error) {
	for pause := time.Millisecond; ; pause = min(2*pause, time.Second) {
		if err := exited(ctx, pid, start); err != nil {
			return 0, err
		}
		reply, err := c.ask(Request{Op: OpExited, PID: pid, Start: start}, nil, nil)
		if err != nil {
			return 0, err
		}
		if !reply.Alive {
			return syscall.WaitStatus(reply.Status), nil
		}
		// A zombie whose parent has not reaped it yet.
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// exited returns when the process has ended or is not there.
func exited(ctx context.Context, pid int, start uint64) error {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("pidfd of %d: %w", pid, err)
	}
	file := os.NewFile(uintptr(fd), "pidfd")
	defer file.Close()
	// The descriptor is of the process asked for only if that still has its start time.
	if now, err := procstat.Start(pid); err != nil || now != start {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = file.SetReadDeadline(time.Now()) })
	defer stop()
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	err = raw.Read(func(fd uintptr) bool {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(p, 0)
		return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
