// Package socket is who may use the daemon's sockets: root and the members of one group, by the file's mode and again by the kernel's word
// of who calls (SO_PEERCRED, unix(7)).
package socket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/user"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Listen listens at a path for root and the group of that gid. Until the mode is set, the socket is root's alone.
func Listen(path string, group int) (*net.UnixListener, error) {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.Chown(path, 0, group), os.Chmod(path, 0o660)); err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}

const acceptPause = 50 * time.Millisecond

// Serve calls answer with each caller, most of them at a time, until ctx ends, and waits for those that are open. It closes connections and
// the listener.
func Serve(ctx context.Context, listener *net.UnixListener, most int, log *slog.Logger, answer func(context.Context, *net.UnixConn) error) error {
	var calls sync.WaitGroup
	defer calls.Wait()
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	places := make(chan struct{}, most)
	for {
		conn, err := listener.AcceptUnix()
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil { // out of descriptors, most likely: they come back
			log.Warn("accept", "error", err)
			time.Sleep(acceptPause)
			continue
		}
		places <- struct{}{}
		calls.Go(func() {
			defer func() { <-places }()
			defer conn.Close()
			err := answer(ctx, conn)
			switch {
			case errors.Is(err, unix.EPIPE), errors.Is(err, unix.ECONNRESET): // whoever called did not wait
				log.Debug("caller is gone", "error", err)
			case err != nil:
				log.Warn("call", "error", err)
			}
		})
	}
}

// Admit fails unless the caller is root or of the group; group 0 is nobody but root. The socket's mode says the same; this holds should
// somebody change it.
func Admit(conn *net.UnixConn, group int) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var peer *unix.Ucred
	if control := raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); control != nil || err != nil {
		return errors.Join(control, err)
	}
	if peer.Uid == 0 || group != 0 && (int(peer.Gid) == group || isMember(peer.Uid, group)) {
		return nil
	}
	return fmt.Errorf("denied to uid %d", peer.Uid)
}

// isMember reports whether the host's files say that the user is in the group.
func isMember(uid uint32, group int) bool {
	u, err := user.LookupId(strconv.Itoa(int(uid)))
	if err != nil {
		return false
	}
	groups, err := u.GroupIds()
	return err == nil && slices.Contains(groups, strconv.Itoa(group))
}
