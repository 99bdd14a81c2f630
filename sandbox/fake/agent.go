package fake

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"podlab/sandbox"
)

// Images are the images that a fake node knows.
var Images = []string{"busybox", "debian", "nginx", "podlab/helloworld", "podlab/pause"}

// Agent is one node's agent in memory.
type Agent struct {
	// Commands are what can be run on the node, in containers and in terminals, by name; a test may add its own before use.
	Commands map[string]Command
	// Web answers Dial for "POD:PORT"; a port without one refuses the connection.
	Web map[string]http.Handler

	kernel  moments
	moments moments
	gone    chan struct{}

	mu        sync.Mutex
	changed   chan struct{}
	life      int
	seq       uint64
	node      sandbox.NodeView
	nextPID   int
	nextNS    uint64
	nextIP    int
	pods      []*pod
	plain     []*container
	terminals map[string]*screen
	files     map[string][]byte
	change    []func(*sandbox.Snapshot)
	down      atomic.Bool // its node is stopped
}

var _ sandbox.Agent = (*Agent)(nil)

func newAgent(spec sandbox.NodeSpec, pidns uint64, kernel moments, gone chan struct{}) *Agent {
	a := &Agent{
		Commands: commands(), Web: map[string]http.Handler{},
		kernel: kernel, moments: newMoments(sandbox.SourceAgent), gone: gone,
		changed: make(chan struct{}), life: 1, nextPID: 10, nextNS: 4026532000, nextIP: 2,
		terminals: map[string]*screen{}, files: map[string][]byte{},
	}
	ns := a.newNamespaces()
	ns.PID = pidns
	a.node = sandbox.NodeView{
		Hostname: spec.Hostname, Kernel: "6.1.0-fake", NS: ns, InitPID: 1, AgentPID: 7,
		Usage: sandbox.Cgroup{Memory: 6 << 20, MemoryLimit: spec.Memory, PIDs: 9, PIDsLimit: spec.PIDs, CPULimit: spec.CPU},
		Disk:  sandbox.Disk{Total: 512 << 20, Used: 3 << 20, Inodes: 32768, InodesUsed: 211},
	}
	a.moments.add(sandbox.Moment{Kind: sandbox.MomentAgent, Reason: "Started"})
	return a
}

// touch wakes every watcher. The caller holds a.mu.
func (a *Agent) touch() {
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *Agent) alive() error {
	select {
	case <-a.gone:
		return sandbox.Errorf(sandbox.CodeNodeGone)
	default:
	}
	if a.down.Load() {
		return sandbox.Errorf(sandbox.CodeUnavailable)
	}
	return nil
}

// halt ends everything on the node but its files. The caller does not hold a.mu.
func (a *Agent) halt() {
	a.down.Store(true)
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.pods {
		a.killPod(p)
	}
	a.cut()
	a.pods, a.plain, a.terminals = nil, nil, map[string]*screen{}
	a.touch()
}

func (a *Agent) Apply(ctx context.Context, objects [][]byte) ([]sandbox.Applied, error) {
	var applied []sandbox.Applied
	for _, raw := range objects {
		if err := a.alive(); err != nil {
			return applied, err
		}
		done, err := a.applyOne(raw)
		if err != nil {
			return applied, err
		}
		applied = append(applied, done)
	}
	return applied, nil
}

func (a *Agent) applyOne(raw []byte) (sandbox.Applied, error) {
	var head struct {
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return sandbox.Applied{}, sandbox.Errorf(sandbox.CodeBadManifest, "detail", err.Error())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.touch()
	switch head.Kind {
	case sandbox.ManifestPod:
		var spec sandbox.Pod
		if err := json.Unmarshal(raw, &spec); err != nil {
			return sandbox.Applied{}, sandbox.Errorf(sandbox.CodeBadManifest, "detail", err.Error())
		}
		return a.applyPod(spec)
	case sandbox.ManifestContainer:
		var spec sandbox.PlainContainer
		if err := json.Unmarshal(raw, &spec); err != nil {
			return sandbox.Applied{}, sandbox.Errorf(sandbox.CodeBadManifest, "detail", err.Error())
		}
		return a.applyPlain(spec)
	}
	return sandbox.Applied{}, sandbox.Errorf(sandbox.CodeBadValue, "field", "kind", "value", head.Kind)
}

func (a *Agent) Delete(_ context.Context, ref sandbox.Ref, _ int64) error {
	if err := a.alive(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch ref.Kind {
	case sandbox.ManifestPod:
		for i, p := range a.pods {
			if p.pod.Metadata.Name == ref.Name {
				a.killPod(p)
				a.pods = append(a.pods[:i:i], a.pods[i+1:]...)
				a.touch()
				return nil
			}
		}
	case sandbox.ManifestContainer:
		for i, c := range a.plain {
			if c.view.ID == ref.Name {
				a.stop(c, sandbox.Exit{Code: 143, Signal: 15})
				a.plain = append(a.plain[:i:i], a.plain[i+1:]...)
				a.touch()
				return nil
			}
		}
	}
	return sandbox.Errorf(sandbox.CodeNotFound, "kind", ref.Kind, "name", ref.Name)
}

func (a *Agent) Snapshot(context.Context) (sandbox.Snapshot, error) {
	if err := a.alive(); err != nil {
		return sandbox.Snapshot{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.snapshot(), nil
}

func (a *Agent) Watch(ctx context.Context, poke <-chan struct{}, fn func(sandbox.Update) error) error {
	var seq uint64
	for {
		a.mu.Lock()
		snapshot, changed, life := a.snapshot(), a.changed, a.life
		a.mu.Unlock()
		run, news := a.moments.After(seq, kept)
		update := sandbox.Update{Snapshot: &snapshot}
		if len(run.Items) > 0 {
			happened := public(run)
			seq, update.Moments = run.Last(), &happened
		}
		if err := a.alive(); err != nil {
			return err
		}
		if err := fn(update); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.gone:
			return sandbox.Errorf(sandbox.CodeUnavailable)
		case <-changed:
		case <-news:
		case _, ok := <-poke:
			if !ok {
				poke = nil
			}
		}
		a.mu.Lock()
		died := a.life != life
		a.mu.Unlock()
		if died {
			return sandbox.Errorf(sandbox.CodeUnavailable)
		}
	}
}

func (a *Agent) Logs(ctx context.Context, opt sandbox.LogOptions, out io.Writer) error {
	for sent := 0; ; {
		a.mu.Lock()
		c, changed := a.container(opt.Container), a.changed
		if c == nil {
			a.mu.Unlock()
			return sandbox.Errorf(sandbox.CodeNotFound, "kind", "Container", "name", opt.Container)
		}
		log := c.log
		if opt.Previous {
			log = c.previous
		}
		if sent == 0 {
			log = tail(log, opt.Tail)
		}
		over := !opt.Follow || opt.Previous || c.view.State == sandbox.StateExited
		a.mu.Unlock()
		if len(log) > sent {
			if _, err := io.WriteString(out, log[sent:]); err != nil {
				return err
			}
			sent = len(log)
		}
		if over {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.gone:
			return sandbox.Errorf(sandbox.CodeUnavailable)
		case <-changed:
		}
	}
}

// tail returns the last n lines of log; 0 means all, below 0 none.
func tail(log string, n int) string {
	if n < 0 {
		return ""
	}
	lines := strings.SplitAfter(strings.TrimSuffix(log, "\n"), "\n")
	if n <= 0 || n >= len(lines) {
		return log
	}
	return strings.Join(lines[len(lines)-n:], "") + "\n"
}

func (a *Agent) Dial(_ context.Context, pod string, port int) (io.ReadWriteCloser, error) {
	handler := a.Web[fmt.Sprintf("%s:%d", pod, port)]
	if handler == nil {
		return nil, sandbox.Errorf(sandbox.CodeNotRunning, "kind", "port", "name", fmt.Sprint(port))
	}
	near, far := net.Pipe()
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(&oneConn{conn: far, closed: make(chan struct{})}) }() // ends when its one connection is closed
	return near, nil
}

// oneConn is a listener that gives one connection and then waits until that is closed.
type oneConn struct {
	conn   net.Conn
	given  bool
	once   sync.Once
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if !l.given {
		l.given = true
		return &closing{Conn: l.conn, l: l}, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}
func (l *oneConn) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

type closing struct {
	net.Conn
	l *oneConn
}

func (c *closing) Close() error {
	defer c.l.Close()
	return c.Conn.Close()
}

func (a *Agent) ReadFile(_ context.Context, path string) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	data, ok := a.files[path]
	if !ok {
		return nil, sandbox.Errorf(sandbox.CodeNotFound, "kind", "file", "name", path).Because(os.ErrNotExist)
	}
	return append([]byte(nil), data...), nil
}

func (a *Agent) WriteFile(_ context.Context, path string, data []byte) error {
	if len(data) > sandbox.MaxFile {
		return sandbox.Errorf(sandbox.CodeTooLarge, "limit", fmt.Sprint(sandbox.MaxFile))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.files[path] = append([]byte(nil), data...)
	return nil
}
