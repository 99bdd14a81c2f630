package main

import (
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHTTPS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/"+r.Host+r.Header.Get("X-Lab"))
		w.WriteHeader(http.StatusFound)
	}))
	defer server.Close()
	got, err := askHTTPS(server.URL, []string{"Host:there", "X-Lab:7"})
	if err != nil || got.Status != http.StatusFound || got.Location != "/there7" {
		t.Errorf("%+v %v", got, err)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	if _, err := askHTTPS(strings.Replace(plain.URL, "http:", "https:", 1), nil); err == nil || !strings.Contains(err.Error(), "TLS handshake") {
		t.Error(err)
	}
}

func TestHealth(t *testing.T) {
	answers := map[string]func(w http.ResponseWriter){
		"":      func(w http.ResponseWriter) { reply(w, 1, "0") },
		"down":  func(w http.ResponseWriter) { reply(w, 2, "0") },
		"odd":   func(w http.ResponseWriter) { reply(w, 77, "0") },
		"none":  func(w http.ResponseWriter) { reply(w, -1, "12") },
		"fails": func(w http.ResponseWriter) { reply(w, -1, "5") },
		"html":  func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) },
		"short": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/grpc")
			_, _ = w.Write([]byte{0, 0, 0, 0, 9, 8})
		},
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != healthPath || r.ProtoMajor != 2 || len(asked) < 5 || int(binary.BigEndian.Uint32(asked[1:])) != len(asked)-5 {
			t.Errorf("%v %s %s %v", err, r.URL.Path, r.Proto, asked)
			return
		}
		service := ""
		if len(asked) > 7 {
			service = string(asked[7:])
		}
		answers[service](w)
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	for service, want := range map[string]string{
		"": "", "down": `service unhealthy (responded with "NOT_SERVING")`, "odd": `service unhealthy (responded with "77")`,
		"none": "this server does not implement the grpc health protocol", "fails": "code = 5", "html": "HTTP status 404", "short": errReply.Error(),
	} {
		err := askHealth(address, service)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", service, err, want)
		}
	}
	server.Close()
	if err := askHealth(address, ""); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Error(err)
	}
}

// reply answers with a state, or with none below 0, and a status in the trailer.
func reply(w http.ResponseWriter, state int, status string) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
	if state >= 0 {
		_, _ = w.Write([]byte{0, 0, 0, 0, 2, 8, byte(state)})
	}
	w.Header().Set("Grpc-Status", status)
}
