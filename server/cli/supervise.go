package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"podlab/server/serve"
	"podlab/server/supervise"
)

type superviseCmd struct {
	addresses
	User     string `help:"User that the server runs as." default:"podlab" placeholder:"NAME"`
	Group    string `help:"Group that may use the daemon's sockets." default:"podlab" placeholder:"NAME"`
	Sandboxd string `help:"The daemon's program; default: podlab-sandboxd beside this one." placeholder:"FILE"`
	Content  string `help:"Serve the course in this directory instead of the one built in." placeholder:"DIR"`
	MaxNodes int    `help:"Nodes at a time." placeholder:"N"`
	Memory   string `help:"Memory of a node." placeholder:"SIZE"`
	Spares   int    `help:"Nodes that are made ahead." default:"2" placeholder:"N"`
}

// Pauses between restarts, and how long the programs may take to end: the daemon then destroys every node.
const (
	firstPause  = 100 * time.Millisecond
	lastPause   = 10 * time.Second
	steady      = 30 * time.Second
	serverGrace = 10 * time.Second
	daemonGrace = 60 * time.Second
)

func (c *superviseCmd) Run(e *env) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("the root daemon needs root: use sudo")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if c.Sandboxd == "" {
		c.Sandboxd = filepath.Join(filepath.Dir(self), "podlab-sandboxd")
	}
	if err := c.free(); err != nil {
		return err
	}
	credential, err := c.credential()
	if err != nil {
		return err
	}
	if err := c.stateDir(credential); err != nil {
		return err
	}
	fmt.Fprintln(e.Err, "podlab: starting; Ctrl-C ends it")
	s := &supervise.Supervisor{
		Programs: []supervise.Program{
			{Name: "podlab-sandboxd", Argv: c.daemonArgv(e), Stop: syscall.SIGINT, Grace: daemonGrace, Ready: func(ctx context.Context) error {
				_, err := e.nodes.Info(ctx)
				return err
			}},
			{Name: "podlab serve", Argv: c.serverArgv(self, e), User: credential, Stop: syscall.SIGTERM, Grace: serverGrace, Ready: c.ready},
		},
		Log: logger(e, c.Verbose), Out: e.Out, Err: e.Err,
		First: firstPause, Last: lastPause, Steady: steady,
		Started: func() { fmt.Fprintf(e.Out, "\n  Podlab is ready:  %s\n\n", c.learnerURL()) },
	}
	return s.Run(e.ctx)
}

// free finds an address that is taken before anything is started: what answers there would be taken for our server.
func (c *superviseCmd) free() error {
	for _, addr := range []string{c.Addr, c.AdminAddr} {
		if addr == "" {
			continue
		}
		l, err := net.Listen("tcp", addr)
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("%s is in use: is Podlab running already? Choose another by --addr or --admin-addr", addr)
		}
		if err != nil {
			return err
		}
		_ = l.Close() // nothing was accepted
	}
	return nil
}

func (c *superviseCmd) daemonArgv(e *env) []string {
	argv := []string{c.Sandboxd, "--data", c.Data, "--run", e.run, "--group", c.Group, "--spares", strconv.Itoa(c.Spares)}
	if c.MaxNodes > 0 {
		argv = append(argv, "--max-nodes", strconv.Itoa(c.MaxNodes))
	}
	if c.Memory != "" {
		argv = append(argv, "--memory", c.Memory)
	}
	return argv
}

func (c *superviseCmd) serverArgv(self string, e *env) []string {
	argv := []string{self, "serve", "--run", e.run, "--addr", c.Addr, "--admin-addr", c.AdminAddr, "--data", c.Data}
	for flag, value := range map[string]string{
		"--preview-addr": c.PreviewAddr, "--url": c.URL, "--nats": c.NATS, "--preview-url": c.PreviewURL,
		"--tls-cert": c.TLSCert, "--tls-key": c.TLSKey, "--content": c.Content,
	} {
		if value != "" {
			argv = append(argv, flag, value)
		}
	}
	for _, host := range c.Host {
		argv = append(argv, "--host", host)
	}
	for _, cidr := range c.Proxy {
		argv = append(argv, "--proxy", cidr)
	}
	if c.TTL > 0 {
		argv = append(argv, "--ttl", c.TTL.String())
	}
	argv = append(argv, "--freeze", c.Freeze.String(), "--warm", strconv.Itoa(c.Warm), "--recordings", c.Recordings.String())
	if c.BehindTLS {
		argv = append(argv, "--behind-tls")
	}
	if c.Verbose {
		argv = append(argv, "--verbose")
	}
	return argv
}

// credential is the server's: a user without rights, whose only group may use the daemon's sockets.
func (c *superviseCmd) credential() (*syscall.Credential, error) {
	u, err := user.Lookup(c.User)
	if err != nil {
		return nil, fmt.Errorf("%w: make it with useradd --system %s, or start by scripts/run", err, c.User)
	}
	g, err := user.LookupGroup(c.Group)
	if err != nil {
		return nil, fmt.Errorf("%w: make it with groupadd --system %s, or start by scripts/run", err, c.Group)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(g.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	if uid == 0 {
		return nil, fmt.Errorf("the server must not run as root: choose another --user")
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// stateDir makes the one directory that the server may write to.
func (c *superviseCmd) stateDir(owner *syscall.Credential) error {
	dir := serve.StateDir(c.Data)
	if err := os.MkdirAll(c.Data, 0o755); err != nil { //nolint:gosec // images and programs in it are for the nodes too
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.Chown(dir, int(owner.Uid), int(owner.Gid))
}

// ready asks the server's /readyz.
func (c *superviseCmd) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.learnerURL()+"readyz", nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // our own server on this machine, asked for its health
	}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("/readyz says %s", answer.Status)
	}
	return nil
}

// learnerURL is the site's address for a browser on this machine.
func (c *superviseCmd) learnerURL() string {
	addr, err := net.ResolveTCPAddr("tcp", c.Addr)
	if err != nil {
		return "http://" + c.Addr + "/"
	}
	return serve.URL(addr, c.TLSCert != "")
}
