package cli

import (
	"io/fs"
	"log/slog"
	"net"
	"os"
	"time"

	"podlab/content"
	"podlab/server/serve"
	"podlab/server/state"
)

// addresses are the flags that the server and its supervisor share.
type addresses struct {
	Addr        string        `help:"Address of the site." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	PreviewAddr string        `help:"Address of port previews; default: the site's port plus one." placeholder:"HOST:PORT"`
	AdminAddr   string        `help:"Address of metrics and profiles; keep it from learners." default:"127.0.0.1:8090" placeholder:"HOST:PORT"`
	Data        string        `help:"Directory of images, disks and state." default:"/var/lib/podlab" placeholder:"DIR"`
	Host        []string      `help:"Name under which browsers may ask, besides IP addresses and localhost; * for any." placeholder:"NAME"`
	URL         string        `name:"url" help:"Origin of the site as browsers reach it, when a proxy gives it a name of its own." placeholder:"URL"`
	PreviewURL  string        `name:"preview-url" help:"Likewise of previews." placeholder:"URL"`
	Proxy       []string      `help:"Addresses (CIDR) of proxies before the server, whose X-Forwarded-For is believed." placeholder:"CIDR"`
	TLSCert     string        `name:"tls-cert" help:"Certificate: serve by TLS." placeholder:"FILE"`
	TLSKey      string        `name:"tls-key" help:"Its key." placeholder:"FILE"`
	BehindTLS   bool          `name:"behind-tls" help:"A proxy before the server speaks TLS."`
	NATS        string        `name:"nats" help:"Keep state in this NATS cluster instead of --data." placeholder:"URL"`
	TTL         time.Duration `name:"ttl" help:"How long a session lives; default: the lessons' own." placeholder:"DURATION"`
	Freeze      time.Duration `help:"After how long a node that nobody uses is frozen; negative: never." default:"5m" placeholder:"DURATION"`
	Warm        int           `help:"Nodes made ahead with the first step of the labs used last set up: a click finds its pod." default:"1" placeholder:"N"`
	Recordings  time.Duration `help:"How long a learner's recording of a session is kept; 0: none can be made." default:"168h" placeholder:"DURATION"`
	Verbose     bool          `short:"v" help:"Log each request."`
}

type serveCmd struct {
	addresses
	Content string `help:"Serve the course in this directory instead of the one built in." placeholder:"DIR"`
}

func (c *serveCmd) Run(e *env) error {
	log := logger(e, c.Verbose)
	if err := os.MkdirAll(serve.StateDir(c.Data), 0o700); err != nil {
		return err
	}
	store, err := c.store()
	if err != nil {
		return err
	}
	defer func() {
		if err := store.Close(); err != nil {
			log.Error("state not closed well", "error", err)
		}
	}()
	return serve.Run(e.ctx, serve.Config{
		Addr: c.Addr, PreviewAddr: c.PreviewAddr, AdminAddr: c.AdminAddr, URL: c.URL, PreviewURL: c.PreviewURL,
		Data: serve.StateDir(c.Data), Hosts: c.Host, Proxies: c.Proxy, CertFile: c.TLSCert, KeyFile: c.TLSKey, BehindTLS: c.BehindTLS, TTL: c.TTL, Freeze: c.Freeze,
		Warm: c.Warm, Recordings: c.Recordings, Images: serve.ImagesIndex(c.Data),
		Content: course(c.Content), Nodes: e.nodes, Store: store, Log: log,
		Listening: func(site, preview net.Addr) {
			log.Info("listening", "site", serve.URL(site, c.secure()), "previews", preview.String())
		},
	})
}

// store keeps state below the data directory, or in a cluster: one copy, unless the operator made the buckets with more.
func (c *addresses) store() (*state.Store, error) {
	if c.NATS != "" {
		return state.Connect(c.NATS, 1)
	}
	return state.Open(serve.StateDir(c.Data))
}

func (c *addresses) secure() bool { return c.BehindTLS || c.TLSCert != "" }

// course is the built-in one, or a directory's.
func course(dir string) fs.FS {
	if dir == "" {
		return content.FS
	}
	return os.DirFS(dir)
}

func logger(e *env, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(e.Err, &slog.HandlerOptions{Level: level}))
}
