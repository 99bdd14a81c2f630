package engine

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

func readProc(name string) string {
	data, _ := os.ReadFile(name)
	return string(data)
}

// delete removes a pod with the given grace, negative for its own.
func (b *bench) delete(name string, grace int64) {
	b.t.Helper()
	if err := b.Delete(context.Background(), sandbox.Ref{Kind: "Pod", Name: name}, grace); err != nil {
		b.t.Fatal(err)
	}
}

// detail is parameter detail of the last moment with that reason.
func (b *bench) detail(reason string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(b.moments) - 1; i >= 0; i-- {
		if b.moments[i].Reason == reason {
			return b.moments[i].Params["detail"]
		}
	}
	return "no moment"
}

func TestPostStart(t *testing.T) {
	b := open(t)
	hook := `"lifecycle":{"postStart":{"exec":{"command":["sh","-c","while [ ! -e /go ]; do sleep 0.02; done; touch /hooked"]}}}`
	b.apply(pod("p", "", sh("a", idle, hook), sh("b", idle)))
	b.running("p/a")
	status := b.pod("p").Status
	if waits := status.ContainerStatuses[0].State.Waiting; status.Phase != "Pending" || waits == nil || waits.Reason != reasonCreating {
		t.Errorf("%+v", status)
	}
	if _, s, _ := b.find("p/b"); s.State != waiting {
		t.Errorf("the kubelet starts the next when the hook is over: %+v", s)
	}
	b.run("p/a", "touch", "/go")
	b.running("p/b")
	b.phase("p", "Running")
	if _, exit := b.run("p/a", "test", "-e", "/hooked"); exit.Code != 0 {
		t.Error("the hook did not run in the container")
	}
}

func TestPostStartFails(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"terminationGracePeriodSeconds":1`, sh("a", idle, `"lifecycle":{"postStart":{"exec":{"command":["sh","-c","echo why; exit 3"]}}}`)))
	b.until("p/a", "restarted", func(s Subject) bool { return s.Restarts >= 1 })
	if got := b.detail("FailedPostStartHook"); !strings.Contains(got, "exited with 3: why") {
		t.Error(got)
	}
}

func TestPreStop(t *testing.T) {
	b := open(t)
	os.Remove("/tmp/prestop/log")
	b.apply(pod("p", `"terminationGracePeriodSeconds":20,"volumes":[{"name":"v","hostPath":{"path":"/tmp/prestop","type":"DirectoryOrCreate"}}]`,
		sh("a", `trap 'echo term >>/v/log; exit 0' TERM; while :; do sleep 1 & wait $!; done`, `"volumeMounts":[{"name":"v","mountPath":"/v"}]`,
			`"lifecycle":{"preStop":{"exec":{"command":["sh","-c","sleep 0.2; echo hook >>/v/log"]}}}`)))
	b.trapped("p/a")
	b.delete("p", -1)
	if got := readProc("/tmp/prestop/log"); got != "hook\nterm\n" {
		t.Errorf("%q", got)
	}
}

// TestPreStopCountsAgainstGrace: a hook that lasts too long is ended with the grace, and the container killed; one that fails is told of.
func TestPreStopCountsAgainstGrace(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"terminationGracePeriodSeconds":1`, sh("a", `trap 'sleep 0.5; exit 0' TERM; while :; do sleep 1 & wait $!; done`,
		`"lifecycle":{"preStop":{"exec":{"command":["sleep","999"]}}}`)))
	b.trapped("p/a")
	began := time.Now()
	b.delete("p", -1)
	if took := time.Since(began); took < time.Second || took > sandboxtest.Within(2900*time.Millisecond) {
		t.Errorf("took %v", took)
	}
	if got := b.order("Completed"); got != "p/a" {
		t.Errorf("it had time for its trap: %q", got)
	}
	b.apply(pod("p", "", sh("a", idle, `"lifecycle":{"preStop":{"exec":{"command":["false"]}}}`)))
	b.trapped("p/a")
	b.delete("p", -1)
	if got := b.detail("FailedPreStopHook"); !strings.Contains(got, "exited with 1") {
		t.Error(got)
	}
}

func TestPreStopSleepsAndAsks(t *testing.T) {
	b := open(t)
	b.apply(pod("p", "", sh("a", idle, `"lifecycle":{"preStop":{"sleep":{"seconds":8}}}`),
		sh("b", "mkdir /www; echo bye >/www/bye; httpd -f -vv -p 8080 -h /www", `"lifecycle":{"preStop":{"httpGet":{"path":"/bye","port":8080}}}`)))
	b.trapped("p/a")
	b.running("p/b")
	b.eventually("server", func() bool {
		conn, err := b.Dial(context.Background(), "p", 8080)
		return err == nil && conn.Close() == nil
	})
	began := time.Now()
	done := make(chan error, 1)
	go func() { done <- b.Delete(context.Background(), sandbox.Ref{Kind: "Pod", Name: "p"}, 2) }()
	asked := false
	for len(done) == 0 {
		var log bytes.Buffer // the pod may be gone by now
		if b.Logs(context.Background(), sandbox.LogOptions{Container: "p/b"}, &log) == nil && strings.Contains(log.String(), "url:/bye") {
			asked = true
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < 400*time.Millisecond || !asked {
		t.Errorf("took %v, asked %v", took, asked)
	}
}

func TestParseSignal(t *testing.T) {
	for text, want := range map[string]string{"": "terminated", "SIGQUIT": "quit", "quit": "quit", "10": "user defined signal 1", "NONE": "terminated", "999": "terminated"} {
		if got := parseSignal(text).String(); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// TestStopSignal: an image that names another signal than SIGTERM is stopped by it.
func TestStopSignal(t *testing.T) {
	b := open(t)
	script := "trap 'echo usr1 >/dev/termination-log; exit 7' USR1; trap '' TERM; while :; do sleep 1 & wait $!; done"
	with := func(deadline int) string {
		return pod("p", fmt.Sprintf(`"activeDeadlineSeconds":%d`, deadline), strings.Replace(sh("a", script), `"busybox"`, `"busybox2"`, 1))
	}
	b.apply(with(1000))
	b.trapped("p/a")
	b.apply(with(1)) // ends it without deleting it
	b.until("p/a", "stopped", func(s Subject) bool { return s.State == exited && s.ExitCode == 7 })
	if got := b.pod("p").Status.ContainerStatuses[0].State.Terminated.Message; got != "usr1\n" {
		t.Errorf("%q", got)
	}
}
