package preview

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"

	"podlab/sandbox"
)

// Limits of one request to a pod.
const (
	maxBody      = 8 << 20
	maxAnswer    = 64 << 20
	maxHeaders   = 64 << 10
	answerWithin = 20 * time.Second
)

// policy: scripts of the page run without an origin, and reach nothing but the preview itself.
const policy = "sandbox allow-scripts allow-forms allow-modals; default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; " +
	"form-action 'self'; base-uri 'self'; object-src 'none'; frame-ancestors "

// ServeHTTP serves /TOKEN/PATH. A path without a token that a preview's page asked for (an absolute link) is led back below its token.
func (p *Preview) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.wall(w.Header(), r)
	token, path, found := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	t, ok := p.open(token)
	switch {
	case !ok:
		p.astray(w, r)
		return
	case !found:
		http.Redirect(w, r, "/"+token+"/", http.StatusFound)
		return
	}
	leave, ok := p.enter(t.Learner)
	if !ok {
		http.Error(w, "Too many requests at once. Try again.", http.StatusTooManyRequests)
		return
	}
	defer leave()
	p.proxy(w, r, t, token, "/"+path)
}

// wall sets the headers of every answer, whatever the pod says.
func (p *Preview) wall(h http.Header, r *http.Request) {
	h.Set("Content-Security-Policy", policy+p.framer(r))
	h.Set("X-Content-Type-Options", "nosniff")
	// The path of a preview's page tells which preview an absolute link belongs to; it never leaves this origin.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
	h.Set("X-Robots-Tag", "noindex")
}

// framer is the site's origin as the browser knows it.
func (p *Preview) framer(r *http.Request) string {
	if p.SiteURL != "" {
		return p.SiteURL
	}
	return p.scheme() + "://" + net.JoinHostPort(hostname(r.Host), p.SitePort)
}

func (p *Preview) astray(w http.ResponseWriter, r *http.Request) {
	if from, err := url.Parse(r.Referer()); err == nil && from.Host == r.Host {
		token, _, _ := strings.Cut(strings.TrimPrefix(from.Path, "/"), "/")
		if _, ok := p.open(token); ok {
			http.Redirect(w, r, "/"+token+r.URL.RequestURI(), http.StatusTemporaryRedirect)
			return
		}
	}
	http.Error(w, "This preview is not there.", http.StatusNotFound)
}

func (p *Preview) proxy(w http.ResponseWriter, r *http.Request, t target, token, path string) {
	access, err := p.Nodes.Agent(t.Learner, t.Lab)
	if err != nil {
		p.fail(w, err)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(closed(ctx, access.Gone), cancel)()
	transport := &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			conn, err := access.Dial(ctx, t.Pod, t.Port)
			if err != nil {
				return nil, err
			}
			return netConn(conn), nil
		},
		DisableKeepAlives: true, DisableCompression: true,
		ResponseHeaderTimeout: answerWithin, MaxResponseHeaderBytes: maxHeaders,
	}
	defer transport.CloseIdleConnections()
	// The wall goes onto the answer itself: an early 1xx answer of the pod would clear what is set on w.
	wall := w.Header().Clone()
	wall.Set("X-Podlab-Pod", t.Pod)
	wall.Set("X-Podlab-Port", strconv.Itoa(t.Port))
	clear(w.Header())
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	proxy := &httputil.ReverseProxy{
		Transport: transport, FlushInterval: 100 * time.Millisecond,
		ErrorLog:       slog.NewLogLogger(p.Log.Handler(), slog.LevelDebug),
		Rewrite:        func(out *httputil.ProxyRequest) { rewrite(out, t, path) },
		ModifyResponse: func(answer *http.Response) error { return strip(answer, wall, token) },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			maps.Copy(w.Header(), wall)
			p.fail(w, err)
		},
	}
	proxy.ServeHTTP(final{w}, r.WithContext(ctx))
}

// rewrite makes the request that the pod gets: nothing of the browser's that could tell who it is.
func rewrite(out *httputil.ProxyRequest, t target, path string) {
	o := out.Out
	o.URL.Scheme, o.URL.Host = "http", net.JoinHostPort("localhost", strconv.Itoa(t.Port))
	if plain, err := url.PathUnescape(path); err == nil {
		o.URL.Path, o.URL.RawPath = plain, path
	}
	o.Host = o.URL.Host
	for _, header := range []string{"Cookie", "Authorization", "Referer", "Origin"} {
		o.Header.Del(header)
	}
}

// strip takes out of the answer what would reach beyond the preview, and bounds it.
func strip(answer *http.Response, wall http.Header, token string) error {
	for _, header := range []string{
		"Set-Cookie", "Content-Security-Policy-Report-Only", "Clear-Site-Data", "Strict-Transport-Security", "Refresh", "Report-To",
		"Reporting-Endpoints", "Nel", "Alt-Svc", "Service-Worker-Allowed", "Link", "Access-Control-Allow-Credentials", "X-Frame-Options",
	} {
		answer.Header.Del(header)
	}
	maps.Copy(answer.Header, wall)
	if location := answer.Header.Get("Location"); location != "" {
		answer.Header.Set("Location", below(location, answer.Request.URL, token))
	}
	// An upgraded connection must stay writable: it is bounded by the sockets' own back-pressure.
	if answer.StatusCode != http.StatusSwitchingProtocols {
		answer.Body = &bounded{ReadCloser: answer.Body, left: maxAnswer}
	}
	return nil
}

// below puts a redirect of the pod to itself below the token. A redirect elsewhere leads nowhere: labs are offline.
func below(location string, asked *url.URL, token string) string {
	to, err := asked.Parse(location)
	if err != nil || to.Hostname() != "localhost" && to.Hostname() != "" {
		return "/" + token + "/"
	}
	return "/" + token + to.RequestURI()
}

func (p *Preview) fail(w http.ResponseWriter, err error) {
	status := http.StatusBadGateway
	switch sandbox.CodeOf(err) {
	case sandbox.CodeNotFound, sandbox.CodeNodeGone:
		status = http.StatusNotFound
	}
	p.Log.Debug("preview", "error", err)
	http.Error(w, "Nothing answers at this port of the pod. Is its program running, and listening?", status)
}

// final drops the answers that come before the answer (1xx): a pod has nothing to say there that a browser should hear.
type final struct{ http.ResponseWriter }

func (f final) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		f.ResponseWriter.WriteHeader(status)
	}
}

// Unwrap lets net/http find what the writer below can do.
func (f final) Unwrap() http.ResponseWriter { return f.ResponseWriter }

var errTooLong = errors.New("preview: the answer is too long")

// bounded is a body that ends with an error at its limit.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
