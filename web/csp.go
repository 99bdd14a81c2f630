package web

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
)

// Nonce makes a fresh one for a response: 128 bits.
func Nonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand since Go 1.24)
	return base64.RawStdEncoding.EncodeToString(b[:])
}

// CSP is the Content-Security-Policy of every page of this package. host is the request's Host, for the websockets (Chromium
// before 2023 did not count them as 'self'); preview is the source expression of port previews' origins, empty for none.
func CSP(nonce, host, preview string) string {
	frames := "'none'"
	if preview != "" {
		frames = preview
	}
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self' 'nonce-" + nonce + "'",
		"style-src 'self' 'nonce-" + nonce + "'",
		"img-src 'self' data:",
		"font-src 'self'",
		"connect-src 'self' ws://" + host + " wss://" + host,
		"frame-src " + frames,
		"form-action 'self'",
		"base-uri 'none'",
		"frame-ancestors 'none'",
	}, "; ")
}
