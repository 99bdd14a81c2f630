// Package serve wires the server: lessons, state, the site, the preview and the operator's address, and ends them in order.
//
// Run owns everything it opens. When it ends, browsers are told to come back, and sessions and nodes live on: the next server
// finds them.
package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"podlab/labs"
	"podlab/sandbox"
	"podlab/server/preview"
	"podlab/server/recordings"
	"podlab/server/site"
)

// Config is what the server is run with.
type Config struct {
	Addr        string // of the site
	PreviewAddr string // of previews; empty: the site's port plus one
	AdminAddr   string // of metrics and profiles; empty: none
	URL         string // origin of the site as browsers reach it, when a proxy gives it a name of its own
	PreviewURL  string // likewise of previews; both or neither
	Data        string // directory of state and keys
	Hosts       []string
	Proxies     []string // CIDRs of proxies before us, whose X-Forwarded-For is believed
	CertFile    string   // with KeyFile: TLS
	KeyFile     string
	BehindTLS   bool // a proxy before us speaks TLS
	TTL         time.Duration
	Freeze      time.Duration // after which an unused node is frozen
	Warm        int           // nodes that are made ahead
	Recordings  time.Duration // after which a recording is removed; 0 or less: none is made
	Images      string        // file that changes with the host's images; empty: they never do

	Content fs.FS
	Nodes   sandbox.Nodes
	Store   labs.Store
	Log     *slog.Logger

	// Listening is called when the addresses are open.
	Listening func(site, preview net.Addr)
}

// check finds what only shows when a browser comes.
func (cfg Config) check() error {
	if (cfg.URL == "") != (cfg.PreviewURL == "") {
		return errors.New("--url and --preview-url go together")
	}
	for _, origin := range []string{cfg.URL, cfg.PreviewURL} {
		u, err := url.Parse(origin)
		if err != nil || origin != "" && origin != u.Scheme+"://"+u.Host {
			return fmt.Errorf("%q is not an origin such as https://lab.example.org", origin)
		}
	}
	for _, cidr := range cfg.Proxies {
		if _, err := netip.ParsePrefix(cidr); err != nil {
			return fmt.Errorf("--proxy: %w", err)
		}
	}
	if cfg.URL != "" && cfg.URL == cfg.PreviewURL {
		return errors.New("previews need an origin of their own: what they show is hostile")
	}
	return nil
}

// hosts are the names under which browsers may ask for the site.
func (cfg Config) hosts() site.Hosts {
	hosts := append(site.Hosts{}, cfg.Hosts...)
	for _, own := range []string{cfg.URL, cfg.PreviewURL} {
		if u, err := url.Parse(own); err == nil && u.Hostname() != "" {
			hosts = append(hosts, u.Hostname())
		}
	}
	return hosts
}

// images names the state of the host's images: their index is replaced when they change. Without one it is what there is too.
func (cfg Config) images() string {
	info, err := os.Stat(cfg.Images)
	if err != nil {
		return ""
	}
	return fmt.Sprint(info.ModTime().UnixNano(), info.Size(), info.Sys().(*syscall.Stat_t).Ino)
}

// stopWithin bounds the wait for requests that are being answered when the server ends.
const stopWithin = 5 * time.Second

// Run serves until ctx ends.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.check(); err != nil {
		return err
	}
	course, err := labs.Load(cfg.Content)
	if err != nil {
		return fmt.Errorf("content: %w", err)
	}
	// The sessions end after the sockets that look at them, so not with ctx.
	lessons, endLessons := context.WithCancel(context.WithoutCancel(ctx))
	defer endLessons()
	sessions, err := labs.Open(lessons, labs.Config{Course: course, Nodes: cfg.Nodes, Store: cfg.Store, Log: cfg.Log, TTL: cfg.TTL, Freeze: cfg.Freeze,
		Warm: cfg.Warm, Images: cfg.images})
	if err != nil {
		return fmt.Errorf("sessions: %w", err)
	}
	defer func() { logged(cfg.Log, "sessions", sessions.Close()) }()
	made, err := recordings.Open(lessons, recordings.Config{Dir: filepath.Join(cfg.Data, "recordings"), Keep: cfg.Recordings, Sessions: sessions, Log: cfg.Log})
	if err != nil {
		return fmt.Errorf("recordings: %w", err)
	}
	defer made.Close()
	return serve(ctx, cfg, course, sessions, made)
}

func serve(ctx context.Context, cfg Config, course *labs.Course, sessions *labs.Sessions, made *recordings.Recordings) error {
	l, err := listen(cfg)
	if err != nil {
		return err
	}
	defer l.close()
	key, err := preview.Key(cfg.Data)
	if err != nil {
		return fmt.Errorf("preview: %w", err)
	}
	secure := cfg.BehindTLS || cfg.CertFile != ""
	shown, err := preview.New(preview.Config{
		Nodes: sessions, Key: key, Log: cfg.Log, SitePort: port(l.site), Port: port(l.preview), Secure: secure,
		SiteURL: cfg.URL, URL: cfg.PreviewURL,
	})
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	pages := site.New(site.Config{
		Course: course, Sessions: sessions, Recordings: made, Nodes: cfg.Nodes, Preview: shown, Log: cfg.Log,
		Metrics: registry, Hosts: cfg.hosts(), Proxies: cfg.Proxies, Secure: secure,
	})
	previews := site.PerAddress(site.Limits{}, cfg.Proxies, cfg.hosts().Only(shown))
	servers := []running{{site.Server(pages), l.site}, {site.Server(previews), l.preview}}
	if l.admin != nil {
		servers = append(servers, running{site.Server(admin(registry)), l.admin})
	}
	if cfg.Listening != nil {
		cfg.Listening(l.site.Addr(), l.preview.Addr())
	}
	return until(ctx, servers, pages.Close, cfg)
}

// running is a server and what it listens on.
type running struct {
	*http.Server
	on net.Listener
}

// until runs the servers until ctx ends or one of them fails, then ends the sockets and the servers.
func until(ctx context.Context, servers []running, closeSockets func(), cfg Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var serving sync.WaitGroup
	failed := make(chan error, len(servers))
	for _, s := range servers {
		s.ErrorLog = slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug)
		serving.Go(func() {
			defer cancel()
			if err := s.Serve(s.on); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		})
	}
	<-ctx.Done()
	closeSockets()
	grace, done := context.WithTimeout(context.Background(), stopWithin)
	defer done()
	for _, s := range servers {
		if err := s.Shutdown(grace); err != nil {
			_ = s.Close() // cuts what did not end in time
		}
	}
	serving.Wait()
	close(failed)
	return <-failed
}

// listeners are the open addresses.
type listeners struct{ site, preview, admin net.Listener }

func listen(cfg Config) (l listeners, err error) {
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.site, err = open(cfg, cfg.Addr); err != nil {
		return l, err
	}
	if l.preview, err = open(cfg, previewAddr(cfg, l.site)); err != nil {
		return l, err
	}
	if cfg.AdminAddr != "" {
		l.admin, err = net.Listen("tcp", cfg.AdminAddr)
	}
	return l, err
}

func open(cfg Config, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil || cfg.CertFile == "" {
		return l, err
	}
	cert, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}), nil
}

// previewAddr is the address of previews: the site's next port, unless told otherwise. Port 0 stays 0.
func previewAddr(cfg Config, site net.Listener) string {
	if cfg.PreviewAddr != "" {
		return cfg.PreviewAddr
	}
	host, asked, err := net.SplitHostPort(cfg.Addr)
	if err != nil || asked == "0" {
		return net.JoinHostPort(host, "0")
	}
	return net.JoinHostPort(host, strconv.Itoa(site.Addr().(*net.TCPAddr).Port+1))
}

func (l listeners) close() {
	for _, one := range []net.Listener{l.site, l.preview, l.admin} {
		if one != nil {
			_ = one.Close() // closed already when its server ended
		}
	}
}

func port(l net.Listener) string { return strconv.Itoa(l.Addr().(*net.TCPAddr).Port) }

// admin is for the operator only: nothing here asks who it is.
func admin(registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

func logged(log *slog.Logger, what string, err error) {
	if err != nil {
		log.Error("not closed well", "what", what, "error", err)
	}
}

// URL is how a browser on this machine reaches an address.
func URL(addr net.Addr, secure bool) string {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return scheme + "://" + addr.String() + "/"
	}
	if ip := net.ParseIP(strings.Trim(host, "[]")); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + "/"
}

// ImagesIndex is the list of the host's images below the data directory, which the server may look at.
func ImagesIndex(data string) string { return filepath.Join(data, "images", "index.json") }

// StateDir is where the state is kept below the data directory.
func StateDir(data string) string { return filepath.Join(data, "server") }
