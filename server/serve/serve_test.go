package serve

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"podlab/content"
	"podlab/labs"
	"podlab/sandbox/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start starts the server over scripted nodes; the function it returns stops it and gives its error.
func start(t *testing.T, change func(*Config)) (site, preview net.Addr, stop func() error) {
	t.Helper()
	listening := make(chan [2]net.Addr, 1)
	cfg := Config{
		Addr: "127.0.0.1:0", Data: t.TempDir(), Content: content.FS, Nodes: fake.New(), Store: labs.NewMemory(),
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Listening: func(a, b net.Addr) { listening <- [2]net.Addr{a, b} },
	}
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- Run(ctx, cfg) }()
	select {
	case addrs := <-listening:
		return addrs[0], addrs[1], func() error { cancel(); return <-over }
	case err := <-over:
		cancel()
		t.Fatal(err)
	}
	panic("unreachable")
}

func get(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func browser(t *testing.T) *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // a certificate of this test
}

func TestServesAndStops(t *testing.T) {
	site, preview, stop := start(t, func(c *Config) { c.AdminAddr = "127.0.0.1:0" })
	b := browser(t)
	for url, want := range map[string]int{
		"http://" + site.String() + "/":        200,
		"http://" + site.String() + "/readyz":  200,
		"http://" + site.String() + "/metrics": 404,
		"http://" + preview.String() + "/":     404,
	} {
		if status, _ := get(t, b, url); status != want {
			t.Errorf("%s: %d, want %d", url, status, want)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", site.String()); err == nil {
		conn.Close()
		t.Error("the address is still open")
	}
}

func TestTLSMarksCookies(t *testing.T) {
	cert, key := certificate(t)
	site, _, stop := start(t, func(c *Config) { c.CertFile, c.KeyFile = cert, key })
	b := browser(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+site.String()+"/en/", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if cookie := answer.Header.Get("Set-Cookie"); !strings.HasPrefix(cookie, "__Host-podlab=") || !strings.Contains(cookie, "Secure") {
		t.Errorf("cookie %q", cookie)
	}
	if answer.Header.Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func TestSaysWhatIsWrong(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for want, change := range map[string]func(*Config){
		"address already in use": func(c *Config) { c.Addr = taken.Addr().String() },
		"go together":            func(c *Config) { c.PreviewURL = "https://preview.example.org" },
		"an origin of their own": func(c *Config) { c.URL, c.PreviewURL = "https://a.example.org", "https://a.example.org" },
		"not an origin":          func(c *Config) { c.URL, c.PreviewURL = "https://a.example.org/x", "https://b.example.org" },
		"--proxy":                func(c *Config) { c.Proxies = []string{"10.0.0.1"} },
		"no such file":           func(c *Config) { c.CertFile, c.KeyFile = "/nowhere", "/nowhere" },
		"content":                func(c *Config) { c.Content = os.DirFS(t.TempDir()) },
	} {
		cfg := Config{Addr: "127.0.0.1:0", Data: t.TempDir(), Content: content.FS, Nodes: fake.New(), Store: labs.NewMemory(), Log: slog.New(slog.DiscardHandler)}
		change(&cfg)
		if err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want one about %q", err, want)
		}
	}
}

func TestURL(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080/", "0.0.0.0:80": "http://localhost:80/", "[::]:8080": "http://localhost:8080/", "[::1]:8080": "http://[::1]:8080/",
	} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := URL(tcp, false); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

func TestPreviewPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	next := fmt.Sprintf("127.0.0.1:%d", l.Addr().(*net.TCPAddr).Port+1)
	for _, tt := range []struct{ addr, preview, want string }{
		{l.Addr().String(), "", next}, {"127.0.0.1:0", "", "127.0.0.1:0"}, {l.Addr().String(), "127.0.0.1:7", "127.0.0.1:7"},
	} {
		if got := previewAddr(Config{Addr: tt.addr, PreviewAddr: tt.preview}, l); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.addr, got, tt.want)
		}
	}
}

// TestOtherNamesAreNotServed: a name that somebody pointed at this machine gets neither a page nor a preview that may be framed there.
func TestOtherNamesAreNotServed(t *testing.T) {
	site, preview, stop := start(t, nil)
	for _, address := range []string{site.String(), preview.String()} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/x/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "evil.example"
		answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s: %d", address, answer.StatusCode)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
