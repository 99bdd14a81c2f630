package chaos

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/content"
	"podlab/labs"
	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
	"podlab/server/state"
)

// server is the public program before a daemon.
type server struct {
	*testing.T
	d       *sandboxtest.Daemon
	data    string
	warm    string // nodes that it makes ahead
	addr    string
	lab     string
	cmd     *exec.Cmd
	learner *http.Client
}

const (
	site    = "127.0.0.1:18080" // the tests have a network namespace of their own
	preview = "127.0.0.1:18081"
	admin   = "127.0.0.1:18090"
)

// newServer starts a server that makes so many nodes ahead, and a browser.
func newServer(t *testing.T, d *sandboxtest.Daemon, warm int) *server {
	t.Helper()
	course, err := labs.Load(content.FS)
	must(t, err)
	jar, err := cookiejar.New(nil)
	must(t, err)
	lab := course.Labs()[0]
	s := &server{T: t, d: d, data: t.TempDir(), warm: strconv.Itoa(warm), addr: "http://" + site, lab: lab.ID + "/" + lab.Steps[0].ID}
	s.learner = &http.Client{Jar: jar, Timeout: callTime, Transport: &http.Transport{DisableKeepAlives: true}}
	loopbackUp(t)
	s.start()
	t.Cleanup(s.kill)
	s.ask(http.MethodGet, "/en/") // a cookie
	return s
}

func loopbackUp(t *testing.T) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// start starts the server and waits until it answers, which may not take long whatever its last life left.
func (s *server) start() {
	s.Helper()
	prepared, err := sandboxtest.Prepare(true)
	must(s, err)
	s.cmd = exec.Command(filepath.Join(prepared, "bin", "podlab"), "--run", s.d.Run, "serve", "--data", s.data, "--addr", site, "--preview-addr", preview,
		"--admin-addr", admin, "--warm", s.warm)
	s.cmd.Stderr = s.Output()
	must(s, s.cmd.Start())
	for end := time.Now().Add(callTime); ; time.Sleep(5 * time.Millisecond) {
		if conn, err := (&net.Dialer{}).DialContext(s.Context(), "tcp", site); err == nil {
			conn.Close()
			return
		}
		if time.Now().After(end) {
			s.Fatal("the server does not come up")
		}
	}
}

func (s *server) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// ask makes a request as the learner's page does; ok says that it was done.
func (s *server) ask(method, path string) (ok bool) {
	r, err := http.NewRequestWithContext(s.Context(), method, s.addr+path, nil)
	must(s, err)
	began := time.Now()
	answer, err := s.learner.Do(r)
	if took := time.Since(began); took > callTime {
		s.Errorf("%s %s took %v", method, path, took)
	}
	if err != nil {
		return false // the server was killed meanwhile
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	if answer.StatusCode >= http.StatusInternalServerError {
		s.Errorf("%s %s: %s", method, path, answer.Status)
	}
	return answer.StatusCode < http.StatusBadRequest
}

// nodes waits until there are so many nodes, all whole.
func (s *server) nodes(want int, when string) {
	s.Helper()
	var nodes []sandbox.Node
	for end := time.Now().Add(callTime); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		nodes = wholeOrGone(s, s.d, when)
		if len(nodes) == want {
			return
		}
	}
	s.Fatalf("%s: %d nodes, want %d", when, len(nodes), want)
}

// records are the sessions that the stopped server kept.
func (s *server) records() []labs.Record {
	s.Helper()
	store, err := state.Open(filepath.Join(s.data, "server"))
	must(s, err)
	defer func() { must(s, store.Close()) }()
	records, err := store.Sessions(s.Context())
	must(s, err)
	return records
}

// TestKillServerAroundASession kills the server at many moments after a learner begins a lab, and after one ends: the next one has the
// session with its node, or neither; nothing hangs, and no node is forgotten.
func TestKillServerAroundASession(t *testing.T) {
	d := sandboxtest.Start(t)
	s := newServer(t, d, 0)
	around := func(what, verb string, end time.Duration) {
		sweep(end, func(at time.Duration) {
			when := fmt.Sprintf("server killed %v after a learner %s a lab", at, what)
			if verb == "end" {
				s.ask(http.MethodPost, "/api/l/"+s.lab+"/start")
				s.nodes(1, when)
			}
			done := make(chan bool, 1)
			go func() { done <- s.ask(http.MethodPost, "/api/l/"+s.lab+"/"+verb) }()
			time.Sleep(at)
			s.kill()
			<-done
			records := s.records()
			s.start()
			s.nodes(len(records), when)
			if len(records) == 0 {
				s.ask(http.MethodPost, "/api/l/"+s.lab+"/start")
				s.nodes(1, when)
			}
			s.ask(http.MethodPost, "/api/l/"+s.lab+"/end")
			s.nodes(0, when)
			nothingLeft(t, d, when, fmt.Sprintf("process %d ", s.cmd.Process.Pid))
		})
	}
	around("began", "start", createEnd)
	around("ended", "end", deleteEnd)
}

// TestKillServerWithANodeAhead kills the server at many moments after it began to make a node ahead, and after a learner came for it: the next
// one has what the records say, and one node made ahead, whatever was there. Ended as it should be, the server leaves none.
func TestKillServerWithANodeAhead(t *testing.T) {
	d := sandboxtest.Start(t)
	s := newServer(t, d, 1)
	s.ahead(1, "at first")
	for _, at := range []time.Duration{0, 3 * time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond} {
		when := fmt.Sprintf("server killed %v after a learner came for a node made ahead", at)
		done := make(chan bool, 1)
		go func() { done <- s.ask(http.MethodPost, "/api/l/"+s.lab+"/start") }()
		time.Sleep(at)
		s.kill()
		<-done
		records := s.records()
		s.start()
		s.ahead(1+len(records), when)
		s.ask(http.MethodPost, "/api/l/"+s.lab+"/end")
		s.ahead(1, when+", and ended the lab") // the answer comes before the session's record is gone
	}
	for _, at := range []time.Duration{0, 50 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second} {
		s.kill()
		s.start() // it destroys the one that it finds, and makes another
		time.Sleep(at)
	}
	s.ahead(1, "killed again and again")
	must(t, s.cmd.Process.Signal(unix.SIGTERM))
	_ = s.cmd.Wait()
	s.cmd = nil
	s.ahead(0, "at the server's end")
	nothingLeft(t, d, "at the server's end")
}

// ahead waits until there are so many nodes, of which one is made ahead and frozen, if there is any.
func (s *server) ahead(want int, when string) {
	s.Helper()
	var nodes []sandbox.Node
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		var err error
		must(s, bounded(s, "list", func(ctx context.Context) error { nodes, err = s.d.List(ctx); return err }))
		frozen := 0
		for _, n := range nodes {
			if n.Frozen {
				frozen++
			}
		}
		if len(nodes) == want && frozen == min(1, want) {
			return
		}
	}
	s.Fatalf("%s: nodes %+v, want %d and one of them frozen", when, nodes, want)
}

// TestServerWithoutDescriptors lets a crowd take all the server's descriptors: it lives, and answers once they have gone.
func TestServerWithoutDescriptors(t *testing.T) {
	d := sandboxtest.Start(t)
	s := newServer(t, d, 0)
	s.ask(http.MethodPost, "/api/l/"+s.lab+"/start")
	s.nodes(1, "before")
	nodes, err := d.List(t.Context())
	must(t, err)
	must(t, bounded(t, "the lab's containers", func(ctx context.Context) error {
		return until(ctx, d.Agent(nodes[0]), func(s *sandbox.Snapshot) bool {
			return len(s.Containers) > 0 && !slices.ContainsFunc(s.Containers, func(c sandbox.Container) bool { return c.State != sandbox.StateRunning })
		})
	}))
	time.Sleep(500 * time.Millisecond) // until the server has seen that too, and the session is ready
	restore := allow(t, s.cmd.Process.Pid, 10)
	var conns []net.Conn
	for range 60 {
		if conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", site); err == nil {
			conns = append(conns, conn)
		}
	}
	time.Sleep(200 * time.Millisecond)
	for _, conn := range conns {
		conn.Close()
	}
	restore()
	for end := time.Now().Add(callTime); !s.ask(http.MethodGet, "/en/"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the server does not answer")
		}
	}
	if err := unix.Kill(s.cmd.Process.Pid, 0); err != nil {
		t.Error("the server ended:", err)
	}
	s.nodes(1, "after")
	s.ask(http.MethodPost, "/api/l/"+s.lab+"/end")
	s.nodes(0, "after")
}
