package engine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

func (b *bench) remove(name string) {
	b.t.Helper()
	if err := b.Delete(context.Background(), sandbox.Ref{Kind: "Pod", Name: name}, 0); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) phase(name, want string) sandbox.Pod {
	b.t.Helper()
	deadline := time.Now().Add(sandboxtest.Within(10 * time.Second))
	for {
		p := b.pod(name)
		if p.Status.Phase == want {
			return p
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("pod %s is %s, not %s: %+v", name, p.Status.Phase, want, p.Status)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (b *bench) log(id string, opt sandbox.LogOptions) string {
	b.t.Helper()
	var out bytes.Buffer
	opt.Container = id
	if err := b.Logs(context.Background(), opt, &out); err != nil {
		b.t.Fatal(err)
	}
	return out.String()
}

func TestRestartPolicies(t *testing.T) {
	b := open(t)
	for _, c := range []struct{ policy, script, phase, reason string }{
		{"Never", "exit 0", "Succeeded", "Completed"},
		{"Never", "exit 3", "Failed", "Error"},
		{"OnFailure", "exit 0", "Succeeded", "Completed"},
		{"Never", "kill -9 $$; exit 0", "Succeeded", "Completed"}, // process 1 is immune to its own signals
	} {
		b.apply(pod("p", `"restartPolicy":"`+c.policy+`"`, sh("a", c.script)))
		p := b.phase("p", c.phase)
		got := p.Status.ContainerStatuses[0].State.Terminated
		if got == nil || got.Reason != c.reason {
			t.Errorf("%s %q: %+v", c.policy, c.script, p.Status.ContainerStatuses[0])
		}
		b.until("p/_infra", "stopped", func(s Subject) bool { return s.State == exited })
		b.remove("p")
	}
}

func TestCrashLoop(t *testing.T) {
	b := open(t)
	b.apply(pod("p", "", sh("a", "echo run; exit 7")))
	s := b.until("p/a", "in back-off after three restarts", func(s Subject) bool { return s.Restarts >= 3 && s.Reason == reasonCrashLoop })
	if s.ExitCode != 7 || s.State != waiting {
		t.Errorf("%+v", s)
	}
	status := b.pod("p").Status.ContainerStatuses[0]
	if last := status.LastState.Terminated; last == nil || last.ExitCode != 7 || last.Reason != "Error" {
		t.Errorf("last state %+v", status.LastState)
	}
	if status.State.Waiting == nil || !strings.Contains(status.State.Waiting.Message, "restarting failed container=a pod=p_default(") {
		t.Errorf("state %+v", status.State)
	}
	if !strings.Contains(b.reasons(), "BackOff") {
		t.Error(b.reasons())
	}
	if got := b.log("p/a", sandbox.LogOptions{Previous: true}); got != "run\n" {
		t.Errorf("previous log %q", got)
	}
}

func TestCannotRun(t *testing.T) {
	b := open(t)
	for command, code := range map[string]int{`["/no/such"]`: 127, `["nosuch"]`: 127, `["/etc"]`: 126} {
		b.apply(pod("p", `"restartPolicy":"Never"`, `{"name":"a","image":"busybox","command":`+command+`}`))
		p := b.phase("p", "Failed")
		got := p.Status.ContainerStatuses[0].State.Terminated
		if got.ExitCode != code || got.Reason != reasonCannotRun || got.Message == "" {
			t.Errorf("%s: %+v", command, got)
		}
		b.remove("p")
	}
}

func TestMemoryLimit(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"restartPolicy":"Never"`, sh("a", "tail /dev/zero", `"resources":{"limits":{"memory":"24Mi"}}`)))
	p := b.phase("p", "Failed")
	if got := p.Status.ContainerStatuses[0].State.Terminated; got.Reason != reasonOOM || got.ExitCode != 137 {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(b.reasons(), reasonOOM) {
		t.Errorf("no moment of it: %s", b.reasons())
	}
}

// TestMemoryLimitOfChild: the kernel kills a child, the container goes on, and the moment tells.
func TestMemoryLimitOfChild(t *testing.T) {
	b := open(t)
	b.apply(pod("p", "", sh("a", "tail /dev/zero; echo killed $?; "+idle, `"resources":{"limits":{"memory":"24Mi"}}`)))
	b.running("p/a")
	b.eventually("an OOM moment", func() bool { return strings.Contains(b.reasons(), reasonOOM) })
	if s := b.running("p/a"); s.Restarts != 0 {
		t.Errorf("%+v", s)
	}
}

func (b *bench) eventually(what string, ok func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(sandboxtest.Within(10 * time.Second)); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("no %s", what)
		}
	}
}

func TestLeastMemoryStarts(t *testing.T) {
	b := open(t)
	b.apply(pod("p", "", sh("a", idle, fmt.Sprintf(`"resources":{"limits":{"memory":"%d"}}`, minMemory*raceFactor))))
	b.running("p/a")
	if _, exit := b.run("p/a", "true"); exit.Code != 0 {
		t.Error("exec fails at the least memory limit")
	}
}

func TestRefusals(t *testing.T) {
	b := open(t)
	b.apply(pod("taken", "", sh("a", idle, `"resources":{"requests":{"memory":"300Mi"}}`)))
	for name, c := range map[string]struct {
		manifest string
		code     sandbox.Code
	}{
		"unknown image":  {plain("p", `"image":"ngnix"`), sandbox.CodeUnknownImage},
		"no image":       {pod("p", "", `{"name":"a"}`), sandbox.CodeBadValue},
		"over capacity":  {pod("p", "", sh("a", idle, `"resources":{"limits":{"memory":"300Mi"}}`)), sandbox.CodeOverCapacity},
		"plain name":     {plain("taken", `"image":"busybox"`), sandbox.CodeNameTaken},
		"volume":         {pod("p", "", sh("a", idle, `"volumeMounts":[{"name":"x","mountPath":"/x"}]`)), sandbox.CodeVolumeNotFound},
		"immutable":      {pod("taken", "", sh("a", "other", `"resources":{"requests":{"memory":"300Mi"}}`)), sandbox.CodeImmutable},
		"join nothing":   {plain("q", `"image":"busybox","join":{"network":"container:none"}`), sandbox.CodeNotFound},
		"capability":     {pod("p", "", sh("a", idle, `"securityContext":{"capabilities":{"add":["SYS_TIME"]}}`)), sandbox.CodeBadValue},
		"name":           {pod("../p", "", sh("a", idle)), sandbox.CodeBadValue},
		"mount path":     {pod("p", `"volumes":[{"name":"v","emptyDir":{}}]`, sh("a", idle, `"volumeMounts":[{"name":"v","mountPath":"/a/../../b"}]`)), sandbox.CodeBadValue},
		"unknown field":  {pod("p", `"nodeName":"x"`, sh("a", idle)), sandbox.CodeBadManifest},
		"little memory":  {pod("p", "", sh("a", idle, `"resources":{"limits":{"memory":"1Mi"}}`)), sandbox.CodeBadValue},
		"another's kind": {`{"apiVersion":"apps/v1","kind":"Deployment"}`, sandbox.CodeBadManifest},
	} {
		if _, err := b.Apply(context.Background(), []byte(c.manifest)); sandbox.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	if a := b.apply(pod("taken", "", sh("a", idle, `"resources":{"requests":{"memory":"300Mi"}}`))); a.Action != unchanged {
		t.Errorf("applied again: %+v", a)
	}
}

func TestVolumes(t *testing.T) {
	b := open(t)
	os.MkdirAll("/tmp/host/dir", 0o755)
	os.WriteFile("/tmp/host/file", []byte("of the node\n"), 0o644)
	b.apply(pod("p", `"volumes":[{"name":"disk","emptyDir":{}},{"name":"mem","emptyDir":{"medium":"Memory","sizeLimit":"1Mi"}},
		{"name":"dir","hostPath":{"path":"/tmp/host/dir","type":"Directory"}},{"name":"file","hostPath":{"path":"/tmp/host/file","type":"File"}},
		{"name":"new","hostPath":{"path":"/tmp/host/new","type":"DirectoryOrCreate"}},{"name":"newfile","hostPath":{"path":"/tmp/host/newfile","type":"FileOrCreate"}}]`,
		sh("a", idle, `"volumeMounts":[{"name":"disk","mountPath":"/data"},{"name":"mem","mountPath":"/mem"},{"name":"dir","mountPath":"/dir"}]`),
		sh("b", idle, `"volumeMounts":[{"name":"disk","mountPath":"/other","readOnly":true},{"name":"file","mountPath":"/file"},{"name":"new","mountPath":"/new"},{"name":"newfile","mountPath":"/newfile"}]`)))
	b.running("p/a")
	s := b.running("p/b")
	b.run("p/a", "sh", "-c", "echo shared >/data/x; echo back >/dir/y")
	for _, c := range []struct{ id, script, want string }{
		{"p/b", "cat /other/x", "shared"},
		{"p/b", "cat /file", "of the node"},
		{"p/b", "touch /other/z 2>&1; touch /new/made /newfile; echo $?", "touch: /other/z: Read-only file system\n0"},
		{"p/a", "dd if=/dev/zero of=/mem/big bs=1M count=2 2>&1 | head -1", "dd: error writing '/mem/big': No space left on device"},
		{"p/a", "cat /srv/hello; rm -r /usr/share/old && ls /usr/share/old 2>&1", "hello\nls: /usr/share/old: No such file or directory"},
	} {
		if got, _ := b.run(c.id, "sh", "-c", c.script); got != c.want {
			t.Errorf("%s in %s: %q, want %q", c.script, c.id, got, c.want)
		}
	}
	if data, _ := os.ReadFile("/tmp/host/dir/y"); string(data) != "back\n" {
		t.Errorf("not on the node: %q", data)
	}
	if _, err := os.Stat("/tmp/host/new/made"); err != nil {
		t.Error(err)
	}
	for _, v := range b.State().Volumes {
		if v.Name == "disk" {
			if data, _ := os.ReadFile(v.Path + "/x"); string(data) != "shared\n" {
				t.Errorf("%s: %q", v.Path, data)
			}
		}
	}
	if len(s.Mounts) != 4 || s.Mounts[0].ReadOnly != true || len(s.Layers) != 3 || !s.Layers[2].Writable {
		t.Errorf("%+v %+v", s.Mounts, s.Layers)
	}
}

// TestWrongHostPath: the pod waits with Kubernetes' reason, and starts once the path is right.
func TestWrongHostPath(t *testing.T) {
	b := open(t)
	t.Cleanup(func() { os.Remove("/tmp/late") })
	b.apply(pod("p", `"volumes":[{"name":"v","hostPath":{"path":"/tmp/late","type":"Directory"}}]`, sh("a", idle, `"volumeMounts":[{"name":"v","mountPath":"/v"}]`)))
	b.eventually("FailedMount", func() bool { return strings.Contains(b.reasons(), "FailedMount") })
	b.eventually("the mistake in the pod's status", func() bool { // which is published a moment after the event
		got := b.pod("p").Status.ContainerStatuses[0].State.Waiting
		return got.Reason == reasonCreating && strings.Contains(got.Message, "hostPath type check failed: /tmp/late is not a directory")
	})
	if got := b.pod("p").Status.Phase; got != "Pending" {
		t.Errorf("the pod is %s", got)
	}
	err := b.Logs(context.Background(), sandbox.LogOptions{Container: "p/a", Follow: true}, io.Discard)
	if e := sandbox.Public(err); e.Code != sandbox.CodeWaiting || e.Params["container"] != "a" || e.Params["pod"] != "p" || e.Params["reason"] != reasonCreating {
		t.Errorf("log: %v", err)
	}
	os.Mkdir("/tmp/late", 0o755)
	b.running("p/a")
	if got := b.log("p/a", sandbox.LogOptions{}); got != "" {
		t.Errorf("log %q", got)
	}
}

func TestSharedProcessNamespace(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"shareProcessNamespace":true`, sh("a", `(sh -c 'sleep 0.2; touch /over' & exec sleep 0.1) & `+idle), sh("b", idle)))
	a, second, infra := b.running("p/a"), b.running("p/b"), b.running("p/_infra")
	if ns(t, a.PID, "pid") != ns(t, infra.PID, "pid") || ns(t, second.PID, "pid") != ns(t, infra.PID, "pid") {
		t.Error("pid namespace is not shared")
	}
	if inside := nsPID(t, infra.PID); inside != "1" {
		t.Errorf("pause is process %s", inside)
	}
	if got, _ := b.run("p/b", "cat", "/proc/1/comm"); got != "pause" {
		t.Errorf("process 1 is %s", got)
	}
	b.eventually("end of the orphan", func() bool {
		_, exit := b.run("p/a", "test", "-e", "/over")
		return exit.Code == 0
	})
	b.eventually("reaping of the orphan", func() bool {
		got, _ := b.run("p/b", "sh", "-c", "ps -o stat,args | grep -cE '^Z|^[^ ]+ +sh -c sleep'")
		return got == "0"
	})
	// A container's other processes do not outlive its first one.
	b.run("p/a", "sh", "-c", "setsid sleep 999 >/dev/null 2>&1 &")
	unix.Kill(a.PID, unix.SIGKILL)
	b.until("p/a", "restarted", func(s Subject) bool { return s.Restarts == 1 && isRunning(s) })
	if got, _ := b.run("p/b", "sh", "-c", "ps | grep -c '[s]leep 999'"); got != "0" {
		t.Errorf("%s processes of the ended container live", got)
	}
}

// nsPID is a process's pid in its own namespace.
func nsPID(t *testing.T, pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "NSpid:") {
			fields := strings.Fields(line)
			return fields[len(fields)-1]
		}
	}
	return ""
}

func TestHostNamespaces(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"hostPID":true,"hostNetwork":true,"hostIPC":true`, sh("a", idle)))
	a := b.running("p/a")
	for _, kind := range []string{"pid", "net", "ipc", "uts"} {
		if ns(t, a.PID, kind) != ns(t, os.Getpid(), kind) {
			t.Errorf("%s is not the node's", kind)
		}
	}
	if got := b.pod("p").Status; got.PodIP != got.HostIP {
		t.Errorf("%+v", got)
	}
	if got, _ := b.run("p/a", "cat", "/proc/1/comm"); !strings.Contains(got, "engine") {
		t.Errorf("the node's init is not seen: %s", got)
	}
}

func TestSecurity(t *testing.T) {
	b := open(t)
	max, mine := group("pids", "pids.max"), group("pids", "mine")
	b.apply(pod("p", "", sh("usual", idle),
		sh("drop", idle, `"securityContext":{"capabilities":{"drop":["ALL"],"add":["NET_ADMIN"]},"runAsUser":1000,"runAsGroup":1001,"readOnlyRootFilesystem":true}`),
		sh("lord", idle, `"securityContext":{"privileged":true}`)))
	for _, name := range []string{"usual", "drop", "lord"} {
		b.running("p/" + name)
	}
	for _, c := range []struct{ id, script, want string }{
		{"usual", "grep -E 'CapBnd|NoNewPrivs|Seccomp:' /proc/self/status", "CapBnd:\t00000000a80425fb\nNoNewPrivs:\t1\nSeccomp:\t2"},
		{"usual", "cat /proc/keys /proc/cmdline; ls /sys/firmware; echo x >/proc/sys/kernel/hostname; echo x >" + max + "; true", "sh: can't create /proc/sys/kernel/hostname: Read-only file system\nsh: can't create " + max + ": Read-only file system"},
		{"usual", "unshare -U true 2>&1; mount -t tmpfs x /tmp 2>&1", "unshare: unshare(0x10000000): Operation not permitted\nmount: permission denied (are you root?)"},
		{"drop", "grep CapBnd /proc/self/status; id -u; id -g; touch /x 2>&1", "CapBnd:\t0000000000001000\n1000\n1001\ntouch: /x: Read-only file system"},
		{"lord", "mount -t tmpfs x /tmp && mkdir " + mine + " && rmdir " + mine + " && hostname other && hostname", "other"},
	} {
		got, _ := b.run("p/"+c.id, "sh", "-c", c.script)
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s:\n%q, want\n%q", c.id, c.script, got, c.want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"restartPolicy":"Never","hostname":"other"`,
		`{"name":"a","image":"busybox","command":["sh","-c","echo $A $B $FROM $HOSTNAME $(pwd) $0 $1; cat /etc/hostname; grep other /etc/hosts | cut -f2"],"args":["$(A)","$$(A)$(NONE)"],
		"env":[{"name":"A","value":"1"},{"name":"B","value":"$(A)2"}],"workingDir":"/made"}`))
	p := b.phase("p", "Succeeded")
	if got, want := b.log("p/a", sandbox.LogOptions{}), "1 12 image other /made 1 $(A)$(NONE)\nother\nother\n"; got != want {
		t.Errorf("%q, want %q (%+v)", got, want, p.Status)
	}
}

func TestInfraKilled(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"terminationGracePeriodSeconds":2`, sh("a", idle), sh("b", idle)))
	before, infra := b.running("p/a"), b.running("p/_infra")
	b.running("p/b")
	was := b.pod("p")
	unix.Kill(infra.PID, unix.SIGKILL)
	after := b.until("p/a", "restarted", func(s Subject) bool { return s.Restarts == 1 && isRunning(s) })
	b.until("p/b", "restarted", func(s Subject) bool { return s.Restarts == 1 && isRunning(s) })
	is := b.pod("p")
	if is.Metadata.UID != was.Metadata.UID || is.Status.PodIP == was.Status.PodIP || after.PID == before.PID {
		t.Errorf("before %+v, after %+v", was.Status, is.Status)
	}
	if ns(t, after.PID, "net") != ns(t, b.running("p/_infra").PID, "net") {
		t.Error("not in the new network namespace")
	}
	if got, _ := b.run("p/a", "cat", "/etc/hosts"); !strings.Contains(got, is.Status.PodIP) {
		t.Errorf("/etc/hosts: %s", got)
	}
	if !strings.Contains(b.reasons(), "SandboxChanged") {
		t.Error(b.reasons())
	}
}

// TestNextSandboxIsAnother: its namespaces have numbers of their own, however long after the first one's end it comes. The kernel would give the
// number of one that is gone to the next.
func TestNextSandboxIsAnother(t *testing.T) {
	for _, adopted := range []bool{false, true} {
		b := open(t)
		late := filepath.Join(t.TempDir(), "late")
		check := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		check(os.Mkdir(late, 0o755))
		b.apply(pod("p", fmt.Sprintf(`"terminationGracePeriodSeconds":1,"volumes":[{"name":"v","hostPath":{"path":%q,"type":"Directory"}}]`, late), sh("a", idle)))
		b.running("p/a")
		if adopted {
			b.Close()
			again, err := Open(testConfig(t), b.keeper, b.note)
			check(err)
			b.Engine = again
		}
		infra := b.running("p/_infra").PID
		numbers := func(pid int) [3]string { return [3]string{ns(t, pid, "net"), ns(t, pid, "uts"), ns(t, pid, "ipc")} }
		was := numbers(infra)
		check(os.Remove(late))
		unix.Kill(infra, unix.SIGKILL)
		b.eventually("a sandbox that cannot be made yet", func() bool { return strings.Contains(b.reasons(), "FailedMount") })
		time.Sleep(200 * time.Millisecond) // the kernel has removed what nobody holds
		check(os.Mkdir(late, 0o755))
		b.until("p/_infra", "another", func(s Subject) bool { return isRunning(s) && s.PID != infra })
		is := numbers(b.running("p/_infra").PID)
		for i := range is {
			if is[i] == was[i] {
				t.Errorf("adopted %v: %s is %s again", adopted, was, is)
			}
		}
		b.remove("p")
	}
}

func TestInfraKilledNever(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"restartPolicy":"Never","terminationGracePeriodSeconds":1`, sh("a", "sleep 999")))
	b.running("p/a")
	unix.Kill(b.running("p/_infra").PID, unix.SIGKILL)
	if got := b.phase("p", "Failed").Status.ContainerStatuses[0].State.Terminated; got.ExitCode != 137 {
		t.Errorf("%+v", got)
	}
}

func TestImageChange(t *testing.T) {
	b := open(t)
	b.apply(pod("p", "", sh("a", idle), sh("b", idle)))
	a, second, infra := b.running("p/a"), b.running("p/b"), b.running("p/_infra")
	b.trapped("p/a")
	applied := b.apply(pod("p", "", strings.Replace(sh("a", idle), `"busybox"`, `"busybox2"`, 1), sh("b", idle)))
	if applied.Action != configured {
		t.Error(applied)
	}
	now := b.until("p/a", "replaced", func(s Subject) bool { return s.Image == "busybox2" && isRunning(s) })
	if now.PID == a.PID || now.Restarts != 1 || len(now.Layers) != 2 {
		t.Errorf("%+v", now)
	}
	if b.running("p/b").PID != second.PID || b.running("p/_infra").PID != infra.PID {
		t.Error("others were touched")
	}
	if _, err := os.Stat("/proc/" + strconv.Itoa(a.PID)); err == nil {
		t.Error("the old one lives")
	}
}

func TestDeleteGrace(t *testing.T) {
	b := open(t)
	for _, c := range []struct {
		script     string
		grace      int64
		least, top time.Duration // a pod's own grace is 30 s: top lies well below whatever would be waited for in vain
	}{
		{idle, 15, 0, 10 * time.Second},
		{"trap '' TERM; while :; do sleep 1; done", 1, time.Second, 10 * time.Second},
		{"trap '' TERM; while :; do sleep 1; done", 0, 0, 10 * time.Second},
	} {
		b.apply(pod("p", "", sh("a", c.script)))
		b.trapped("p/a")
		began := time.Now()
		if err := b.Delete(context.Background(), sandbox.Ref{Kind: "Pod", Name: "p"}, c.grace); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < c.least || took > c.top {
			t.Errorf("%q with %d s took %v", c.script, c.grace, took)
		}
	}
}

func TestSecondDeleteShortens(t *testing.T) {
	b := open(t)
	b.apply(pod("p", "", sh("a", "sleep 999")))
	b.running("p/a")
	first := make(chan error)
	go func() { first <- b.Delete(context.Background(), sandbox.Ref{Kind: "Pod", Name: "p"}, -1) }()
	b.eventually("deletion", func() bool { return b.pod("p").Metadata.DeletionTimestamp != "" })
	b.remove("p")
	if err := <-first; err != nil {
		t.Error(err)
	}
}

func TestLogs(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"restartPolicy":"Never"`, sh("a", `for i in 1 2 3; do echo line $i; done; echo bad >&2; printf unended; while [ ! -e /go ]; do sleep 0.02; done; echo; echo last`)))
	b.running("p/a")
	b.run("p/a", "touch", "/go")
	var out bytes.Buffer
	if err := b.Logs(context.Background(), sandbox.LogOptions{Container: "p/a", Follow: true}, &out); err != nil {
		t.Fatal(err)
	}
	// Two pipes: each keeps its order, nothing says how they interleave.
	got := out.String()
	if all := strings.Replace(got, "bad\n", "", 1); all == got || all != "line 1\nline 2\nline 3\nunended\nlast\n" {
		t.Errorf("followed: %q", got)
	}
	if got := b.log("p/a", sandbox.LogOptions{Tail: 2}); got != "unended\nlast\n" {
		t.Errorf("tail: %q", got)
	}
	b.remove("p")
	b.apply(pod("p", `"restartPolicy":"Never"`, sh("a", `yes 0123456789012345678901234567890123456789 | head -n 50000; echo end`)))
	b.phase("p", "Succeeded")
	var size int64
	for _, name := range []string{"", oldLog} {
		info, err := os.Stat(b.views()[0].logPath("a", 1) + name)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > 2*maxLog {
		t.Errorf("log takes %d bytes", size)
	}
	if got := b.log("p/a", sandbox.LogOptions{Tail: 1}); got != "end\n" {
		t.Errorf("end: %q", got)
	}
}

func TestDial(t *testing.T) {
	b := open(t)
	b.apply(pod("p", "", sh("a", "nc -ll -p 8080 -e cat & "+idle)))
	b.running("p/a")
	b.eventually("listener", func() bool {
		conn, err := b.Dial(context.Background(), "p", 8080)
		if err != nil {
			return false
		}
		defer conn.Close()
		fmt.Fprintln(conn, "echo")
		answer := make([]byte, 5)
		_, err = io.ReadFull(conn, answer)
		return err == nil && string(answer) == "echo\n"
	})
	if _, err := b.Dial(context.Background(), "p", 9); sandbox.CodeOf(err) != sandbox.CodeNotRunning {
		t.Errorf("closed port: %v", err)
	}
}

func TestExec(t *testing.T) {
	b := open(t)
	b.apply(pod("p", "", sh("a", idle)))
	b.running("p/a")
	if _, exit := b.run("p/a", "sh", "-c", "exit 42"); exit.Code != 42 {
		t.Errorf("%+v", exit)
	}
	if _, exit := b.run("p/a", "sh", "-c", "kill -9 $$"); exit.Code != 137 || exit.Signal != 9 {
		t.Errorf("%+v", exit)
	}
	for _, tt := range []struct {
		command string
		code    int
	}{{"nosuch", 127}, {"/bin/nosuch", 127}, {"/etc", 126}, {"/etc/hosts", 126}} {
		_, err := b.Exec(context.Background(), "p/a", Process{Argv: []string{tt.command}})
		if code, ok := sandbox.ExitOf(err); !ok || code != tt.code || sandbox.Public(err).Params["reason"] == "" {
			t.Errorf("%s: exit code %d, want %d: %v", tt.command, code, tt.code, err)
		}
	}
	for id, code := range map[string]sandbox.Code{"p/none": sandbox.CodeNotFound, "p/_infra": sandbox.CodeNotFound} {
		if _, err := b.Exec(context.Background(), id, Process{Argv: []string{"true"}}); sandbox.CodeOf(err) != code {
			t.Errorf("%s: %v", id, err)
		}
	}
	stdin, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	defer end.Close()
	hidden, err := b.Exec(context.Background(), "p/a", Process{Argv: []string{"cat"}, Stdin: stdin, Hidden: true})
	if err != nil {
		t.Fatal(err)
	}
	group, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", hidden.PID))
	if !strings.Contains(string(group), ":/pods/p/a/"+HiddenCgroup+"\n") || len(b.State().Hidden) != 1 {
		t.Errorf("%s %v", group, b.State().Hidden)
	}
	end.Close()
	hidden.Wait()
	b.eventually("end of hiding", func() bool { return len(b.State().Hidden) == 0 })
}

func TestExecTerminal(t *testing.T) {
	b := open(t)
	b.apply(pod("p", "", sh("a", idle)))
	b.running("p/a")
	r, err := b.Exec(context.Background(), "p/a", Process{Argv: []string{"sh", "-c", "stty size; tty; read x; echo got $x; exit 5"}, Terminal: true, Size: sandbox.Size{Cols: 100, Rows: 30}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Console.Close()
	fmt.Fprintln(r.Console, "typed")
	out, _ := io.ReadAll(r.Console) // EIO when the other end is closed
	if got := string(out); !strings.Contains(got, "30 100") || !strings.Contains(got, "/dev/pts/") || !strings.Contains(got, "got typed") {
		t.Errorf("%q", got)
	}
	if exit, _ := r.Wait(); exit.Code != 5 {
		t.Errorf("%+v", exit)
	}
}

func TestPlainContainers(t *testing.T) {
	b := open(t)
	b.apply(plain("one", fmt.Sprintf(`"image":"busybox","command":["sh","-c",%q]`, idle)))
	b.apply(plain("two", fmt.Sprintf(`"image":"busybox","command":["sh","-c",%q],"join":{"network":"container:one","ipc":"container:one","pid":"host"}`, idle)))
	b.apply(plain("three", fmt.Sprintf(`"image":"busybox","command":["sh","-c",%q],"join":{"network":"host","uts":"host"}`, idle)))
	one, two, three := b.running("one"), b.running("two"), b.running("three")
	self := os.Getpid()
	for _, c := range []struct {
		what string
		a, b int
		kind string
		same bool
	}{
		{"one has its own network", one.PID, self, "net", false}, {"two joins one", one.PID, two.PID, "net", true},
		{"two joins one's ipc", one.PID, two.PID, "ipc", true}, {"two sees the node's processes", two.PID, self, "pid", true},
		{"two has its own name", one.PID, two.PID, "uts", false}, {"three joins the node", three.PID, self, "net", true},
		{"three has the node's name", three.PID, self, "uts", true}, {"three has its own processes", three.PID, self, "pid", false},
	} {
		if (ns(t, c.a, c.kind) == ns(t, c.b, c.kind)) != c.same {
			t.Error(c.what + ": it is not so")
		}
	}
	if got, _ := b.run("two", "ip", "-4", "addr", "show", "eth0"); !strings.Contains(got, "inet 10.88.0.") {
		t.Errorf("address: %s", got)
	}
	b.run("one", "sh", "-c", "echo x >/dev/shm/f")
	if got, _ := b.run("two", "cat", "/dev/shm/f"); got != "x" {
		t.Errorf("shared memory: %q", got)
	}
	if len(b.State().Pods) != 0 || one.Kind != sandbox.KindPlain || one.Pod != "" || one.Cgroup != "/containers/one" {
		t.Errorf("%+v", one)
	}
	unix.Kill(one.PID, unix.SIGKILL)
	b.until("one", "ended", func(s Subject) bool { return s.State == exited && s.Signal == 9 })
}

func TestPlainRestarts(t *testing.T) {
	b := open(t)
	b.apply(plain("one", `"image":"busybox","command":["sh","-c","ip -4 addr show eth0; exit 1"],"restartPolicy":"Always"`))
	b.until("one", "restarted twice", func(s Subject) bool { return s.Restarts >= 2 })
	if got := b.log("one", sandbox.LogOptions{Previous: true}); !strings.Contains(got, "inet 10.88.0.") {
		t.Errorf("no address after a restart: %s", got)
	}
}

func TestTerminalContainer(t *testing.T) {
	b := open(t)
	b.apply(pod("p", "", sh("a", "tty; stty size >/dev/null && echo is a terminal; read x; echo never", `"tty":true`), sh("b", "read x; echo never", `"stdin":true`)))
	b.running("p/a")
	b.eventually("output of the terminal", func() bool {
		return strings.Contains(b.log("p/a", sandbox.LogOptions{}), "is a terminal")
	})
	if s := b.running("p/b"); s.Restarts != 0 {
		t.Errorf("its input ended: %+v", s)
	}
}

func TestDiskVolumeOverItsLimit(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"volumes":[{"name":"v","emptyDir":{"sizeLimit":"1Mi"}}]`,
		sh("a", "dd if=/dev/zero of=/v/half bs=512k count=1; while [ ! -e /go ]; do sleep 0.02; done; dd if=/dev/zero of=/v/more bs=1M count=1; "+idle, `"volumeMounts":[{"name":"v","mountPath":"/v"}]`), sh("b", idle)))
	b.phase("p", "Running")
	time.Sleep(3 * testConfig(t).Measure) // below its limit it stays
	if got := b.pod("p").Status.Phase; got != "Running" {
		t.Errorf("it is %s", got)
	}
	b.run("p/a", "touch", "/go")
	p := b.phase("p", "Failed")
	if p.Status.Reason != "Evicted" || p.Status.Message != `Usage of EmptyDir volume "v" exceeds the limit "1Mi". ` {
		t.Errorf("%+v", p.Status)
	}
	for _, id := range []string{"p/a", "p/b", "p/_infra"} {
		b.until(id, "stopped", func(s Subject) bool { return s.State == exited })
	}
}
