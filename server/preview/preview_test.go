package preview

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"podlab/labs"
	"podlab/sandbox"
	"podlab/sandbox/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// owner has one node, in lab 3.3.
type owner struct{ access labs.Access }

func (o owner) Agent(learner, lab string) (labs.Access, error) {
	if learner != "ann" || lab != "3.3" {
		return labs.Access{}, sandbox.Errorf(sandbox.CodeNotFound, "kind", "node", "name", "")
	}
	return o.access, nil
}

type stage struct {
	t       *testing.T
	server  *httptest.Server
	preview *Preview
	asked   *http.Request // what the pod was asked last
}

// setUp serves pod through a preview on a port of its own.
func setUp(t *testing.T, pod http.HandlerFunc) *stage {
	s := &stage{t: t}
	nodes := fake.New()
	node, err := nodes.Create(context.Background(), sandbox.NodeSpec{ID: "n"})
	if err != nil {
		t.Fatal(err)
	}
	agent := nodes.Node(node.Spec.ID)
	agent.Web["two:80"] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked = r
		pod(w, r)
	})
	s.preview, err = New(Config{
		Nodes: owner{labs.Access{Agent: agent, Gone: make(chan struct{})}}, Key: make([]byte, 32), Log: slog.New(slog.DiscardHandler),
		Port: "8081", SitePort: "8080",
	})
	if err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewServer(s.preview)
	t.Cleanup(s.server.Close)
	return s
}

// path is the address of a port behind the origin.
func (s *stage) path(learner, lab, pod string, port int) string {
	return "/" + s.preview.token(target{learner, lab, pod, port}) + "/"
}

func (s *stage) get(path string, header ...string) (*http.Response, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.server.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer, string(body)
}

func TestPreviewPassesAndStrips(t *testing.T) {
	s := setUp(t, func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Set-Cookie", "podlab=stolen")
		h.Set("Content-Security-Policy", "default-src *")
		h.Set("X-Podlab-Pod", "other")
		h.Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusEarlyHints) // must not clear the wall
		_, _ = io.WriteString(w, "<h1>hello from the debian container</h1>")
	})
	answer, body := s.get(s.path("ann", "3.3", "two", 80)+"a%20b?q=1", "Cookie", "podlab=secret", "Authorization", "x")
	if answer.StatusCode != 200 || !strings.Contains(body, "hello from") {
		t.Fatalf("%d %s", answer.StatusCode, body)
	}
	csp := answer.Header.Values("Content-Security-Policy")
	if len(csp) != 1 || !strings.HasPrefix(csp[0], "sandbox allow-scripts") || strings.Contains(csp[0], "allow-same-origin") || !strings.HasSuffix(csp[0], "frame-ancestors http://127.0.0.1:8080") {
		t.Errorf("policy %q", csp)
	}
	if answer.Header.Get("Set-Cookie") != "" || answer.Header.Get("X-Podlab-Pod") != "two" || answer.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", answer.Header)
	}
	if s.asked.Header.Get("Cookie") != "" || s.asked.Header.Get("Authorization") != "" || s.asked.URL.Path != "/a b" || s.asked.URL.RawQuery != "q=1" {
		t.Errorf("the pod was asked %v %v", s.asked.URL, s.asked.Header)
	}
}

func TestPreviewRefuses(t *testing.T) {
	s := setUp(t, func(http.ResponseWriter, *http.Request) {})
	good := s.path("ann", "3.3", "two", 80)
	tests := map[string]struct {
		path   string
		status int
	}{
		"no token":        {"/", 404},
		"made up":         {"/AAAA/", 404},
		"changed":         {good[:10] + string("BA"[min(1, int(good[10]-'A'))]) + good[11:], 404},
		"another learner": {s.path("bob", "3.3", "two", 80), 404},
		"nothing listens": {s.path("ann", "3.3", "two", 81), 502},
	}
	for name, tt := range tests {
		answer, _ := s.get(tt.path)
		if answer.StatusCode != tt.status && !(name == "changed" && answer.StatusCode == 200 && good[10] == 'A') {
			t.Errorf("%s: %d, want %d", name, answer.StatusCode, tt.status)
		}
		if !strings.HasPrefix(answer.Header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: no wall", name)
		}
	}
}

func TestPreviewKeepsLinksBelowTheToken(t *testing.T) {
	s := setUp(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/login?x=1", http.StatusFound)
	})
	base := s.path("ann", "3.3", "two", 80)
	answer, _ := s.get(base)
	if got := answer.Header.Get("Location"); got != base+"login?x=1" {
		t.Errorf("redirect to %q", got)
	}
	answer, _ = s.get("/style.css?v=1", "Referer", s.server.URL+base+"index.html")
	if got := answer.Header.Get("Location"); answer.StatusCode != 307 || got != base+"style.css?v=1" {
		t.Errorf("absolute link: %d %q", answer.StatusCode, got)
	}
	answer, _ = s.get("/style.css", "Referer", "http://elsewhere"+base)
	if answer.StatusCode != 404 {
		t.Errorf("a link from elsewhere: %d", answer.StatusCode)
	}
}

func TestPreviewPassesWebsockets(t *testing.T) {
	s := setUp(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		_, data, err := conn.ReadMessage()
		if err == nil {
			_ = conn.WriteMessage(websocket.TextMessage, append([]byte("echo "), data...))
		}
	})
	url := "ws" + strings.TrimPrefix(s.server.URL, "http") + s.path("ann", "3.3", "two", 80)
	conn, answer, err := websocket.DefaultDialer.DialContext(t.Context(), url, http.Header{"Cookie": {"podlab=secret"}})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	defer conn.Close()
	if err := conn.WriteMessage(websocket.TextMessage, []byte("hi")); err != nil {
		t.Fatal(err)
	}
	_, data, err := conn.ReadMessage()
	if err != nil || string(data) != "echo hi" {
		t.Errorf("%q %v", data, err)
	}
	if s.asked.Header.Get("Cookie") != "" {
		t.Error("the pod got the cookie")
	}
}

func TestOneLearnerCannotTakeAllPlaces(t *testing.T) {
	s := setUp(t, func(http.ResponseWriter, *http.Request) {})
	var leaves []func()
	for range maxAtOnce {
		leave, ok := s.preview.enter("ann")
		if !ok {
			t.Fatal("refused too early")
		}
		leaves = append(leaves, leave)
	}
	if answer, _ := s.get(s.path("ann", "3.3", "two", 80)); answer.StatusCode != 429 {
		t.Errorf("one too many: %d", answer.StatusCode)
	}
	if leave, ok := s.preview.enter("bob"); !ok {
		t.Error("another learner is refused")
	} else {
		leave()
	}
	for _, leave := range leaves {
		leave()
	}
	if answer, _ := s.get(s.path("ann", "3.3", "two", 80)); answer.StatusCode != 200 {
		t.Errorf("after all left: %d", answer.StatusCode)
	}
}

func TestKeyIsKept(t *testing.T) {
	dir := t.TempDir()
	a, err := Key(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Key(dir)
	if err != nil || string(a) != string(b) || len(a) != 32 {
		t.Errorf("%x %x %v", a, b, err)
	}
}
