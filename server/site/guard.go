package site

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/go-chi/chi/v5/middleware"

	"podlab/sandbox"
	"podlab/web"
)

type contextKey int

const (
	nonceKey contextKey = iota
	learnerKey
)

// Hosts are the names under which browsers may ask for the site, besides IP addresses and localhost. A name that is not here may
// be an attacker's that was pointed at this machine (DNS rebinding). "*" allows every name.
type Hosts []string

var hostName = regexp.MustCompile(`^[A-Za-z0-9._-]+$|^[0-9A-Fa-f:.]+$`)

// Allows tells whether a Host header is one of ours.
func (h Hosts) Allows(header string) bool {
	name := header
	if host, _, err := net.SplitHostPort(header); err == nil {
		name = host
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	if !hostName.MatchString(name) {
		return false
	}
	if _, err := netip.ParseAddr(name); err == nil || name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	if own, err := os.Hostname(); err == nil && name == strings.ToLower(own) {
		return true
	}
	for _, allowed := range h {
		if allowed == "*" || strings.EqualFold(allowed, name) {
			return true
		}
	}
	return false
}

func (s *Site) allowHost(next http.Handler) http.Handler { return s.Hosts.Only(next) }

// Only serves these names.
func (h Hosts) Only(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.Allows(r.Host) {
			http.Error(w, "This name is not served here. Start the server with --host NAME.", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// protect sets the headers that keep a page to itself, and makes the nonce of this response.
func (s *Site) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nonce := web.Nonce()
		h := w.Header()
		h.Set("Content-Security-Policy", web.CSP(nonce, r.Host, s.Preview.Origin(r)))
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
		if s.Secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), nonceKey, nonce)))
	})
}

func nonceOf(r *http.Request) string {
	nonce, _ := r.Context().Value(nonceKey).(string)
	return nonce
}

// sameOrigin refuses what another site's page made a browser send.
func (s *Site) sameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(s.handle(func(http.ResponseWriter, *http.Request) error {
		return sandbox.Errorf(sandbox.CodeDenied)
	}))
	return protection.Handler(next)
}

// recover answers a panic with the generic error; the log has the stack.
func (s *Site) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler { //nolint:errorlint // compared as net/http does
				panic(v)
			}
			s.Log.Error("panic", "path", pathOf(r), "value", v, "stack", string(debug.Stack()))
			// Not the error page: it may be what panicked.
			w.Header().Set("Cache-Control", "no-store")
			http.Error(w, "Something went wrong here. Please try again.", http.StatusInternalServerError)
		}()
		next.ServeHTTP(w, r)
	})
}

// Addresses finds out who asks: the peer, or behind the given proxies (CIDRs) the one that they name in X-Forwarded-For.
func Addresses(proxies []string) func(http.Handler) http.Handler {
	if len(proxies) == 0 {
		return middleware.ClientIPFromRemoteAddr
	}
	return middleware.ClientIPFromXFF(proxies...)
}

// address is what Addresses found.
func address(r *http.Request) string { return middleware.GetClientIP(r.Context()) }
