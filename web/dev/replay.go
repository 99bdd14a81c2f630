package main

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"podlab/labs"
	"podlab/sandbox"
	"podlab/web"
	"podlab/web/golden"
)

// scene is which golden frames a page shows, and how: the name of its lab, as "change.3.200", so that pages beside each other do not
// share one; a view that was asked for stands after it. at is the last frame to send (-1: all, over and over), pace the time between two.
type scene struct {
	name string
	at   int
	pace time.Duration
}

const usual = 1200 * time.Millisecond // slow enough to read what changes

// sceneOf takes a scene from a page's address: ?frames=NAME&at=N&pace=MS, or the lab's name that one gave.
func sceneOf(q url.Values, lab string) scene {
	s := scene{at: -1, pace: usual}
	parts := append(strings.Split(lab, "."), "", "")
	if name := q.Get("frames"); name != "" {
		parts = []string{name, q.Get("at"), q.Get("pace")}
	}
	s.name = parts[0]
	if n, err := strconv.Atoi(parts[1]); err == nil && n >= 0 {
		s.at = n
	}
	if n, err := strconv.Atoi(parts[2]); err == nil && n > 0 {
		s.pace = time.Duration(n) * time.Millisecond
	}
	return s
}

func (s scene) String() string {
	if s.at < 0 && s.pace == usual {
		return s.name
	}
	return s.name + "." + strconv.Itoa(s.at) + "." + strconv.FormatInt(s.pace.Milliseconds(), 10)
}

// frame is the i-th frame that a scene sends; false when it has shown all that it should.
func (s scene) frame(frames []labs.Frame, i int) (labs.Frame, bool) {
	if s.name == "busy" {
		return golden.Busy(i), s.at < 0 || i <= s.at
	}
	if len(frames) == 0 || (i > 0 && len(frames) == 1) || (s.at >= 0 && i > min(s.at, len(frames)-1)) {
		return labs.Frame{}, false
	}
	return later(frames[i%len(frames)], i/len(frames), len(frames)), true
}

// later is a frame of a further round: all of it so much later, its moments with numbers of their own, or the page would not take them.
func later(f labs.Frame, round, length int) labs.Frame {
	if round == 0 {
		return f
	}
	by := int64(round * (length + 2)) // s
	f.Now += by * 1000
	if f.Snapshot != nil {
		s := *f.Snapshot
		s.Time += by * 1_000_000
		s.Seq += uint64(round * length)
		f.Snapshot = &s
	}
	moved := make([]sandbox.Moment, len(f.Moments))
	for i, m := range f.Moments {
		m.Seq += uint64(round) * 10_000
		m.Time += by * 1_000_000
		moved[i] = m
	}
	f.Moments = moved
	return f
}

var upgrader = websocket.Upgrader{}

// live sends the frames of the page's scene; the step is the one that was asked for.
func live(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	lab := r.URL.Query().Get("lab")
	s := sceneOf(nil, lab)
	frames := golden.All()[s.name]
	for i := 0; ; i++ {
		f, more := s.frame(frames, i)
		if !more {
			idle(conn)
			return
		}
		f.Session.Lab, f.Session.Step = lab, r.URL.Query().Get("step")
		if conn.WriteJSON(f) != nil {
			return
		}
		time.Sleep(s.pace)
	}
}

// idle keeps a connection on which nothing more happens, until the page leaves.
func idle(conn *websocket.Conn) {
	for conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)) == nil {
		time.Sleep(time.Second)
	}
}

// themed is the theme that a page asks for: ?theme=, else the cookie.
func themed(r *http.Request) string {
	if q := r.URL.Query().Get("theme"); q != "" {
		return q
	}
	if c, err := r.Cookie("theme"); err == nil {
		return c.Value
	}
	return ""
}

// policy is the site's own; a page that the gallery shows in a frame may be in one.
func policy(r *http.Request, nonce string) string {
	csp := web.CSP(nonce, r.Host, "http://"+r.Host)
	if r.URL.Query().Has("framed") {
		return strings.Replace(csp, "frame-ancestors 'none'", "frame-ancestors 'self'", 1)
	}
	return csp
}
