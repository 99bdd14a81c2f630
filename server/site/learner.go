package site

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"podlab/sandbox"
)

// A learner is a browser: whoever holds the cookie's 128 random bits. The id that the rest of Podlab knows, stores and logs is a
// hash of them, so that neither store nor log gives anybody's cookie away.

const (
	cookieBytes = 16
	cookieLife  = 400 * 24 * time.Hour // the most that browsers keep
)

// cookieName: with TLS the __Host- prefix binds the cookie to this very host.
func (s *Site) cookieName() string {
	if s.Secure {
		return "__Host-podlab"
	}
	return "podlab"
}

type learner struct {
	id    string
	known bool // came with a cookie
}

// knowLearner reads the cookie. Who comes to a page without one gets one; requests of scripts and sockets must bring theirs.
func (s *Site) knowLearner(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secret, known := s.secret(r)
		if !known {
			if forPrograms(r) {
				s.fail(w, r, sandbox.Errorf(sandbox.CodeDenied))
				return
			}
			secret = make([]byte, cookieBytes)
			_, _ = rand.Read(secret) // never fails (crypto/rand since Go 1.24)
			s.giveCookie(w, secret)
		}
		who := learner{id: learnerID(secret), known: known}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), learnerKey, who)))
	})
}

func (s *Site) secret(r *http.Request) ([]byte, bool) {
	cookie, err := r.Cookie(s.cookieName())
	if err != nil {
		return nil, false
	}
	secret, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	return secret, err == nil && len(secret) == cookieBytes
}

func (s *Site) giveCookie(w http.ResponseWriter, secret []byte) {
	http.SetCookie(w, &http.Cookie{
		Name: s.cookieName(), Value: base64.RawURLEncoding.EncodeToString(secret), Path: "/",
		MaxAge: int(cookieLife.Seconds()), HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteLaxMode,
	})
}

func learnerID(secret []byte) string {
	sum := sha256.Sum256(append([]byte("podlab learner "), secret...))
	return hex.EncodeToString(sum[:16])
}

// learnerOf returns the id of who asks, and whether they came with a cookie.
func learnerOf(r *http.Request) (id string, known bool) {
	who, _ := r.Context().Value(learnerKey).(learner)
	return who.id, who.known
}

func who(r *http.Request) string {
	id, _ := learnerOf(r)
	if id == "" {
		panic("site: a handler that needs a learner is outside of knowLearner")
	}
	return id
}

// theme is the reader's choice, a plain cookie that the page's script writes.
func theme(r *http.Request) string {
	cookie, err := r.Cookie("theme")
	if err != nil || (cookie.Value != "light" && cookie.Value != "dark") {
		return ""
	}
	return cookie.Value
}

// behindLanguage cuts the language off a path: "/en/l/x" gives "en" and "/l/x".
func behindLanguage(path string) (lang, rest string, ok bool) {
	lang, rest, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return lang, "/" + rest, lang == "en" || lang == "zh"
}
