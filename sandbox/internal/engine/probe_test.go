package engine

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// probe is a probe's JSON. A second is 50 ms here; the timeout is long, since the machine may be busy.
func probe(kind, action string, more ...string) string {
	return fmt.Sprintf(`%q:{%s}`, kind, strings.Join(append(more, action, `"periodSeconds":1,"timeoutSeconds":60`), ","))
}

func fileThere(file string) string { return fmt.Sprintf(`"exec":{"command":["test","-e",%q]}`, file) }

// fileGone fails once the file is there: however long a container takes to start, it fails for nothing else.
func fileGone(file string) string {
	return fmt.Sprintf(`"exec":{"command":["test","!","-e",%q]}`, file)
}

func (b *bench) ready(name string, want bool) {
	b.t.Helper()
	status := map[bool]string{true: "True", false: "False"}[want]
	b.eventually("Ready="+status, func() bool { return b.condition(name, "Ready").Status == status })
}

func TestReadinessProbe(t *testing.T) {
	b := open(t)
	b.apply(pod("p", "", sh("a", idle, probe("readinessProbe", fileThere("/ready"), `"failureThreshold":2`)), sh("b", idle)))
	b.running("p/a")
	b.ready("p", false)
	b.run("p/a", "touch", "/ready")
	b.ready("p", true)
	b.run("p/a", "rm", "/ready")
	b.ready("p", false)
	if c := b.condition("p", "ContainersReady"); c.Reason != "ContainersNotReady" || c.Message != "containers with unready status: [a]" {
		t.Errorf("%+v", c)
	}
	if s := b.running("p/a"); s.Restarts != 0 {
		t.Errorf("readiness restarts nothing: %+v", s)
	}
	if !strings.Contains(b.reasons(), "Unhealthy") {
		t.Error(b.reasons())
	}
}

func TestLivenessProbe(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"terminationGracePeriodSeconds":20`, sh("a", idle, probe("livenessProbe", fileGone("/dead"), `"failureThreshold":2`)), sh("b", idle)))
	b.trapped("p/a")
	other := b.running("p/b").PID
	b.run("p/a", "touch", "/dead")
	s := b.until("p/a", "restarted", func(s Subject) bool { return s.Restarts == 1 && isRunning(s) })
	last := b.pod("p").Status.ContainerStatuses[0].LastState.Terminated
	if last == nil || last.ExitCode != 0 || s.Reason != "" {
		t.Errorf("it ends with 0 on SIGTERM, and comes back all the same: %+v", last)
	}
	if b.running("p/b").PID != other {
		t.Error("the other container was touched")
	}
	if got := b.killing("p/a"); got != "liveness" {
		t.Errorf("killed for %q", got)
	}
}

// killing is why a container was killed last.
func (b *bench) killing(id string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(b.moments) - 1; i >= 0; i-- {
		if b.moments[i].Reason == "Killing" && b.moments[i].Container == id {
			return b.moments[i].Params["why"]
		}
	}
	return "nothing"
}

// TestLivenessProbeHasItsOwnGrace: and under policy Never nothing comes back.
func TestLivenessProbeHasItsOwnGrace(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"restartPolicy":"Never","terminationGracePeriodSeconds":30`,
		sh("a", "trap '' TERM; while :; do sleep 0.1; done", probe("livenessProbe", fileThere("/no"), `"failureThreshold":1`, `"initialDelaySeconds":4`, `"terminationGracePeriodSeconds":1`))))
	status := b.phase("p", "Failed").Status.ContainerStatuses[0]
	if status.State.Terminated.ExitCode != 137 || status.RestartCount != 0 {
		t.Errorf("%+v", status)
	}
}

func TestStartupProbe(t *testing.T) {
	b := open(t)
	// Until it has started nothing asks whether it lives.
	b.apply(pod("p", "", sh("a", idle, probe("startupProbe", fileThere("/started"), `"failureThreshold":1000`),
		probe("livenessProbe", fileThere("/alive"), `"failureThreshold":1`), probe("readinessProbe", fileThere("/")))))
	b.eventually("three failed checks", func() bool { return strings.Count(b.reasons(), "Unhealthy") >= 3 })
	if s := b.pod("p").Status.ContainerStatuses[0]; *s.Started || s.Ready || s.RestartCount != 0 {
		t.Errorf("%+v", s)
	}
	b.run("p/a", "touch", "/alive", "/started")
	b.ready("p", true)
	if s := b.pod("p").Status.ContainerStatuses[0]; !*s.Started {
		t.Errorf("%+v", s)
	}
	b.remove("p")
	b.apply(pod("p", `"terminationGracePeriodSeconds":1`, sh("a", idle, probe("startupProbe", fileThere("/never"), `"failureThreshold":2`))))
	b.until("p/a", "restarted", func(s Subject) bool { return s.Restarts >= 1 })
	if got := b.killing("p/a"); got != "startup" {
		t.Errorf("killed for %q", got)
	}
}

func TestNetworkProbes(t *testing.T) {
	b := open(t)
	b.apply(pod("p", "", sh("a", "mkdir -p /www/dir; echo ok >/www/ok; while [ ! -e /serve ]; do sleep 0.02; done; httpd -f -p 8080 -h /www", `"ports":[{"name":"web","containerPort":8080}]`,
		probe("readinessProbe", `"httpGet":{"path":"/ok","port":"web","httpHeaders":[{"name":"X-Test","value":"1"}]}`)),
		sh("b", "while [ ! -e /serve ]; do sleep 0.02; done; nc -ll -p 9090 -e true", probe("readinessProbe", `"tcpSocket":{"port":9090}`)),
		sh("c", "nc -ll -s 127.0.0.1 -p 7070 -e true", probe("readinessProbe", `"tcpSocket":{"port":7070}`))))
	ready := func(i int) func() bool { return func() bool { return b.pod("p").Status.ContainerStatuses[i].Ready } }
	b.eventually("refused connections", func() bool { return strings.Count(b.reasons(), "Unhealthy") >= 4 })
	if got := b.detail("Unhealthy"); !strings.Contains(got, "connect: connection refused") {
		t.Error(got)
	}
	b.run("p/a", "touch", "/serve")
	b.run("p/b", "touch", "/serve")
	b.eventually("HTTP readiness", ready(0))
	b.eventually("TCP readiness", ready(1))
	if ready(2)() {
		t.Error("a server on its loopback is reached")
	}
	b.run("p/a", "rm", "/www/ok")
	b.eventually("404", func() bool { return !ready(0)() })
	b.eventually("the status", func() bool { return b.told("HTTP probe failed with statuscode: 404") })
}

// told reports whether any moment's detail has these words.
func (b *bench) told(words string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.moments {
		if strings.Contains(m.Params["detail"], words) {
			return true
		}
	}
	return false
}

func TestExecProbeTimesOut(t *testing.T) {
	b := open(t)
	b.apply(pod("p", "", sh("a", idle, `"readinessProbe":{"exec":{"command":["sleep","77"]},"timeoutSeconds":6,"periodSeconds":1}`),
		sh("b", idle, probe("readinessProbe", `"exec":{"command":["nosuch"]}`))))
	b.eventually("a timeout", func() bool { return b.told(`command "sleep 77" timed out`) })
	b.eventually("a command that is not there", func() bool { return b.told("nosuch") })
	if got, _ := b.run("p/a", "sh", "-c", "ps | grep -c '[s]leep 77'"); got != "0" && got != "1" { // the one that runs now
		t.Errorf("%s checks run", got)
	}
}

// TestProbesAreHidden: a check's process is in the group that views leave out, and a moment tells of it.
func TestProbesAreHidden(t *testing.T) {
	b := open(t)
	b.apply(pod("p", "", sh("a", idle, probe("livenessProbe", `"exec":{"command":["cat","/proc/self/cgroup"]}`, `"failureThreshold":1`),
		probe("readinessProbe", `"exec":{"command":["sh","-c","cat /proc/self/cgroup; exit 1"]}`))))
	b.eventually("a hidden moment", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, m := range b.moments {
			if m.Kind == sandbox.MomentHidden && m.PID != 0 {
				return true
			}
		}
		return false
	})
	b.eventually("the group's name", func() bool { return b.told("/" + HiddenCgroup) })
}

func TestProbesGoOnAfterAdoption(t *testing.T) {
	keeper := newKeeper()
	agent := startAgent(t, keeper)
	agent.ask(pod("p", inits(sh("one", "exit 0"), sidecar("side", idle)), sh("a", idle, probe("livenessProbe", fileThere("/bin")), probe("readinessProbe", fileThere("/ready")))), "applied <nil>")
	agent.ask("begun", "running")
	agent.kill()
	b := adopting(t, keeper)
	if one := b.until("p/one", "done", func(s Subject) bool { return s.State == exited }); one.Restarts != 0 {
		t.Errorf("run again: %+v", one)
	}
	if b.running("p/a").Restarts != 0 || b.running("p/side").Restarts != 0 {
		t.Error("restarted")
	}
	b.run("p/a", "touch", "/ready")
	b.ready("p", true)
}

// TestDeletionGoesOnAfterAdoption: the grace that was given ends when it would have.
func TestDeletionGoesOnAfterAdoption(t *testing.T) {
	keeper := newKeeper()
	agent := startAgent(t, keeper)
	agent.ask(pod("p", "", sh("a", "trap '' TERM; while :; do sleep 0.1; done", `"lifecycle":{"preStop":{"exec":{"command":["sleep","0.1"]}}}`)), "applied <nil>")
	agent.ask("wait", "running")
	agent.ask("delete p 3", "deleting")
	agent.kill()
	b := adopting(t, keeper)
	began := time.Now()
	b.eventually("the end of the pod", func() bool { return len(b.State().Pods) == 0 })
	if took := time.Since(began); took > sandboxtest.Within(5*time.Second) {
		t.Errorf("took %v", took)
	}
}

// TestProbesInSharedNamespaces: a pod with one process namespace, and one on the node's network.
func TestProbesInSharedNamespaces(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"shareProcessNamespace":true,"terminationGracePeriodSeconds":1`,
		sh("a", idle, probe("livenessProbe", fileGone("/dead"), `"failureThreshold":1`)), sh("b", idle)))
	b.apply(pod("q", `"hostNetwork":true`, sh("a", "nc -ll -p 9191 -e true", probe("readinessProbe", `"tcpSocket":{"port":9191}`))))
	b.trapped("p/a")
	b.ready("p", true)
	b.ready("q", true)
	b.run("p/a", "touch", "/dead")
	b.until("p/a", "restarted", func(s Subject) bool { return s.Restarts == 1 && isRunning(s) })
	if s := b.running("p/b"); s.Restarts != 0 {
		t.Errorf("%+v", s)
	}
}

func TestReadHead(t *testing.T) {
	for text, want := range map[string]string{
		"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody":    "200  <nil>",
		"HTTP/1.0 302 Found\r\nlocation: /x\r\n": "302 /x <nil>",
		"HTTP/1.1 404\r\n":                       "404  <nil>",
		"SSH-2.0-OpenSSH\r\n":                    `0  malformed HTTP response "SSH-2.0-OpenSSH"`,
		"HTTP/1.1 99999 x\r\n":                   `99999  malformed`,
		"":                                       "0  unexpected EOF",
	} {
		status, location, err := readHead(strings.NewReader(text))
		if got := fmt.Sprintf("%d %s %v", status, location, err); !strings.HasPrefix(got, want) && !strings.Contains(want, "malformed") || err == nil && strings.Contains(want, "malformed") {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestRedirects(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			head, _ := bufio.NewReader(conn).ReadString('\n')
			answer := map[string]string{"/ok": "200 OK\r\n", "/here": "302 x\r\nLocation: /ok\r\n", "/there": "302 x\r\nLocation: http://example.com/\r\n",
				"/round": "302 x\r\nLocation: /round\r\n"}[strings.Fields(head)[1]]
			fmt.Fprintf(conn, "HTTP/1.1 %s\r\n", answer)
			conn.Close()
		}
	}()
	c := &container{spec: &sandbox.ContainerSpec{}}
	port := sandbox.IntOrString(fmt.Sprint(listener.Addr().(*net.TCPAddr).Port))
	for path, want := range map[string]struct {
		found   verdict
		warning bool
	}{"/ok": {success, false}, "here": {success, false}, "/there": {success, true}, "/round": {failed, false}} {
		found, detail, warning := c.checkHTTP(context.Background(), &sandbox.HTTPGetAction{Path: path, Port: port, Host: "127.0.0.1"})
		if found != want.found || warning != want.warning {
			t.Errorf("%s: %v %q %v", path, found, detail, warning)
		}
	}
}

func TestRequest(t *testing.T) {
	target, _ := url.Parse("http://10.88.0.2:80/a?b=c")
	got := request(target, withOwn(target, []sandbox.HTTPHeader{{Name: "host", Value: "name\r\nInjected: x"}}))
	if !strings.HasPrefix(got, "GET /a?b=c HTTP/1.1\r\n") || !strings.Contains(got, "host: nameInjected: x\r\n") || strings.Contains(got, "Host: 10") || !strings.Contains(got, "User-Agent: kube-probe/") {
		t.Error(got)
	}
}
