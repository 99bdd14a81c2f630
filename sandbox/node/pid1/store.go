package pid1

import (
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"podlab/sandbox/node/keep"
)

// answerIn is how long the agent may take to read an answer.
const answerIn = 5 * time.Second

// store holds descriptors by key. One goroutine at a time uses it: the one that answers the living agent.
type store struct {
	reaper *reaper
	keys   map[string][]int
}

func newStore(r *reaper) *store { return &store{reaper: r, keys: map[string][]int{}} }

// serve answers one agent until it hangs up or breaks the protocol.
func (s *store) serve(conn *net.UnixConn) {
	for {
		var request keep.Request
		fds, err := keep.Receive(conn, &request)
		if errors.As(err, &keep.Bad{}) {
			err = s.answer(conn, keep.Reply{Error: "bad message"}, nil)
		} else if err == nil {
			err = s.do(conn, request, fds)
		}
		if err != nil {
			return
		}
	}
}

func (s *store) answer(conn *net.UnixConn, reply keep.Reply, fds []int) error {
	if err := conn.SetWriteDeadline(time.Now().Add(answerIn)); err != nil {
		return err
	}
	return keep.Send(conn, reply, fds)
}

// do answers one request. It owns fds.
func (s *store) do(conn *net.UnixConn, r keep.Request, fds []int) error {
	if r.Op != keep.OpKeep {
		keep.CloseAll(fds)
	}
	switch r.Op {
	case keep.OpKeep:
		return s.answer(conn, s.put(r.Key, fds), nil)
	case keep.OpDrop:
		s.drop(r.Key)
		return s.answer(conn, keep.Reply{}, nil)
	case keep.OpKept:
		return s.give(conn, r.Key)
	case keep.OpExited:
		status, alive, known := s.reaper.exited(r.PID, r.Start)
		return s.answer(conn, keep.Reply{Status: uint32(status), Alive: alive, NotFound: !known}, nil)
	}
	return s.answer(conn, keep.Reply{Error: "unknown operation"}, nil)
}

func (s *store) put(key string, fds []int) keep.Reply {
	_, known := s.keys[key]
	switch {
	case key == "" || len(key) > keep.MaxKey || len(fds) == 0 || len(fds) > keep.MaxFiles:
		keep.CloseAll(fds)
		return keep.Reply{Error: "bad key or number of descriptors"}
	case !known && len(s.keys) >= keep.MaxKeys:
		keep.CloseAll(fds)
		return keep.Reply{Error: "store is full"}
	}
	s.drop(key)
	s.keys[key] = fds
	return keep.Reply{}
}

func (s *store) drop(key string) {
	keep.CloseAll(s.keys[key])
	delete(s.keys, key)
}

func (s *store) give(conn *net.UnixConn, prefix string) error {
	keys := make([]string, 0, len(s.keys))
	for key := range s.keys {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		if err := s.answer(conn, keep.Reply{Key: key, More: true}, s.keys[key]); err != nil {
			return err
		}
	}
	return s.answer(conn, keep.Reply{}, nil)
}
