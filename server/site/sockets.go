package site

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"

	"podlab/sandbox"
)

// closeRestart is a close code that browsers act on (IANA's registry of RFC 6455, 1012): come back at once, nothing is lost.
const closeRestart = websocket.CloseServiceRestart

// sockets knows the open websockets, so that they can be counted, limited and closed.
type sockets struct {
	ctx    context.Context
	stop   context.CancelFunc
	limits Limits

	mu      sync.Mutex
	stopped bool
	each    map[string]int // by learner
	near    map[string]int // by address: cookies are free, so learners are no bound of who takes all
	all     int
	open    sync.WaitGroup
}

func newSockets(limits Limits) *sockets {
	// The sockets' own lifetime: from New to Close.
	ctx, stop := context.WithCancel(context.Background())
	return &sockets{ctx: ctx, stop: stop, limits: limits, each: map[string]int{}, near: map[string]int{}}
}

// enter takes a place for one socket of a learner at an address; leave gives it back.
func (s *sockets) enter(learner, address string) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil, sandbox.Errorf(sandbox.CodeUnavailable)
	}
	if s.each[learner] >= s.limits.sockets() || s.near[address] >= s.limits.addressSockets() || s.all >= s.limits.allSockets() {
		return nil, errTooMany
	}
	s.each[learner]++
	s.near[address]++
	s.all++
	s.open.Add(1)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		fewer(s.each, learner)
		fewer(s.near, address)
		s.open.Done()
	}, nil
}

func fewer(count map[string]int, key string) {
	if count[key]--; count[key] == 0 {
		delete(count, key)
	}
}

func (s *sockets) closing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

func (s *sockets) close() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.stop()
	s.open.Wait()
}

// socket is one websocket: one goroutine reads (listen), its handler's writes. ctx ends with the socket or the site.
type socket struct {
	conn *websocket.Conn
	ctx  context.Context
	site *sockets
	stop context.CancelFunc
	read sync.WaitGroup
}

// upgrade checks the page's origin and the learner's share, and makes a websocket of the request.
// Without compression: a small frame must not become a large one.
func (s *Site) upgrade(w http.ResponseWriter, r *http.Request, kind string) (*socket, func(), error) {
	if !websocket.IsWebSocketUpgrade(r) {
		return nil, nil, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "websocket")
	}
	if !s.ownOrigin(r) {
		return nil, nil, sandbox.Errorf(sandbox.CodeDenied)
	}
	from, err := byAddress(r)
	if err != nil {
		return nil, nil, err
	}
	leave, err := s.sockets.enter(who(r), from)
	if err != nil {
		return nil, nil, err
	}
	upgrader := websocket.Upgrader{
		CheckOrigin: s.ownOrigin, HandshakeTimeout: writeWithin, ReadBufferSize: 1 << 10, WriteBufferSize: 4 << 10, WriteBufferPool: &writeBuffers,
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		leave()
		return nil, nil, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "websocket").Because(err)
	}
	conn.SetReadLimit(maxMessage)
	gauge := s.meter.sockets.WithLabelValues(kind)
	gauge.Inc()
	ctx, stop := context.WithCancel(s.sockets.ctx)
	k := &socket{conn: conn, ctx: ctx, stop: stop, site: s.sockets}
	return k, func() { k.close(); gauge.Dec(); leave() }, nil
}

var writeBuffers sync.Pool

// ownOrigin: the page that opens the socket is this site's. Browsers always send Origin with a websocket's request.
func (s *Site) ownOrigin(r *http.Request) bool {
	origin, err := url.Parse(r.Header.Get("Origin"))
	if err != nil || (origin.Scheme != "http" && origin.Scheme != "https") || s.Secure && origin.Scheme != "https" {
		return false
	}
	return origin.Host == r.Host && s.Hosts.Allows(origin.Host)
}

// listen starts the reading goroutine: every message goes to fn until the socket closes, which ends ctx. It also keeps the
// connection alive by pings, and ends one whose browser no longer answers them.
func (k *socket) listen(fn func(kind int, data []byte) error) {
	alive := func() error { return k.conn.SetReadDeadline(time.Now().Add(pongWithin)) }
	_ = alive()
	// Who sends faster waits, and with them nobody else: reading a small message costs more than sending it.
	pace := rate.NewLimiter(messageRate, messageRate)
	k.conn.SetPongHandler(func(string) error { return errors.Join(pace.Wait(k.ctx), alive()) })
	k.conn.SetPingHandler(func(data string) error {
		if err := pace.Wait(k.ctx); err != nil {
			return err
		}
		return k.conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(writeWithin))
	})
	k.read.Go(func() {
		defer k.stop()
		for {
			kind, data, err := k.conn.ReadMessage()
			if err != nil {
				return
			}
			if pace.Wait(k.ctx) != nil || alive() != nil {
				return
			}
			if err := fn(kind, data); err != nil {
				return
			}
		}
	})
	k.read.Go(func() {
		ticker := time.NewTicker(pingEvery)
		defer ticker.Stop()
		for {
			select {
			case <-k.ctx.Done():
				return
			case <-ticker.C:
				if k.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWithin)) != nil {
					k.stop()
					return
				}
			}
		}
	})
}

// send writes one message. A browser that does not take it in time loses the socket.
func (k *socket) send(kind int, data []byte) error {
	if err := k.conn.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	return k.conn.WriteMessage(kind, data)
}

// bye tells the browser why the socket closes.
func (k *socket) bye(code int, reason string) {
	_ = k.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(time.Second))
}

// close ends the socket and waits for its goroutines.
func (k *socket) close() {
	if k.site.ctx.Err() != nil {
		k.bye(closeRestart, "restart")
	}
	k.stop()
	_ = k.conn.Close()
	k.read.Wait()
}

// stale: the other side is away for a moment; the browser comes back and finds what it had.
func stale(err error) bool {
	code := sandbox.CodeOf(err)
	return code == sandbox.CodeUnavailable || errors.Is(err, context.Canceled)
}
