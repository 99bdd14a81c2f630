package site

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// healthz: the process answers.
func (s *Site) healthz(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") }

// readyz: nodes can be made.
func (s *Site) readyz(w http.ResponseWriter, r *http.Request) {
	if s.sockets.closing() {
		plain(w, http.StatusServiceUnavailable, "stopping")
		return
	}
	if err := s.answers.ask(r.Context(), func(ctx context.Context) error { _, err := s.Nodes.Info(ctx); return err }); err != nil {
		plain(w, http.StatusServiceUnavailable, "the root daemon does not answer")
		return
	}
	plain(w, http.StatusOK, "ready")
}

// answers keeps the daemon's last answer for a moment: everybody may ask /readyz, and as often as they like.
type answers struct {
	mu   sync.Mutex
	at   time.Time
	last error
}

const (
	answerFor    = 250 * time.Millisecond
	answerWithin = time.Second
)

func (a *answers) ask(ctx context.Context, daemon func(context.Context) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.at) < answerFor {
		return a.last
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin)
	defer cancel()
	a.last, a.at = daemon(ctx), time.Now()
	return a.last
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}
