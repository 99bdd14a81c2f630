// Package site is Podlab's public face: pages, the API of their buttons, the live and the terminal websocket. It holds no lesson
// logic (package labs) and no pictures (package web); it checks who asks, from where and how often, and passes on.
//
// Who owns what: a request is its handler's. Each websocket has one goroutine that reads, and its handler's own that writes; both
// end when the socket closes, when the learner's node is replaced, or on Close, which waits for them.
package site

import (
	"context"
	"log/slog"
	"net/http"
	"os"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"podlab/labs"
	"podlab/sandbox"
	"podlab/server/recordings"
	"podlab/web"
)

// Sessions is what the site asks of the lessons. *labs.Sessions is one.
type Sessions interface {
	Start(learner, lab, step string) error
	Reset(learner, lab, step string) error
	Extend(learner, lab string) error
	End(learner, lab string) error
	Predict(learner, lab, step, prediction, option string) error
	Hint(ctx context.Context, learner, lab, step, check string) (tier int, err error)
	ShowSolution(ctx context.Context, learner, lab, step string) error
	Progress(ctx context.Context, learner string) (map[string]labs.Progress, error)
	Live(learner string) (lab, step string, ok bool)
	File(ctx context.Context, learner, lab, step, name string) ([]byte, error)
	Apply(ctx context.Context, learner, lab, step, name string, data []byte) ([]sandbox.Applied, error)
	Apart(ctx context.Context, learner, lab, pod string) ([]sandbox.Applied, error)
	Absent(ctx context.Context, lab *labs.Lab) []string
	Agent(learner, lab string) (labs.Access, error)
	Subscribe(learner, lab, step string) (*labs.Subscription, error)
}

var _ Sessions = (*labs.Sessions)(nil)

// Recordings are those that learners made. *recordings.Recordings is one.
type Recordings interface {
	Start(learner, lab string) error
	Stop(ctx context.Context, learner string) error
	List(learner string) []recordings.Recording
	Delete(learner, id string) error
	File(id string) (*os.File, recordings.Recording, error)
}

var _ Recordings = (*recordings.Recordings)(nil)

// Preview gives the addresses of port previews. *preview.Preview is one.
type Preview interface {
	// URL is the address at which a port of a learner's pod is shown.
	URL(r *http.Request, learner, lab, pod string, port int) string
	// Origin is the origin of those addresses for a page asked for by r.
	Origin(r *http.Request) string
}

// Config is what a Site is made of. Fields without a default are needed.
type Config struct {
	Course     *labs.Course
	Sessions   Sessions
	Recordings Recordings
	Nodes      sandbox.Nodes // asked by /readyz
	Preview    Preview
	Log        *slog.Logger
	Metrics    prometheus.Registerer
	Hosts      Hosts    // names under which browsers may ask
	Proxies    []string // CIDRs of proxies before us, whose X-Forwarded-For tells the visitor's address
	Secure     bool     // browsers reach the site by TLS: cookies are marked so
	Limits     Limits
}

// Site serves the public address.
type Site struct {
	Config
	meter   *meter
	sockets *sockets
	sending *semaphore.Weighted // bytes of recordings that browsers sent
	judging *places             // for those that are being judged
	answers answers             // of /readyz
	handler http.Handler
}

// New makes a Site. Close ends its websockets.
func New(cfg Config) *Site {
	s := &Site{
		Config: cfg, meter: newMeter(cfg.Metrics), sockets: newSockets(cfg.Limits),
		sending: semaphore.NewWeighted(maxSending), judging: newPlaces(maxJudging),
	}
	s.handler = s.routes()
	return s
}

// ServeHTTP serves the site.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Close tells every browser that the server restarts, closes the websockets and waits for their goroutines.
func (s *Site) Close() { s.sockets.close() }

// routes is the list of everything that can be asked for.
func (s *Site) routes() http.Handler {
	r := chi.NewRouter()
	r.Use(Addresses(s.Proxies), s.count, s.recover)
	r.Get("/healthz", s.healthz)
	r.Get("/readyz", s.readyz)
	r.Group(func(r chi.Router) {
		r.Use(s.allowHost, s.protect, s.perAddress())
		r.Handle(web.AssetPrefix+"*", web.Assets())
		r.Group(s.guarded)
		r.NotFound(s.handle(s.notFound))
		r.MethodNotAllowed(s.handle(s.notFound))
	})
	return r
}

// guarded are the routes that know a learner.
func (s *Site) guarded(r chi.Router) {
	r.Use(s.knowLearner, s.perLearner())
	r.Get("/", s.handle(s.chooseLanguage))
	r.Route("/{lang:en|zh}", func(r chi.Router) {
		r.Get("/", s.handle(s.home))
		r.Get("/l/{lab}", s.handle(s.enterLab))
		r.Get("/l/{lab}/{step}", s.handle(s.lab))
		r.Get("/l/{lab}/{step}/hint/{check}/{tier}", s.handle(s.hintPartial))
		r.Get("/l/{lab}/{step}/solution", s.handle(s.solution))
		r.Get("/recording", s.handle(s.openRecording))
		r.Get("/recording/{recording}", s.handle(s.recording))
		r.Get("/recording/lesson/{lab}/{step}", s.handle(s.recordedLesson))
		r.Get("/recording/example/{lab}/{step}", s.handle(s.example))
	})
	r.Route("/api/l/{lab}/{step}", func(r chi.Router) {
		r.Use(s.sameOrigin)
		r.Group(func(r chi.Router) {
			r.Use(s.costly()) // what makes nodes
			r.Post("/start", s.handle(s.start))
			r.Post("/reset", s.handle(s.reset))
		})
		r.Post("/extend", s.handle(s.extend))
		r.Post("/end", s.handle(s.end))
		r.Post("/predict", s.handle(s.predict))
		r.Post("/preview", s.handle(s.preview))
		r.Post("/record", s.handle(s.startRecording))
		r.Post("/record/stop", s.handle(s.stopRecording))
		r.Group(func(r chi.Router) {
			r.Use(s.fewAtOnce()) // what waits for a node; a way out of a node that does not answer is always open
			r.Post("/apply", s.handle(s.apply))
			r.Post("/apart", s.handle(s.apart))
			r.Get("/file/{name}", s.handle(s.file))
		})
	})
	r.Route("/api/recordings", func(r chi.Router) {
		r.Use(s.sameOrigin)
		r.Get("/", s.handle(s.recordings))
		r.Get("/{recording}/file", s.handle(s.recordingFile))
		r.Get("/example/{lab}/{step}", s.handle(s.exampleFile))
		r.Post("/{recording}/delete", s.handle(s.deleteRecording))
		r.Group(func(r chi.Router) {
			r.Use(s.costly(), s.fewAtOnce()) // the body is a whole recording, which anybody may have written
			r.Post("/check", s.handle(s.recheck))
			r.Post("/cast", s.handle(s.cast))
		})
	})
	r.Get("/ws/live", s.handle(s.live))
	r.Get("/ws/terminal", s.handle(s.terminal))
}
