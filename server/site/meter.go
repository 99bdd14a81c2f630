package site

import (
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
)

// meter counts what the operator watches.
type meter struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	sockets  *prometheus.GaugeVec
	frames   prometheus.Counter
	output   prometheus.Counter
}

func newMeter(registry prometheus.Registerer) *meter {
	m := &meter{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "podlab_http_requests_total", Help: "Requests by route and status.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "podlab_http_request_seconds", Help: "Time to answer by route; websockets count their upgrade only when refused.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"route"}),
		sockets: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "podlab_websockets", Help: "Open websockets by kind."}, []string{"kind"}),
		frames:  prometheus.NewCounter(prometheus.CounterOpts{Name: "podlab_frames_sent_total", Help: "Frames sent to browsers."}),
		output:  prometheus.NewCounter(prometheus.CounterOpts{Name: "podlab_terminal_output_bytes_total", Help: "Terminal output sent to browsers."}),
	}
	registry.MustRegister(m.requests, m.seconds, m.sockets, m.frames, m.output)
	return m
}

// count logs and counts each request. Of the address only the path is logged, and of a recording's only the route: queries, and a
// recording's id, may carry what is nobody's business.
func (s *Site) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		defer func() {
			route := chi.RouteContext(r.Context()).RoutePattern()
			status := ww.Status()
			if status == 0 {
				status = http.StatusOK
			}
			took := time.Since(began)
			s.meter.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
			if !forPrograms(r) || r.Header.Get("Upgrade") == "" {
				s.meter.seconds.WithLabelValues(route).Observe(took.Seconds())
			}
			s.Log.LogAttrs(r.Context(), slog.LevelDebug, "request", slog.String("method", r.Method), slog.String("path", pathOf(r)),
				slog.Int("status", status), slog.Int("bytes", ww.BytesWritten()), slog.Duration("took", took), slog.String("address", address(r)))
		}()
		next.ServeHTTP(ww, r)
	})
}

// ofRecording is where a path may hold a recording's id. It does not ask the router: what is refused before it is routed is logged, too.
var ofRecording = regexp.MustCompile(`(/recordings?/).+`)

// pathOf is the path of a request's address, as it may be logged.
func pathOf(r *http.Request) string { return ofRecording.ReplaceAllString(r.URL.Path, "$1…") }
