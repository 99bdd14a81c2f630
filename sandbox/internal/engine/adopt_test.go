package engine

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/image"
	"podlab/sandbox/node/keep"
)

// agentMain is an agent to be killed: it applies each line of its input and answers with a line. Descriptor 3 leads to the store.
func agentMain() int {
	conn, err := net.FileConn(os.NewFile(3, "store"))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	images, err := image.Open("/var/lib/podlab/images")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	e, err := Open(Config{Images: images, BackOff: 50 * time.Millisecond, Second: 50 * time.Millisecond}, keep.NewClient(conn.(*net.UnixConn)), func(sandbox.Moment) {})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if in.Text() == "begun" { // all of the pod's own containers run, behind its init containers
			for pods := e.State().Pods; len(pods) == 0 || pods[0].Status.Phase != phaseRunning; pods = e.State().Pods {
				time.Sleep(time.Millisecond)
			}
			fmt.Println("running")
			continue
		}
		if fields := strings.Fields(in.Text()); fields[0] == "delete" {
			grace, _ := strconv.ParseInt(fields[2], 10, 64)
			go e.Delete(context.Background(), sandbox.Ref{Kind: sandbox.ManifestPod, Name: fields[1]}, grace)
			for e.State().Pods[0].Metadata.DeletionTimestamp == "" {
				time.Sleep(time.Millisecond)
			}
			fmt.Println("deleting")
			continue
		}
		if in.Text() == "wait" {
			for _, v := range e.views() {
				for _, s := range v.subject {
					for s.State != sandbox.StateRunning {
						time.Sleep(time.Millisecond)
						_, s, _ = e.find(s.ID)
					}
				}
			}
			fmt.Println("running")
			continue
		}
		_, err := e.Apply(context.Background(), []byte(in.Text()))
		fmt.Println("applied", err)
	}
	return 0
}

// mortal is a running agentMain.
type mortal struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
	say   func(string)
}

// startAgent runs an agent whose descriptors keeper holds and whose orphans become children of the test.
func startAgent(t *testing.T, keeper *fakeKeeper) *mortal {
	needRoot(t)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "store"), os.NewFile(uintptr(fds[1]), "store")
	conn, err := net.FileConn(ours)
	if err != nil {
		t.Fatal(err)
	}
	ours.Close()
	go keeper.serve(conn.(*net.UnixConn))
	os.Setenv(roleVariable, "agent")
	defer os.Setenv(roleVariable, "test")
	m := &mortal{t: t, cmd: exec.Command(os.Args[0])}
	m.cmd.Stderr, m.cmd.ExtraFiles = os.Stderr, []*os.File{theirs}
	in, _ := m.cmd.StdinPipe()
	out, _ := m.cmd.StdoutPipe()
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	m.lines = bufio.NewScanner(out)
	m.say = func(line string) { fmt.Fprintln(in, strings.ReplaceAll(line, "\n", " ")) }
	return m
}

func (m *mortal) ask(line, want string) {
	m.t.Helper()
	m.say(line)
	if !m.lines.Scan() || m.lines.Text() != want {
		m.t.Fatalf("agent answers %q", m.lines.Text())
	}
}

func (m *mortal) kill() {
	m.cmd.Process.Kill()
	m.cmd.Wait()
}

// serve is node init's side of the store.
func (k *fakeKeeper) serve(conn *net.UnixConn) {
	defer conn.Close()
	for {
		var r keep.Request
		fds, err := keep.Receive(conn, &r)
		if err != nil {
			return
		}
		var files []*os.File
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), r.Key))
		}
		switch r.Op {
		case keep.OpKeep:
			k.Keep(r.Key, files...)
		case keep.OpDrop:
			k.Drop(r.Key)
		}
		closeAll(files)
		keep.Send(conn, keep.Reply{}, nil)
	}
}

// adopting opens an engine over what a dead agent left.
func adopting(t *testing.T, keeper *fakeKeeper) *bench {
	b := &bench{t: t, keeper: keeper}
	reapStrangers(t)
	e, err := Open(testConfig(t), keeper, b.note)
	if err != nil {
		t.Fatal(err)
	}
	b.Engine = e
	t.Cleanup(b.finish)
	return b
}

// reapStrangers waits, as node init does, for what an agent's death left to the test that is no container's first process: commands of
// probes and hooks. A process namespace cannot end while one of its processes is not waited for.
func reapStrangers(t *testing.T) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		fields := strings.Fields(readProc(stat)[strings.LastIndexByte(readProc(stat), ')')+1:])
		if len(fields) < 2 || fields[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(stat))); err == nil && nsPID(t, pid) != "1" {
			go unix.Wait4(pid, nil, 0, nil)
		}
	}
}

func childPID(t *testing.T, path string) string {
	data, err := os.ReadFile(group("pids", path) + "/cgroup.procs")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(data))[0]
}

func TestAdoption(t *testing.T) {
	keeper := newKeeper()
	agent := startAgent(t, keeper)
	agent.ask(pod("p", "", sh("talks", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done"), sh("dies", "sleep 0.6; exit 9")), "applied <nil>")
	agent.ask(plain("one", fmt.Sprintf(`"image":"busybox","command":["sh","-c",%q],"restartPolicy":"Always"`, idle)), "applied <nil>")
	agent.ask("wait", "running")
	infra, talks, one := childPID(t, "/pods/p/_infra"), childPID(t, "/pods/p/talks"), childPID(t, "/containers/one")
	time.Sleep(100 * time.Millisecond)
	agent.kill()
	time.Sleep(900 * time.Millisecond) // "dies" ends while there is no agent
	b := adopting(t, keeper)
	for id, pid := range map[string]string{"p/_infra": infra, "p/talks": talks, "one": one} {
		if s := b.running(id); strconv.Itoa(s.PID) != pid || s.Restarts != 0 {
			t.Errorf("%s was %s: %+v", id, pid, s)
		}
	}
	b.until("p/dies", "restarted once", func(s Subject) bool { return s.Restarts == 1 })
	if last := b.pod("p").Status.ContainerStatuses[1].LastState.Terminated; last == nil || last.ExitCode != 9 {
		t.Errorf("how it ended is lost: %+v", b.pod("p").Status.ContainerStatuses[1])
	}
	if _, exit := b.run("p/talks", "true"); exit.Code != 0 {
		t.Error("no exec in an adopted container")
	}
	b.checkCounted("p/talks")
	pid := b.running("one").PID
	unix.Kill(pid, unix.SIGKILL)
	b.until("one", "restarted", func(s Subject) bool { return s.Restarts == 1 && isRunning(s) && s.PID != pid })
	if !strings.Contains(b.reasons(), "Adopted") {
		t.Error(b.reasons())
	}
}

// checkCounted looks for a number that is missing or doubled in a log that counts.
func (b *bench) checkCounted(id string) {
	b.t.Helper()
	time.Sleep(50 * time.Millisecond)
	lines := strings.Fields(b.log(id, sandbox.LogOptions{}))
	for i, line := range lines {
		if line != strconv.Itoa(i+1) {
			b.t.Fatalf("line %d of the log says %s", i+1, line)
		}
	}
	if len(lines) < 20 {
		b.t.Errorf("only %d lines", len(lines))
	}
}

// TestAgentDiesWhileStarting kills agents at different moments of a pod's start: it always comes up, once.
func TestAgentDiesWhileStarting(t *testing.T) {
	needRoot(t)
	for _, after := range []time.Duration{0, 10, 20, 30, 40, 50, 60, 80} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			keeper := newKeeper()
			agent := startAgent(t, keeper)
			agent.ask(pod("p", "", sh("a", idle), sh("b", idle)), "applied <nil>")
			time.Sleep(after * time.Millisecond)
			agent.kill()
			b := adopting(t, keeper)
			b.running("p/a")
			b.running("p/b")
			if infra, a := b.running("p/_infra"), b.running("p/a"); ns(t, infra.PID, "net") != ns(t, a.PID, "net") {
				t.Error("network is not shared")
			}
		})
	}
}

func TestLostRecordIsSwept(t *testing.T) {
	keeper := newKeeper()
	agent := startAgent(t, keeper)
	agent.ask(pod("p", "", sh("a", idle)), "applied <nil>")
	agent.ask("wait", "running")
	agent.kill()
	records, _ := os.ReadDir("/run/podlab/agent/engine/objects")
	for _, r := range records {
		os.WriteFile("/run/podlab/agent/engine/objects/"+r.Name(), []byte(`{"torn`), 0o600)
	}
	b := adopting(t, keeper)
	if s := b.State(); len(s.Containers) != 0 {
		t.Errorf("%+v", s)
	}
	b.apply(pod("p", "", sh("a", idle)))
	b.running("p/a")
}

// TestAgentDiesWhileInitializing kills agents at different moments of a pod with init containers, a sidecar and hooks: each init
// container that succeeded did so once, and the pod comes up.
func TestAgentDiesWhileInitializing(t *testing.T) {
	needRoot(t)
	manifest := pod("p", `"terminationGracePeriodSeconds":1,"volumes":[{"name":"v","emptyDir":{}}],"initContainers":[`+
		sh("one", "sleep 0.03; echo one >>/v/log", `"volumeMounts":[{"name":"v","mountPath":"/v"}]`)+","+
		sidecar("side", idle, probe("startupProbe", fileThere("/bin")))+","+
		sh("two", "sleep 0.03; echo two >>/v/log", `"volumeMounts":[{"name":"v","mountPath":"/v"}]`)+`]`,
		sh("a", idle, `"volumeMounts":[{"name":"v","mountPath":"/v"}]`, `"lifecycle":{"postStart":{"exec":{"command":["sleep","0.02"]}}}`))
	for _, after := range []time.Duration{0, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200, 250} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			keeper := newKeeper()
			agent := startAgent(t, keeper)
			agent.ask(manifest, "applied <nil>")
			time.Sleep(after * time.Millisecond)
			agent.kill()
			b := adopting(t, keeper)
			b.phase("p", "Running")
			b.ready("p", true)
			got, _ := b.run("p/a", "sort", "-u", "/v/log")
			if got != "one\ntwo" {
				t.Errorf("%q", got)
			}
		})
	}
}
