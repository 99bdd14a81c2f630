package walls

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// overwrite writes to what every process that it sees was started from, for 3 s, and says which program of Podlab's gave way: a container's
// first stage runs in the container's view for a moment (CVE-2019-5736). A program in memory may be opened: its seals refuse the byte, which is
// the one that is there (elf(5)).
func overwrite([]string) {
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		links, _ := filepath.Glob("/proc/[0-9]*/exe")
		for _, link := range links {
			name, err := os.Readlink(link)
			if err != nil || !strings.Contains(name, "podlab") && !strings.Contains(name, "memfd") && !strings.Contains(name, "runc") {
				continue
			}
			held, err := unix.Open(link, unix.O_PATH|unix.O_CLOEXEC, 0)
			if err != nil {
				continue
			}
			for _, path := range []string{link, fmt.Sprint("/proc/self/fd/", held)} { // the second when the process has gone on
				if fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0); err == nil {
					if _, err := unix.Pwrite(fd, []byte{0x7f}, 0); err == nil {
						fmt.Println(name)
					}
					unix.Close(fd)
				}
			}
			unix.Close(held)
		}
	}
}

// abstract connects to a socket without a file (unix(7)), whose name only network namespaces keep apart.
func abstract(args []string) {
	_, err := net.Dial("unix", "@"+args[0])
	fmt.Println(errors.Is(err, unix.ECONNREFUSED))
}

// TestProgramsAreNotOverwritten: CVE-2019-5736.
func TestProgramsAreNotOverwritten(t *testing.T) {
	d := sandboxtest.Start(t)
	agent := occupied(t, d)
	program := filepath.Join(d.Data, "node/bin/podlab-node")
	before := sum(t, program)
	for _, place := range places {
		t.Run(place.name, func(t *testing.T) {
			stop := make(chan struct{})
			stopped := make(chan struct{})
			go func() { // first stages, to be caught; and a container that is one for ever
				defer close(stopped)
				for {
					select {
					case <-stop:
						return
					default:
						_, _ = agent.Exec(t.Context(), sandbox.ExecSpec{Container: "plain/c", Argv: []string{"/proc/self/exe", "init"}}, sandbox.Streams{})
					}
				}
			}()
			if gave := run(t, agent, place.container, attacker, "overwrite"); gave != "" {
				t.Errorf("could be written: %.300s", gave)
			}
			close(stop)
			<-stopped
		})
	}
	if sum(t, program) != before {
		t.Error("the program has changed")
	}
}

func sum(t *testing.T, path string) [32]byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(data)
}

// TestReleaseAgent: CVE-2022-0492. The host's root would run a program of the learner's when a group becomes empty.
func TestReleaseAgent(t *testing.T) {
	agent := occupied(t, sandboxtest.Start(t))
	const try = `mkdir -p /tmp/g
for f in $(find /sys/fs/cgroup /host/sys/fs/cgroup -name release_agent 2>/dev/null); do (echo /tmp/run >$f) 2>/dev/null && echo $f; done
for c in memory cpuset pids cpu freezer devices rdma misc net_cls hugetlb none,name=podlab-test; do
  for option in $c $c,release_agent=/tmp/run; do
    mount -t cgroup -o $option x /tmp/g 2>/dev/null || continue
    [ $option = $c ] || echo mounted $option
    (echo /tmp/run >/tmp/g/release_agent) 2>/dev/null && echo wrote $option
    umount /tmp/g
  done
done; echo tried`
	for _, place := range places {
		if said := script(t, agent, place.container, try); said != "tried" {
			t.Errorf("%s: %s", place.name, said)
		}
	}
}

// TestNoDescriptorLeaks: CVE-2024-21626. A container and what is started in it have their three streams and nothing else, and no working
// directory that is reached through a descriptor.
func TestNoDescriptorLeaks(t *testing.T) {
	agent := occupied(t, sandboxtest.Start(t))
	for _, place := range places[:2] {
		const list = `for p in 1 self; do for f in /proc/$p/fd/*; do echo "$p ${f##*/} $(readlink $f)"; done; done | grep -vE ' [012] |/proc/[0-9]+/fd$|^self'`
		said := script(t, agent, place.container, list)
		if place.name == "privileged" { // its process 1 is node init, which may have what it likes
			said = script(t, agent, place.container, strings.Replace(list, "1 self", "self", 1))
		}
		if said != "" {
			t.Errorf("%s: %s", place.name, said)
		}
	}
	for n := 3; n < 14; n++ {
		name := fmt.Sprint("cwd", n)
		pod := fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q},"spec":{"restartPolicy":"Never","containers":[
{"name":"c","image":"debian","workingDir":"/proc/self/fd/%d","command":["sh","-c","ls -d opt/podlab var/lib/podlab ../opt/podlab ../../opt/podlab ../../../../opt/podlab"]}]}}`, name, n)
		if _, err := agent.Apply(t.Context(), [][]byte{[]byte(pod)}); err != nil {
			t.Fatal(err)
		}
	}
	until(t, agent, "the pods' end", func(s sandbox.Snapshot) bool {
		over := 0
		for _, pod := range s.Pods {
			for _, c := range pod.Status.ContainerStatuses {
				if strings.HasPrefix(pod.Metadata.Name, "cwd") && (c.State.Terminated != nil || c.State.Waiting != nil && strings.HasSuffix(c.State.Waiting.Reason, "Error")) {
					over++
				}
			}
		}
		return over == 11
	})
	s, err := agent.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range s.Pods {
		for _, c := range pod.Status.ContainerStatuses {
			if end := c.State.Terminated; end != nil && end.ExitCode == 0 {
				t.Errorf("%s saw the node's files", pod.Metadata.Name)
			}
		}
	}
}

// TestMasksHold: CVE-2025-31133, 52565 and 52881. What covers a file of /proc is /dev/null, and another container of the pod has made that a
// link, or the whole of /dev its own.
func TestMasksHold(t *testing.T) {
	agent := occupied(t, sandboxtest.Start(t))
	for _, c := range []struct{ name, link, mount string }{
		{"control", "true", "/other"},
		{"null", "ln -s /proc/sys/kernel/core_pattern /v/null", "/dev"},
		{"console", "ln -s /proc/sysrq-trigger /v/console; ln -s /proc/sys /v/pts", "/dev"},
		{"attr", "mkdir /v/self; ln -s /proc/sysrq-trigger /v/self/attr", "/proc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod := fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q},"spec":{"restartPolicy":"Never","volumes":[{"name":"v","emptyDir":{}}],
"initContainers":[{"name":"i","image":"debian","command":["sh","-c",%q],"volumeMounts":[{"name":"v","mountPath":"/v"}]}],
"containers":[{"name":"c","image":"debian","tty":true,"command":["sh","-c",%q],"volumeMounts":[{"name":"v","mountPath":%q}]}]}}`, c.name, c.link,
				`exec 2>&1; cat /proc/kcore /proc/kallsyms /proc/keys /proc/cmdline | wc -c; (echo 1 >/proc/sys/kernel/panic) && echo wrote; (echo h >/proc/sysrq-trigger) && echo asked; true`, c.mount)
			if _, err := agent.Apply(t.Context(), [][]byte{[]byte(pod)}); err != nil {
				t.Logf("refused: %v", err)
				return
			}
			until(t, agent, "its end", func(s sandbox.Snapshot) bool {
				for _, p := range s.Pods {
					if p.Metadata.Name == c.name && len(p.Status.ContainerStatuses) > 0 {
						state := p.Status.ContainerStatuses[0].State
						return state.Terminated != nil || state.Waiting != nil && strings.HasSuffix(state.Waiting.Reason, "Error")
					}
				}
				return false
			})
			var log strings.Builder
			if err := agent.Logs(t.Context(), sandbox.LogOptions{Container: c.name + "/c"}, &log); err != nil && sandbox.CodeOf(err) != sandbox.CodeNotFound {
				t.Log(err)
			}
			if c.name == "control" && !strings.Contains("\n"+log.String(), "\n0\r\n") {
				t.Errorf("without any link: %q", log.String())
			}
			if said := log.String(); strings.Contains(said, "wrote") || strings.Contains(said, "asked") {
				t.Error("a file of the kernel's could be written")
			}
			for line := range strings.Lines(log.String()) {
				if n := 0; len(line) < 20 {
					if fmt.Sscan(line, &n); n > 0 {
						t.Errorf("%d bytes of masked files were read", n)
					}
				}
			}
		})
	}
}

// TestMountsStayInside: CVE-2021-30465, as far as it needs no race: a volume is mounted below a link that leads out of the container's root.
func TestMountsStayInside(t *testing.T) {
	agent := occupied(t, sandboxtest.Start(t))
	const pod = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"links"},"spec":{"volumes":[{"name":"v","emptyDir":{}},{"name":"w","emptyDir":{}}],
"initContainers":[{"name":"i","image":"debian","command":["sh","-c","ln -s / /v/abs; ln -s ../../../../../../.. /v/rel; echo marked >/w/mark"],
"volumeMounts":[{"name":"v","mountPath":"/v"},{"name":"w","mountPath":"/w"}]}],
"containers":[{"name":"c","image":"debian","command":["sleep","100000"],"volumeMounts":[{"name":"v","mountPath":"/v"},{"name":"w","mountPath":"/v/abs/through-abs"},{"name":"w","mountPath":"/v/rel/through-rel"}]}]}}`
	if _, err := agent.Apply(t.Context(), [][]byte{[]byte(pod)}); err != nil {
		t.Fatal(err)
	}
	until(t, agent, "the pod", func(s sandbox.Snapshot) bool { return running(s, "links/c") })
	if said := script(t, agent, "links/c", "cat /through-abs/mark /through-rel/mark"); said != "marked\nmarked" {
		t.Errorf("in the container: %q", said)
	}
	if said := script(t, agent, "", "ls -d /through-* 2>/dev/null; grep -c through /proc/1/mountinfo"); said != "0" {
		t.Errorf("on the node: %q", said)
	}
}

// TestAbstractSockets: those of the host and of other nodes cannot be reached, nor can a socket file of the daemon.
func TestAbstractSockets(t *testing.T) {
	d := sandboxtest.Start(t)
	agent := occupied(t, d)
	name := fmt.Sprint("podlab-test-", os.Getpid())
	listener, err := net.Listen("unix", "@"+name)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if conn, err := net.Dial("unix", "@"+name); err != nil {
		t.Fatalf("on the host: %v", err)
	} else {
		conn.Close()
	}
	for _, place := range places {
		if said := script(t, agent, place.container, attacker+" abstract "+name); said != "true" {
			t.Errorf("%s reaches a socket of the host: %s", place.name, said)
		}
	}
	for _, place := range places {
		const find = "find / -path /proc -prune -o -type s -print 2>/dev/null | grep -vE '^(/host)?/run/podlab/agent.sock$'"
		if said := script(t, agent, place.container, find); said != "" {
			t.Errorf("%s sees %s", place.name, said)
		}
	}
}
