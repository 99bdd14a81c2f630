// Package keep is how the agent leaves with node init what must outlive it, and how it asks for it again.
//
// One sequenced-packet socket joins the two. The agent asks, node init answers; one question at a time. Descriptors travel beside
// their message (SCM_RIGHTS).
//
//	keep   key, descriptors    → ok
//	drop   key                 → ok
//	kept   prefix              → one message for each key, with its descriptors; then ok
//	exited pid, start          → ok with status · ok with alive · not found
//
// Node init trusts nothing that it reads here: a learner who is root of the node can take the agent's place.
package keep

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Limits of the store.
const (
	MaxMessage = 8 << 10
	MaxKey     = 200
	MaxFiles   = 8 // of one key
	MaxKeys    = 512
)

// Operations.
const (
	OpKeep   = "keep"
	OpDrop   = "drop"
	OpKept   = "kept"
	OpExited = "exited"
)

// Request is one question.
type Request struct {
	Op    string `json:"op"`
	Key   string `json:"key,omitempty"` // or prefix
	PID   int    `json:"pid,omitempty"`
	Start uint64 `json:"start,omitempty"`
}

// Reply is one answer, or a part of one when More is set.
type Reply struct {
	Error    string `json:"error,omitempty"`
	NotFound bool   `json:"notFound,omitempty"`
	Alive    bool   `json:"alive,omitempty"`
	Status   uint32 `json:"status,omitempty"` // as wait(2) gives it
	Key      string `json:"key,omitempty"`
	More     bool   `json:"more,omitempty"`
}

// Send sends one message with descriptors.
func Send(conn *net.UnixConn, message any, fds []int) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if len(text) > MaxMessage {
		return fmt.Errorf("keep: message of %d bytes", len(text))
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	_, _, err = conn.WriteMsgUnix(text, rights, nil)
	return err
}

// Receive reads one message into message and returns the descriptors that came with it, close-on-exec. On an error it has
// closed them.
func Receive(conn *net.UnixConn, message any) ([]int, error) {
	text := make([]byte, MaxMessage)
	rights := make([]byte, unix.CmsgSpace(4*MaxFiles))
	n, rn, flags, _, err := conn.ReadMsgUnix(text, rights)
	fds, rightsErr := descriptors(rights[:rn])
	switch {
	case err == nil && n == 0:
		err = net.ErrClosed // a packet is never empty
	case err == nil && flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0:
		err = Bad{errors.New("message too long")}
	case err == nil && rightsErr != nil:
		err = Bad{rightsErr}
	}
	if err == nil {
		if err = json.Unmarshal(text[:n], message); err != nil {
			err = Bad{err}
		}
	}
	if err != nil {
		CloseAll(fds)
		return nil, err
	}
	return fds, nil
}

// Bad is a message that cannot be understood, on a connection that still works.
type Bad struct{ error }

func descriptors(rights []byte) (fds []int, err error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	for i := range messages {
		got, e := unix.ParseUnixRights(&messages[i])
		fds, err = append(fds, got...), errors.Join(err, e)
	}
	return fds, err
}

// CloseAll closes descriptors.
func CloseAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// Conn makes a connection of an inherited descriptor.
func Conn(fd uintptr) (*net.UnixConn, error) {
	file := os.NewFile(fd, "keep")
	if file == nil {
		return nil, os.ErrInvalid
	}
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("keep: descriptor %d: %w", fd, err)
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("keep: descriptor %d is no unix socket", fd), conn.Close())
	}
	return unixConn, nil
}
