package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

const buildFile = `FROM busybox
ENV GREETING=hello
WORKDIR /srv/app
COPY page.html bin/ ./
RUN echo $GREETING > made && rm /etc/group && mkdir /etc/new && mv /var/www /var/moved
RUN ["chmod", "700", "made"]
CMD cat made page.html /bin/tool; sleep 600
`

// node is a node and what a learner types at its shell.
type node struct {
	t     *testing.T
	agent sandbox.Agent
}

func (n node) sh(script string) (string, int) {
	n.t.Helper()
	var out bytes.Buffer
	exit, err := n.agent.Exec(n.t.Context(), sandbox.ExecSpec{Argv: []string{"sh", "-c", script}}, sandbox.Streams{Out: &out, Err: &out})
	if err != nil {
		n.t.Fatalf("%s: %v\n%s", script, err, out.String())
	}
	return out.String(), exit.Code
}

// must runs a script that has to succeed.
func (n node) must(script string) string {
	n.t.Helper()
	out, code := n.sh(script)
	if code != 0 {
		n.t.Fatalf("%s\nexit %d: %s", script, code, out)
	}
	return out
}

func (n node) container(id string) (found sandbox.Container, ok bool) {
	snapshot, err := n.agent.Snapshot(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	for _, c := range snapshot.Containers {
		if c.ID == id {
			return c, true
		}
	}
	return found, false
}

func (n node) logs(id, want string) {
	n.t.Helper()
	var out bytes.Buffer
	for end := time.Now().Add(sandboxtest.Within(10 * time.Second)); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		out.Reset()
		if err := n.agent.Logs(n.t.Context(), sandbox.LogOptions{Container: id}, &out); err == nil && out.String() == want {
			return
		}
	}
	n.t.Errorf("the log of %s is %q, want %q", id, out.String(), want)
}

// A learner builds an image on their node, runs it, pushes it to a registry that is a container too, and pulls it back.
func TestBuildPushPull(t *testing.T) {
	d := sandboxtest.Start(t)
	n := node{t, d.Agent(d.Node(t, sandbox.NodeSpec{ID: "one"}))}
	n.must("mkdir -p app/bin; echo page > app/page.html; echo tool > app/bin/tool; cat > app/Dockerfile <<'EOF'\n" + buildFile + "EOF")
	n.must("sed -i 's|^COPY.*|COPY page.html ./\\nCOPY bin/ /bin|' app/Dockerfile")
	said := n.must("container build -t app:v1 app")
	if !strings.Contains(said, "Step 6/8 : RUN echo $GREETING") || !strings.Contains(said, "app:v1 is built: sha256:") {
		t.Errorf("build said %s", said)
	}
	if again := n.must("container build -t app:v2 app"); said[strings.LastIndex(said, "sha256:"):] != again[strings.LastIndex(again, "sha256:"):] {
		t.Logf("built twice: %s\n%s", said, again) // times of files differ: so may the layers
	}
	n.must("container run -d --name app app:v1")
	n.logs("app", "hello\npage\ntool\n")
	app, _ := n.container("app")
	checkLayers(t, app)
	if out, _ := n.sh("container exec app sh -c 'exec 2>&1; ls /etc/group /var/www; ls -d /etc/new /var/moved; echo x > /etc/passwd; rm /srv/app/page.html; stat -c %a made'"); !strings.Contains(out, "/etc/new\n/var/moved\n700") || strings.Count(out, "No such file") != 2 {
		t.Errorf("in the container: %s", out)
	}
	var changes []sandbox.Change
	seen := func(want sandbox.Change) bool { return slices.Contains(changes, want) }
	copied, deleted := sandbox.Change{Path: "/etc/passwd", Kind: sandbox.ChangeCopied, Bytes: 2}, sandbox.Change{Path: "/srv/app/page.html", Kind: sandbox.ChangeDeleted}
	for end := time.Now().Add(10 * time.Second); (!seen(copied) || !seen(deleted)) && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		app, _ = n.container("app") // changes are looked for at a pace
		changes = app.Layers[len(app.Layers)-1].Changes
	}
	if !seen(copied) || !seen(deleted) {
		t.Errorf("%+v and %+v are not in %+v", copied, deleted, changes)
	}
	n.must("container run -d --name registry registry")
	n.logs("registry", "listening on :5000\n")
	address := registryAddress(t, n)
	ref := address + ":5000/team/app:v1"
	n.must("container tag app:v1 " + ref)
	pushed := n.must("container push " + ref)
	n.must("container rmi app:v1 app:v2 " + ref + "; container rm -f app")
	pulled := n.must("container pull " + ref)
	if digest := pulled[strings.LastIndex(pulled, "sha256:"):]; !strings.Contains(pushed, digest) {
		t.Errorf("pushed %s, pulled %s", pushed, pulled)
	}
	n.must("container run -d --name back " + ref)
	n.logs("back", "hello\npage\ntool\n")
	n.must("printf 'apiVersion: v1\nkind: Pod\nmetadata: {name: pod}\nspec: {containers: [{name: app, image: \"" + ref + "\"}]}\n' >pod.yaml; pod apply -f pod.yaml")
	n.logs("pod/app", "hello\npage\ntool\n")
	if list := n.must("container images"); !strings.Contains(list, ref) || strings.Contains(list, "app:v2") {
		t.Errorf("images: %s", list)
	}
}

// checkLayers: the lowest is the base's and shared, the others are the steps'.
func checkLayers(t *testing.T, c sandbox.Container) {
	t.Helper()
	var by []string
	for _, l := range c.Layers[:len(c.Layers)-1] {
		by = append(by, strings.Fields(l.CreatedBy)[0])
	}
	if strings.Join(by, " ") != "Debian: WORKDIR COPY COPY RUN RUN" || !slices.Contains(c.Layers[0].Images, "busybox") || slices.Contains(c.Layers[2].Images, "busybox") {
		data, _ := json.MarshalIndent(c.Layers, "", " ")
		t.Errorf("layers by %v: %s", by, data)
	}
}

// registryAddress finds the address of the plain container by its own network namespace.
func registryAddress(t *testing.T, n node) string {
	t.Helper()
	snapshot, err := n.agent.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, network := range snapshot.Networks {
		if network.Owner != "registry" {
			continue
		}
		for _, i := range network.Interfaces {
			for _, a := range i.Addrs {
				if addr, _, _ := strings.Cut(a, "/"); strings.HasPrefix(addr, "10.") {
					return addr
				}
			}
		}
	}
	t.Fatal("the registry has no address")
	return ""
}

// Mistakes in a build file, a command that fails, and names that are not a learner's.
func TestRefusals(t *testing.T) {
	d := sandboxtest.Start(t)
	n := node{t, d.Agent(d.Node(t, sandbox.NodeSpec{ID: "one"}))}
	for script, want := range map[string]string{
		"printf 'FROM busybox\\nADD x y' >Dockerfile; container build .":                                       "line 2: ADD is not supported here",
		"printf 'FROM nosuch' >Dockerfile; container build .":                                                  `line 1: there is no image "nosuch" here. There are: busybox`,
		"printf 'FROM podlab/node' >Dockerfile; container build .":                                             "line 1: this image is Podlab's own",
		"printf 'FROM busybox\\nRUN exit 3' >Dockerfile; container build .":                                    "line 2: the command ended with exit code 3",
		"printf 'FROM busybox\\nCOPY ../etc/shadow /' >Dockerfile; container build .":                          "line 2:",
		"printf 'FROM busybox\\nCOPY no /' >Dockerfile; container build .":                                     "line 2:",
		"printf 'FROM busybox' >Dockerfile; container build -t podlab/pause .":                                 "no name for an image",
		"printf 'FROM busybox' >Dockerfile; container build -t 'A B' .":                                        "no name for an image",
		"(echo FROM busybox; for i in $(seq 33); do echo RUN touch /f$i; done) >Dockerfile; container build .": "line 33: an image can have 32 layers",
		"PODLAB_LANG=zh container push nosuch":                                                                 "这里没有镜像",
		"container push busybox":                                                                               "", // no registry of that name
		"container rmi busybox":                                                                                "there is no image",
		"container pull 127.0.0.1:9/x":                                                                         "refused",
		"container build":                                                                                      "usage: container build",
	} {
		out, code := n.sh("mkdir -p /tmp/x; cd /tmp/x; " + script)
		if code == 0 || !strings.Contains(out, want) {
			t.Errorf("%s: exit %d: %s", script, code, out)
		}
	}
	if left := n.must("ls -A /var/lib/podlab/disk/build; container ls -aq; mount | grep -c /disk/build || true"); left != "0\n" {
		t.Errorf("left behind: %s", left)
	}
	if list := n.must("container images"); strings.Contains(list, "build") {
		t.Errorf("images: %s", list)
	}
}

// What is removed gives its room back, but for layers that containers stand on.
func TestRoom(t *testing.T) {
	d := sandboxtest.Start(t)
	n := node{t, d.Agent(d.Node(t, sandbox.NodeSpec{ID: "one", Disk: 64 << 20}))}
	const layers = "ls /var/lib/podlab/disk/images/layers | wc -l"
	n.must("printf 'FROM busybox\nRUN head -c 20000000 /dev/urandom >/big\nCMD sleep 600\n' >Dockerfile; container build -t big .; container run -d --name stands big")
	n.must("container rmi big")
	if left := n.must(layers); left != "1\n" {
		t.Errorf("a container stands on a layer, and there are %s", left)
	}
	n.must("container rm -f stands; container build -t other .; container rmi other")
	if left := n.must(layers); left != "0\n" {
		t.Errorf("nothing stands on a layer, and there are %s", left)
	}
	n.must("container build -t big .; cat /dev/zero >/root/ballast 2>/dev/null; sync; true")
	for _, said := range []struct{ script, want string }{
		{"container build -t more .", ""}, // what it said may be lost: there is hardly room for a log either
		{"printf 'FROM busybox\nCOPY ballast /' >Full; container build -f Full -t more .", "there is no room on the node's disk"},
		{"PODLAB_LANG=zh container build -f Full -t more .", "磁盘已满"},
	} {
		if out, code := n.sh(said.script); code == 0 || !strings.Contains(strings.ToLower(out), said.want) {
			t.Errorf("%s: exit %d: %s", said.script, code, out)
		}
	}
	n.must("rm /root/ballast")
	if left := n.must("ls -A /var/lib/podlab/disk/build; find /var/lib/podlab/disk/images -name '*.new*'; " + layers); left != "1\n" {
		t.Errorf("left behind: %s", left)
	}
	n.must("container run --rm big true")
}
