package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
	"podlab/sandbox/manifest"
)

// A saying is what a container of a manifest answers: to a command, or for an empty command, in its log. Space around it counts not.
type saying struct{ container, script, want string }

// manifests are those of Kubernetes' documentation in shape (tasks and concepts named in each file), with images that a node has. phase
// is what the pod shall come to; then everything is asked, again and again until it is as wanted.
var manifests = []struct {
	file, pod, phase string
	says             []saying
}{
	{"simple-pod", "web", "Running", []saying{{"web", "bash -c 'exec 3<>/dev/tcp/127.0.0.1/80; printf \"GET / HTTP/1.0\\r\\n\\r\\n\" >&3; head -1 <&3'", "HTTP/1.1 200 OK"}}},
	{"command-arguments", "command", "Succeeded", []saying{{"say", "", "example.test:8080 $(UNKNOWN) $(PORT)\n/var/tmp"}}},
	{"init-containers", "init", "Running", []saying{{"web", "cat /usr/share/nginx/html/index.html", "<h1>made first</h1>"}}},
	{"sidecar", "sidecar", "Running", []saying{{"program", "head -1 /opt/logs.txt", "a line"}, {"shipper", "tail -1 /opt/logs.txt", "a line"}}},
	{"liveness-exec", "liveness-exec", "Running", []saying{{"program", "RESTARTS", "1"}}},
	{"probes", "probes", "Running", []saying{{"web", "READY", "true"}}},
	{"lifecycle", "lifecycle", "Running", []saying{{"web", "cat /usr/share/message", "Hello from the hook"}}},
	{"share-process-namespace", "shared", "Running", []saying{{"shell", "ps | grep -c '[n]ginx: master'", "1"}, {"shell", "cat /proc/1/comm", "pause"},
		{"shell", "for p in /proc/[0-9]*; do ls $p/root/etc/nginx/nginx.conf 2>/dev/null; done | wc -l | grep -cv 0", "1"}}},
	{"volumes", "volumes", "Running", []saying{{"reader", "cat /look/test-file; touch /look/x 2>&1", "kept\ntouch: /look/x: Read-only file system"},
		{"store", "ls /var/local/aaa; df -k /cache | tail -1 | awk '{print $2}'", "1.txt\n1024"}}},
	{"subpath", "lamp", "Running", []saying{{"all", "cat /all/mysql/t /all/html/p /all/lamp/hello.txt", "table\npage\nlog"}}},
	{"configmap-env", "config-env", "Succeeded", []saying{{"test", "", "very charm INFO $(NO_KEY)"}}},
	{"configmap-volume", "config-files", "Succeeded", []saying{{"test", "", "/etc/config:\ngame.properties\nlogo\nui.properties\n\n/etc/maybe:\nenemies=aliens\nlives=3"}}},
	{"secret", "secret-pod", "Running", []saying{{"test", "cat /etc/secret-volume/username /etc/one/my-group/my-username; stat -Lc ' %a' /etc/one/my-group/my-username", "my-appmy-app 440"},
		{"test", "echo $username $password $SECRET_USERNAME", "my-app 39528$vdg7Jb backend-admin"}}},
	{"projected", "projected", "Running", []saying{{"test", "cd /projected-volume; cat my-group/my-username my-group/my-config labels cpu_limit; stat -Lc ' %a' labels", `adminverbosezone="us-est-coast"1 440`}}},
	{"downward-env", "envars", "Succeeded", []saying{{"test", "", "envars default default\n1 1 33554432 64"}}},
	{"downward-volume", "downward", "Running", []saying{{"client", "cat /etc/podinfo/labels; echo; cat /etc/podinfo/cpu_limit; stat -Lc ' %a' /etc/podinfo/annotations",
		"cluster=\"test-cluster1\"\nrack=\"rack-22\"\nzone=\"us-est-coast\"\n250 400"}}},
	{"security-context", "security", "Running", []saying{{"demo", "id -u; id -g; id -G; echo x >/data/demo/f; stat -c %g /data/demo/f; touch /x 2>&1", "1000\n3000\n3000 2000 4000\n2000\ntouch: /x: Read-only file system"},
		{"other", "id -u; id -g; grep CapBnd /proc/self/status", "2000\n2000\nCapBnd:\t00000000a00435fb"}}},
	{"sysctls", "sysctls", "Running", []saying{{"test", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shm_rmid_forced", "80\n1"}}},
	{"resources", "resources", "Failed", []saying{{"hungry", "REASON", "OOMKilled"}, {"hungry", "QOS", "Burstable"}}},
	{"host-aliases", "hostaliases-pod", "Succeeded", []saying{{"cat-hosts", "", "# Entries added by HostAliases.\n127.0.0.1\tfoo.local\tbar.local\n10.1.2.3\tfoo.remote\n" +
		"nameserver 192.0.2.1\nsearch ns1.svc.cluster-domain.example my.dns.search.suffix\noptions ndots:2 edns0\ncustom-host"}}},
	{"termination-message", "termination", "Failed", []saying{{"file", "MESSAGE", "Sleep expired"}, {"log", "MESSAGE", "last words"}}},
	{"host-namespaces", "host", "Running", []saying{{"watch", "cat /proc/1/comm; hostname", "podlab-init\nnode"}}},
	{"run-as-non-root", "non-root", "Pending", []saying{{"test", "WAITING", "CreateContainerConfigError"}}},
}

// TestKubernetesManifests runs each manifest on a node and asks its containers.
func TestKubernetesManifests(t *testing.T) {
	d := sandboxtest.Start(t)
	agent := d.Agent(d.Node(t, sandbox.NodeSpec{}))
	for _, m := range manifests {
		t.Run(m.file, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), sandboxtest.Within(40*time.Second))
			defer cancel()
			text, err := os.ReadFile(filepath.Join("../manifest/testdata/kubernetes", m.file+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			objects, err := manifest.Decode(text)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := agent.Apply(ctx, manifest.Bytes(objects)); err != nil {
				t.Fatal(err)
			}
			until(ctx, t, agent, m.phase, func(s sandbox.Snapshot) bool {
				for _, p := range s.Pods {
					if p.Metadata.Name == m.pod {
						return p.Status.Phase == m.phase
					}
				}
				return false
			})
			for _, s := range m.says {
				var got string
				for ctx.Err() == nil {
					if got = strings.TrimSpace(answer(ctx, t, agent, m.pod, s)); got == s.want || s.script == "" && strings.HasSuffix(got, s.want) {
						break
					}
					time.Sleep(50 * time.Millisecond)
				}
				if ctx.Err() != nil {
					t.Errorf("%s: %s:\n%q, want\n%q", s.container, s.script, got, s.want)
				}
			}
			for _, o := range objects {
				if err := agent.Delete(context.WithoutCancel(ctx), o.Ref, 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestEveryManifestIsTried: no file without a row.
func TestEveryManifestIsTried(t *testing.T) {
	files, err := filepath.Glob("../manifest/testdata/kubernetes/*.yaml")
	if err != nil || len(files) != len(manifests) {
		t.Errorf("%d files, %d rows, %v", len(files), len(manifests), err)
	}
}

// answer is what a container says now; words in capitals ask for its status.
func answer(ctx context.Context, t *testing.T, agent sandbox.Agent, pod string, s saying) string {
	t.Helper()
	var out bytes.Buffer
	if s.script == "" {
		if err := agent.Logs(ctx, sandbox.LogOptions{Container: pod + "/" + s.container}, &out); err != nil {
			return err.Error()
		}
		return out.String()
	}
	if s.script == strings.ToUpper(s.script) {
		return status(ctx, t, agent, pod, s)
	}
	spec := sandbox.ExecSpec{Container: pod + "/" + s.container, Argv: []string{"sh", "-c", s.script}}
	if _, err := agent.Exec(ctx, spec, sandbox.Streams{Out: &out, Err: &out}); err != nil {
		return err.Error()
	}
	return out.String()
}

func status(ctx context.Context, t *testing.T, agent sandbox.Agent, pod string, s saying) string {
	t.Helper()
	snapshot, err := agent.Snapshot(ctx)
	if err != nil {
		return err.Error()
	}
	for _, p := range snapshot.Pods {
		for _, c := range p.Status.ContainerStatuses {
			if p.Metadata.Name != pod || c.Name != s.container {
				continue
			}
			switch {
			case s.script == "QOS":
				return p.Status.QOSClass
			case s.script == "READY" && c.Ready:
				return "true"
			case s.script == "RESTARTS" && c.RestartCount > 0:
				return "1"
			case s.script == "REASON" && c.State.Terminated != nil:
				return c.State.Terminated.Reason
			case s.script == "MESSAGE" && c.State.Terminated != nil:
				return strings.TrimSpace(c.State.Terminated.Message)
			case s.script == "WAITING" && c.State.Waiting != nil:
				return c.State.Waiting.Reason
			}
		}
	}
	return ""
}

// TestDataCommands: ConfigMaps and Secrets through the agent's socket, and as a learner sees them in the node's shell.
func TestDataCommands(t *testing.T) {
	ctx, agent := newNode(t)
	apply(ctx, t, agent, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"game"},"data":{"lives":"3"}}`)
	apply(ctx, t, agent, `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"login"},"stringData":{"user":"x"},"type":"Opaque"}`)
	objects, err := agent.Get(ctx, sandbox.Ref{Kind: sandbox.ManifestConfigMap, Name: "game"})
	if err != nil || len(objects) != 1 || !strings.Contains(string(objects[0]), `"lives":"3"`) {
		t.Errorf("%s %v", objects, err)
	}
	for _, c := range []struct {
		argv []string
		want string
	}{
		{[]string{"pod", "get", "configmaps", "-o", "name"}, "configmap/game\n"},
		{[]string{"pod", "get", "secret", "login", "-o", "name"}, "secret/login\n"},
		{[]string{"pod", "delete", "cm", "game"}, "configmap/game deleted\n"},
		{[]string{"pod", "get", "cm", "-o", "name"}, ""},
	} {
		if got, _ := in(ctx, t, agent, "", c.argv...); got != c.want {
			t.Errorf("%v: %q, want %q", c.argv, got, c.want)
		}
	}
	if got, _ := in(ctx, t, agent, "", "pod", "get", "secrets"); !strings.Contains(got, "login") || !strings.Contains(got, "Opaque") {
		t.Error(got)
	}
}

// TestDebugCommand: a debugger joins a living pod, and sees the processes of the container that it is after.
func TestDebugCommand(t *testing.T) {
	ctx, agent := newNode(t)
	apply(ctx, t, agent, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{
		"initContainers":[{"name":"first","image":"busybox","command":["echo","made ready"]}],"containers":[{"name":"a","image":"busybox","command":["sleep","3600"]}]}}`)
	until(ctx, t, agent, "the pod", func(s sandbox.Snapshot) bool { return find(s, "web/a").State == sandbox.StateRunning })
	got, exit := in(ctx, t, agent, "", "pod", "debug", "web", "--image=busybox", "--target=a", "-c", "look", "--attach", "--", "cat", "/proc/1/comm")
	if got != "sleep\n" || exit.Code != 0 {
		t.Errorf("%q %+v", got, exit)
	}
	got, _ = in(ctx, t, agent, "", "pod", "debug", "web", "--image=busybox", "--", "sleep", "3600")
	if !strings.HasPrefix(got, "Defaulting debug container name to debugger-") {
		t.Error(got)
	}
	if got, exit = in(ctx, t, agent, "", "pod", "debug", "web", "--image=nosuch"); exit.Code == 0 {
		t.Errorf("an image that is not there: %q", got)
	}
	if got, _ = in(ctx, t, agent, "", "pod", "logs", "web", "-c", "first"); got != "made ready\n" {
		t.Errorf("log of an init container: %q", got)
	}
	got, _ = in(ctx, t, agent, "", "pod", "describe", "web")
	for _, want := range []string{"Init Containers:\n  first:", "Ephemeral Containers:\n  look:", "QoS Class:", "BestEffort"} {
		if !strings.Contains(got, want) {
			t.Errorf("describe has no %q:\n%s", want, got)
		}
	}
}
