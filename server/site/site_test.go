package site

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"podlab/content"
	"podlab/labs"
	"podlab/sandbox"
	"podlab/sandbox/fake"
	"podlab/server/recordings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	lab33 = "3.3-shared-volumes"
	step1 = "slip"
)

// noPreview gives addresses that nobody serves.
type noPreview struct{}

func (noPreview) URL(*http.Request, string, string, string, int) string { return "http://preview/x/" }
func (noPreview) Origin(*http.Request) string                           { return "http://127.0.0.1:1" }

// house is the real site over scripted nodes.
type house struct {
	t      *testing.T
	nodes  *fake.Nodes
	site   *Site
	server *httptest.Server
}

func open(t *testing.T, limits Limits) *house {
	t.Helper()
	return openCourse(t, limits, content.FS)
}

func openCourse(t *testing.T, limits Limits, fsys fs.FS) *house {
	t.Helper()
	course, err := labs.Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	h := &house{t: t, nodes: fake.New()}
	sessions, err := labs.Open(t.Context(), labs.Config{
		Course: course, Nodes: h.nodes, Log: log,
		Store: labs.NewMemory(),
	})
	if err != nil {
		t.Fatal(err)
	}
	made, err := recordings.Open(context.WithoutCancel(t.Context()), recordings.Config{Dir: t.TempDir(), Keep: time.Hour, Sessions: sessions, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	h.site = New(Config{
		Course: course, Sessions: sessions, Recordings: made, Nodes: h.nodes, Preview: noPreview{}, Log: log, Metrics: prometheus.NewRegistry(), Limits: limits,
	})
	h.server = httptest.NewServer(h.site)
	t.Cleanup(func() {
		h.site.Close()
		h.server.Close()
		made.Close()
		if err := sessions.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// visitor is a browser.
type visitor struct {
	h      *house
	client *http.Client
}

// come opens the home page, which gives the cookie.
func (h *house) come() *visitor {
	h.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	v := &visitor{h, &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	if status, _, _ := v.get("/en/"); status != 200 {
		h.t.Fatalf("home page: %d", status)
	}
	return v
}

func (v *visitor) do(method, path, body string, header ...string) (int, string, http.Header) {
	v.h.t.Helper()
	r, err := http.NewRequestWithContext(v.h.t.Context(), method, v.h.server.URL+path, strings.NewReader(body))
	if err != nil {
		v.h.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := v.client.Do(r)
	if err != nil {
		v.h.t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		v.h.t.Fatal(err)
	}
	return answer.StatusCode, string(data), answer.Header
}

func (v *visitor) get(path string, header ...string) (int, string, http.Header) {
	return v.do(http.MethodGet, path, "", header...)
}

func (v *visitor) post(what, body string, header ...string) (int, string) {
	status, text, _ := v.do(http.MethodPost, "/api/l/"+lab33+"/"+step1+"/"+what, body, header...)
	return status, text
}

// dial opens a websocket with the visitor's cookies.
func (v *visitor) dial(path, origin string) (*websocket.Conn, int) {
	v.h.t.Helper()
	base, err := url.Parse(v.h.server.URL)
	if err != nil {
		v.h.t.Fatal(err)
	}
	dialer := websocket.Dialer{Jar: v.client.Jar, HandshakeTimeout: 5 * time.Second}
	conn, answer, err := dialer.DialContext(v.h.t.Context(), "ws://"+base.Host+path, http.Header{"Origin": {origin}})
	if answer != nil {
		answer.Body.Close()
	}
	if err != nil {
		if answer == nil {
			v.h.t.Fatal(err)
		}
		return nil, answer.StatusCode
	}
	v.h.t.Cleanup(func() { conn.Close() })
	return conn, answer.StatusCode
}

func (v *visitor) live() *frames {
	v.h.t.Helper()
	conn, status := v.dial("/ws/live?lab="+lab33+"&step="+step1, v.h.server.URL)
	if conn == nil {
		v.h.t.Fatalf("live: %d", status)
	}
	return &frames{t: v.h.t, conn: conn}
}

type frames struct {
	t    *testing.T
	conn *websocket.Conn
}

// until reads frames until one is as wanted.
func (f *frames) until(what string, is func(labs.Frame) bool) labs.Frame {
	f.t.Helper()
	_ = f.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		var frame labs.Frame
		if err := f.conn.ReadJSON(&frame); err != nil {
			f.t.Fatalf("%s: %v", what, err)
		}
		if is(frame) {
			return frame
		}
	}
}

func ready(f labs.Frame) bool { return f.Session.Phase == labs.PhaseReady }

func (v *visitor) terminal(id string) (*websocket.Conn, map[string]int) {
	v.h.t.Helper()
	conn, status := v.dial("/ws/terminal?lab="+lab33+"&id="+id+"&target=node&cols=80&rows=24", v.h.server.URL)
	if conn == nil {
		v.h.t.Fatalf("terminal: %d", status)
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	var hello map[string]int
	if err := conn.ReadJSON(&hello); err != nil {
		v.h.t.Fatal(err)
	}
	return conn, hello
}

// readUntil collects a terminal's output until it holds some text.
func readUntil(t *testing.T, conn *websocket.Conn, want string) string {
	t.Helper()
	var all bytes.Buffer
	for !strings.Contains(all.String(), want) {
		kind, data, err := conn.ReadMessage()
		if err != nil {
			t.Fatalf("%v after %q", err, all.String())
		}
		if kind == websocket.BinaryMessage {
			all.Write(data)
		}
	}
	return all.String()
}

// TestTheWholePath is a learner's: start, see frames, type, predict, apply with the slip and without, reset.
func TestTheWholePath(t *testing.T) {
	h := open(t, Limits{})
	v := h.come()
	if status, body, _ := v.get("/en/l/" + lab33 + "/" + step1); status != 200 || !strings.Contains(body, `data-step="slip"`) {
		t.Fatalf("lab page: %d", status)
	}
	if _, part, _ := v.get("/zh/l/"+lab33+"/"+step1, "HX-Request", "true"); !strings.HasPrefix(strings.TrimSpace(part), `<article id="lesson"`) || strings.Contains(part, "<html") {
		t.Errorf("htmx gets more than the lesson: %.80s", part)
	}
	f := v.live()
	f.until("nothing started", func(f labs.Frame) bool { return f.Session.Phase == labs.PhaseNone })
	if status, body := v.post("start", "{}"); status != 204 {
		t.Fatalf("start: %d %s", status, body)
	}
	first := f.until("ready with a snapshot", func(f labs.Frame) bool { return ready(f) && f.Snapshot != nil })

	term, hello := v.terminal("node")
	if hello["generation"] != first.Session.Generation || hello["replay"] == 0 {
		t.Errorf("hello %v, generation %d", hello, first.Session.Generation)
	}
	if err := term.WriteMessage(websocket.BinaryMessage, []byte("echo it is real\r")); err != nil {
		t.Fatal(err)
	}
	readUntil(t, term, "\nit is real")

	if status, body := v.post("predict", `{"id":"phase","option":"running"}`); status != 204 {
		t.Errorf("predict: %d %s", status, body)
	}
	if status, _ := v.post("predict", `{"id":"phase","option":"failed"}`); status != 403 {
		t.Errorf("predicting twice: %d", status)
	}
	f.until("the answer is locked", func(f labs.Frame) bool {
		return len(f.Session.Predictions) > 0 && f.Session.Predictions[0].Answer == "running"
	})

	_, slip, _ := v.get("/api/l/" + lab33 + "/" + step1 + "/file/two-containers.yaml")
	status, body := v.apply(slip)
	var refused struct{ Error sandbox.Error }
	if err := json.Unmarshal([]byte(body), &refused); err != nil || status != 422 || refused.Error.Code != sandbox.CodeVolumeNotFound || refused.Error.Params["line"] == "" || refused.Error.Params["known"] != "shard-data" {
		t.Fatalf("the slip: %d %s", status, body)
	}
	if status, body := v.apply(strings.ReplaceAll(slip, "shard-data", "shared-data")); status != 200 || !strings.Contains(body, `"two-containers"`) {
		t.Fatalf("apply: %d %s", status, body)
	}
	f.until("the pod is there", func(f labs.Frame) bool { return f.Snapshot != nil && len(f.Snapshot.Pods) == 1 })

	if status, body := v.post("reset", "{}"); status != 204 {
		t.Fatalf("reset: %d %s", status, body)
	}
	f.until("a new node", func(f labs.Frame) bool { return ready(f) && f.Session.Generation == first.Session.Generation+1 })
	for {
		if _, _, err := term.ReadMessage(); err != nil {
			if !websocket.IsCloseError(err, closeRestart) {
				t.Errorf("the old terminal ended by %v", err)
			}
			break
		}
	}
}

func (v *visitor) apply(text string) (int, string) {
	v.h.t.Helper()
	body, err := json.Marshal(map[string]string{"name": "two-containers.yaml", "text": text})
	if err != nil {
		v.h.t.Fatal(err)
	}
	return v.post("apply", string(body))
}

func TestHeaders(t *testing.T) {
	h := open(t, Limits{})
	v := h.come()
	for _, path := range []string{"/en/", "/zh/l/" + lab33 + "/" + step1, "/en/nothing", "/nothing"} {
		_, body, header := v.get(path)
		csp := header.Get("Content-Security-Policy")
		if strings.Contains(csp, "unsafe") || !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", path, csp)
		}
		_, nonce, _ := strings.Cut(csp, "'nonce-")
		nonce, _, _ = strings.Cut(nonce, "'")
		if len(nonce) < 20 || !strings.Contains(body, `nonce="`+nonce+`"`) {
			t.Errorf("%s: nonce %q is not the page's", path, nonce)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if header.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, header.Get(name))
			}
		}
	}
	_, _, a := v.get("/en/")
	_, _, b := v.get("/en/")
	if a.Get("Content-Security-Policy") == b.Get("Content-Security-Policy") {
		t.Error("two answers with one nonce")
	}
}

func TestLanguageAndCookie(t *testing.T) {
	h := open(t, Limits{})
	v := h.come()
	for asked, want := range map[string]string{"zh-CN,en;q=0.5": "/zh/", "zh-TW": "/zh/", "de": "/en/", "": "/en/", "en-GB": "/en/"} {
		status, _, header := v.get("/", "Accept-Language", asked)
		if status != 302 || header.Get("Location") != want {
			t.Errorf("%q leads to %q", asked, header.Get("Location"))
		}
	}
	stranger := &visitor{h, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	_, _, header := stranger.get("/en/")
	cookie := header.Get("Set-Cookie")
	for _, want := range []string{"podlab=", "HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("cookie %q lacks %s", cookie, want)
		}
	}
	if status, _ := stranger.post("start", "{}"); status != 403 {
		t.Errorf("start without a cookie: %d", status)
	}
}

// TestCookiesCannotBeGuessed: 128 bits, of which no two visitors share a run that chance would not give.
func TestCookiesCannotBeGuessed(t *testing.T) {
	h := open(t, Limits{})
	seen := map[string]bool{}
	for range 50 {
		stranger := &visitor{h, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
		_, _, header := stranger.get("/en/")
		value, _, _ := strings.Cut(strings.TrimPrefix(header.Get("Set-Cookie"), "podlab="), ";")
		secret, err := base64.RawURLEncoding.DecodeString(value)
		if err != nil || len(secret) < 16 {
			t.Fatalf("%q: %v", value, err)
		}
		for i := range len(secret) - 5 {
			part := string(secret[i : i+6])
			if seen[part] {
				t.Errorf("%x was in a cookie before", part)
			}
			seen[part] = true
		}
	}
}

func TestForgedRequestsAreRefused(t *testing.T) {
	h := open(t, Limits{})
	v := h.come()
	if status, _ := v.post("start", "{}", "Sec-Fetch-Site", "cross-site"); status != 403 {
		t.Errorf("another site's start: %d", status)
	}
	if status, _ := v.post("start", "{}", "Origin", "http://evil.example"); status != 403 {
		t.Errorf("another origin's start: %d", status)
	}
	for _, origin := range []string{"http://evil.example", "null", "", "ftp://x", strings.Replace(h.server.URL, "http", "https", 1) + "0"} {
		if conn, status := v.dial("/ws/live?lab="+lab33+"&step="+step1, origin); conn != nil || status != 403 {
			t.Errorf("live from origin %q: %d", origin, status)
		}
	}
	if status, _, _ := v.get("/en/", "Host", "evil.example"); status != 421 {
		t.Errorf("another name for this address: %d", status)
	}
}

func TestAnotherLearnersTerminalIsRefused(t *testing.T) {
	h := open(t, Limits{})
	ann := h.come()
	f := ann.live()
	ann.post("start", "{}")
	f.until("ready", ready)
	term, _ := ann.terminal("node")
	defer term.Close()

	bob := h.come()
	conn, _ := bob.dial("/ws/terminal?lab="+lab33+"&id=node&target=node&cols=80&rows=24", h.server.URL)
	if conn == nil {
		t.Fatal("no socket")
	}
	var said struct{ Error sandbox.Error }
	if err := conn.ReadJSON(&said); err != nil || said.Error.Code != sandbox.CodeNotFound {
		t.Errorf("bob is told %v, %v", said, err)
	}
	if status, _ := bob.post("preview", `{"pod":"two-containers","port":80}`); status != 404 {
		t.Errorf("bob's preview of ann's pod: %d", status)
	}
}

func TestBadRequests(t *testing.T) {
	h := open(t, Limits{})
	v := h.come()
	tests := []struct {
		what, body string
		status     int
	}{
		{"predict", `{`, 400},
		{"predict", `{"id":1}`, 400},
		{"predict", `{"id":"phase","option":"running","more":1}`, 400},
		{"predict", strings.Repeat(" ", maxBody+1) + `{}`, 413},
		{"apply", `{"name":"two-containers.yaml","text":"` + strings.Repeat("x", maxText) + `"}`, 413},
		{"preview", `{"pod":"x","port":0}`, 400},
	}
	for _, tt := range tests {
		if status, body := v.post(tt.what, tt.body); status != tt.status || !strings.Contains(body, `{"error":{"code":`) {
			t.Errorf("%s %.40s: %d %.100s, want %d", tt.what, tt.body, status, body, tt.status)
		}
	}
	for _, path := range []string{"/en/l/9.9", "/en/l/" + lab33 + "/nothing", "/xx/", "/en/l/" + lab33 + "/" + step1 + "/hint/applied/99"} {
		if status, body, _ := v.get(path); status != 404 || !strings.Contains(body, "<html") {
			t.Errorf("%s: %d", path, status)
		}
	}
	for _, query := range []string{"id=a&target=node&cols=0&rows=24", "id=a&target=&cols=80&rows=24", "id=A&target=node&cols=80&rows=24"} {
		if conn, status := v.dial("/ws/terminal?lab="+lab33+"&"+query, h.server.URL); conn != nil || status != 400 {
			t.Errorf("terminal %s: %d", query, status)
		}
	}
}

func TestHintsComeInOrder(t *testing.T) {
	h := open(t, Limits{})
	v := h.come()
	at := "/en/l/" + lab33 + "/" + step1 + "/hint/applied/"
	for _, tt := range []struct {
		tier   string
		htmx   string
		status int
	}{{"2", "true", 403}, {"1", "", 403}, {"1", "true", 200}, {"1", "", 200}, {"2", "true", 200}, {"3", "true", 200}} {
		if status, body, _ := v.get(at+tt.tier, "HX-Request", tt.htmx); status != tt.status {
			t.Errorf("tier %s (htmx %q): %d %.200s", tt.tier, tt.htmx, status, body)
		}
	}
	if status, _, _ := v.get("/en/l/"+lab33+"/"+step1+"/solution", "HX-Request", "true"); status != 200 {
		t.Errorf("solution: %d", status)
	}
}

func TestRates(t *testing.T) {
	h := open(t, Limits{Costly: 2, Sockets: 2, PerLearner: 50})
	v := h.come()
	for range 2 {
		v.post("start", "{}")
	}
	if status, body := v.post("start", "{}"); status != 429 || !strings.Contains(body, string(CodeTooMany)) {
		t.Errorf("third start: %d %s", status, body)
	}
	other := h.come()
	if status, _ := other.post("start", "{}"); status != 204 {
		t.Errorf("another learner's first start: %d", status)
	}
	v.live()
	v.live()
	if conn, status := v.dial("/ws/live?lab="+lab33+"&step="+step1, h.server.URL); conn != nil || status != 429 {
		t.Errorf("third socket: %d", status)
	}
	last := 0
	for range 60 {
		last, _, _ = v.get("/en/")
	}
	if last != 429 {
		t.Errorf("after 60 pages: %d", last)
	}
}

func TestHealth(t *testing.T) {
	h := open(t, Limits{})
	v := h.come()
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, body, _ := v.get(path); status != 200 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// TestCloseTellsBrowsers: a server that stops says so, and browsers come back at once.
func TestCloseTellsBrowsers(t *testing.T) {
	h := open(t, Limits{})
	v := h.come()
	f := v.live()
	v.post("start", "{}")
	f.until("ready", ready)
	term, _ := v.terminal("node")
	h.site.Close()
	for name, conn := range map[string]*websocket.Conn{"live": f.conn, "terminal": term} {
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		var err error
		for err == nil {
			_, _, err = conn.ReadMessage()
		}
		if !websocket.IsCloseError(err, closeRestart) {
			t.Errorf("%s ended by %v", name, err)
		}
	}
	if nodes, _ := h.nodes.List(t.Context()); len(nodes) != 1 {
		t.Errorf("%d nodes are left, want the learner's", len(nodes))
	}
	if conn, status := v.dial("/ws/live?lab="+lab33+"&step="+step1, h.server.URL); conn != nil || status != 503 {
		t.Errorf("a socket after Close: %d", status)
	}
}

// TestAnUnreadTerminalIsBounded: a browser that acknowledges nothing gets one window and no more.
func TestAnUnreadTerminalIsBounded(t *testing.T) {
	h := open(t, Limits{})
	v := h.come()
	f := v.live()
	v.post("start", "{}")
	f.until("ready", ready)
	term, hello := v.terminal("node")
	nodes, _ := h.nodes.List(t.Context())
	agent := h.nodes.Node(nodes[0].Spec.ID)
	line := strings.Repeat("x", 1<<10)
	for range 1024 {
		if !agent.Print("node", line) {
			t.Fatal("no terminal")
		}
	}
	got := 0
	for {
		patience := 300 * time.Millisecond // too much would come at once
		if got < maxUnacked {
			patience = 10 * time.Second
		}
		_ = term.SetReadDeadline(time.Now().Add(patience))
		_, data, err := term.ReadMessage()
		if err != nil {
			break // quiet: the server waits
		}
		got += len(data)
	}
	if got != maxUnacked {
		t.Errorf("%d bytes came without an acknowledgement (replay %d), want %d", got, hello["replay"], maxUnacked)
	}
}

func TestWindow(t *testing.T) {
	w := newWindow(10)
	if n, err := w.wait(t.Context(), 100); n != 10 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	w.sent(10)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := w.wait(ctx, 1); err == nil {
		t.Error("a full window has room")
	}
	if err := w.ack(11); err == nil {
		t.Error("more acknowledged than was sent")
	}
	if err := w.ack(3); err != nil {
		t.Error(err)
	}
	if n, _ := w.wait(t.Context(), 100); n != 3 {
		t.Errorf("room for %d, want 3", n)
	}
}

func TestHiddenPagesGetNothing(t *testing.T) {
	h := open(t, Limits{})
	v := h.come()
	f := v.live()
	f.until("the first frame", func(labs.Frame) bool { return true })
	came, ponged := make(chan labs.Frame, 100), make(chan struct{}, 1)
	f.conn.SetPongHandler(func(string) error { ponged <- struct{}{}; return nil })
	_ = f.conn.SetReadDeadline(time.Time{})
	go func() { // ends with the connection
		for {
			var frame labs.Frame
			if f.conn.ReadJSON(&frame) != nil {
				return
			}
			came <- frame
		}
	}()
	if err := f.conn.WriteJSON(map[string]bool{"hidden": true}); err != nil {
		t.Fatal(err)
	}
	if err := f.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(5*time.Second)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ponged: // messages are read in order: the page is hidden by now
	case <-time.After(10 * time.Second):
		t.Fatal("no pong")
	}
	v.post("start", "{}")
	select {
	case frame := <-came:
		t.Fatalf("a hidden page was sent %+v", frame)
	case <-time.After(300 * time.Millisecond):
	}
	if err := f.conn.WriteJSON(map[string]bool{"hidden": false}); err != nil {
		t.Fatal(err)
	}
	late := time.After(10 * time.Second)
	for {
		select {
		case frame := <-came:
			if frame.Snapshot != nil {
				return
			}
		case <-late:
			t.Fatal("a page that is seen again does not catch up")
		}
	}
}

func TestAddressesAreNotBelieved(t *testing.T) {
	tests := []struct {
		proxies []string
		peer    string
		said    string
		want    string
	}{
		{nil, "203.0.113.7:1", "198.51.100.1", "203.0.113.7"},
		{[]string{"10.0.0.0/8"}, "203.0.113.7:1", "198.51.100.1", "203.0.113.7"},
		{[]string{"10.0.0.0/8"}, "10.1.2.3:1", "198.51.100.1", "198.51.100.1"},
		{[]string{"10.0.0.0/8"}, "10.1.2.3:1", "192.0.2.9, 198.51.100.1", "198.51.100.1"},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = tt.peer
		r.Header.Set("X-Forwarded-For", tt.said)
		var got string
		Addresses(tt.proxies)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = address(r) })).ServeHTTP(httptest.NewRecorder(), r)
		if got != tt.want {
			t.Errorf("%s saying %q behind %v: %s, want %s", tt.peer, tt.said, tt.proxies, got, tt.want)
		}
	}
}

// TestSlowReadersCostLittle: pages that do not read do not make the server remember more, however much happens.
func TestSlowReadersCostLittle(t *testing.T) {
	h := open(t, Limits{})
	v := h.come()
	reads := v.live()
	v.post("start", "{}")
	reads.until("ready", ready)
	for range 8 {
		v.live() // and never reads
	}
	nodes, err := h.nodes.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	happen := func(n int) {
		for i := range n {
			h.nodes.Kernel(nodes[0].Spec.ID, sandbox.Moment{Kind: sandbox.MomentExec, PID: i, Path: strings.Repeat("x", 200)})
		}
		time.Sleep(300 * time.Millisecond) // for what is on its way
	}
	happen(20_000) // fills every ring and socket buffer
	before := heap()
	happen(100_000) // 20 MB of paths alone
	grown := heap() - before
	for deadline := time.Now().Add(5 * time.Second); grown > 8<<20 && time.Now().Before(deadline); grown = heap() - before {
		time.Sleep(100 * time.Millisecond) // what is being written takes memory for a moment
	}
	if grown > 8<<20 {
		t.Errorf("the heap has grown by %d KiB, and stays so", grown>>10)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
