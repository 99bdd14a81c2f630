package site

import (
	"net/http"
	"time"

	"github.com/go-chi/httprate"
)

// Limits of what one visitor may ask. The zero value of each field means its default.
type Limits struct {
	PerAddress int // requests a minute from one address; a whole class may sit behind one. Default 3000
	PerLearner int // requests a minute of one learner. Default 600
	Costly     int // starts and resets a minute of one learner. Default 20
	Sockets    int // websockets of one learner at a time. Default 32
	AllSockets int // of all learners together, three quarters of them from one address. Default 8000: each takes two descriptors
}

func (l Limits) perAddress() int { return either(l.PerAddress, 3000) }
func (l Limits) perLearner() int { return either(l.PerLearner, 600) }
func (l Limits) costly() int     { return either(l.Costly, 20) }
func (l Limits) sockets() int    { return either(l.Sockets, 32) }

func (l Limits) allSockets() int { return either(l.AllSockets, 8000) }

func (l Limits) addressSockets() int { return max(1, l.allSockets()*3/4) }

func either(n, fallback int) int {
	if n > 0 {
		return n
	}
	return fallback
}

// Times and sizes of the public address and of its websockets.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeader         = 32 << 10

	maxBody     = 4 << 10   // of a button's request
	maxText     = 600 << 10 // of a manifest in JSON: MaxManifest with its quotes escaped
	maxMessage  = 64 << 10  // one websocket message from a browser
	messageRate = 1000      // a second that are read of one websocket; each acknowledges tens of KiB of output
	pingEvery   = 20 * time.Second
	beat        = 15 * time.Second // of a live socket that has nothing to show; web/src/live.ts waits for more than two
	pongWithin  = 50 * time.Second
	writeWithin = 15 * time.Second
)

// Server makes the http.Server of the public address with all limits set.
func Server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
	}
}

func (s *Site) perAddress() func(http.Handler) http.Handler {
	return s.limit(s.Limits.perAddress(), byAddress)
}

// PerAddress bounds the requests of one address to a handler that is not the site's.
func PerAddress(l Limits, proxies []string, next http.Handler) http.Handler {
	return Addresses(proxies)(httprate.LimitBy(l.perAddress(), time.Minute, byAddress)(next))
}

func (s *Site) perLearner() func(http.Handler) http.Handler {
	return s.limit(s.Limits.perLearner(), byLearner)
}

func (s *Site) costly() func(http.Handler) http.Handler {
	return s.limit(s.Limits.costly(), byLearner)
}

func (s *Site) limit(perMinute int, key httprate.KeyFunc) func(http.Handler) http.Handler {
	return httprate.LimitBy(perMinute, time.Minute, key,
		httprate.WithResponseHeaders(httprate.ResponseHeaders{RetryAfter: "Retry-After"}),
		httprate.WithLimitHandler(s.handle(func(http.ResponseWriter, *http.Request) error { return errTooMany })))
}

func byAddress(r *http.Request) (string, error) { return httprate.CanonicalizeIP(address(r)), nil }

// byLearner falls back to the address: who comes without a cookie gets a new one each time.
func byLearner(r *http.Request) (string, error) {
	if id, known := learnerOf(r); known {
		return id, nil
	}
	return byAddress(r)
}
