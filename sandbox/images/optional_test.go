package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/image/build"
	"podlab/sandbox/internal/image/store"
	"podlab/sandbox/internal/sandboxtest"
)

func TestMain(m *testing.M) {
	store.Main()
	os.Exit(m.Run())
}

// optional are the images that are made on demand, and what shows that each does its work. The script runs in the container once it is up.
var optional = []struct{ name, script, want string }{
	{"git", `cd /tmp; export HOME=/tmp GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
		git init -q -b main /srv/git/site && cd /srv/git/site && echo page >index && git add . && git commit -q -m one
		git clone -q git://localhost/site /tmp/copy && cat /tmp/copy/index`, "page"},
	{"groonga", `exec 3<>/dev/tcp/127.0.0.1/10041; printf 'GET /d/table_create?name=Logs&flags=TABLE_NO_KEY HTTP/1.0\r\n\r\n' >&3; cat <&3 | tail -1
		exec 3<>/dev/tcp/127.0.0.1/10041; printf 'GET /d/table_list HTTP/1.0\r\n\r\n' >&3; cat <&3`, `"Logs"`},
	{"mariadb", `mariadb -e 'create database shop; create table shop.t (a int) engine=innodb; insert into shop.t values (6),(7); select concat("sum ", sum(a)) from shop.t'`, "sum 13"},
	{"rsyslog", `echo first line >/var/log/app/error.log; sleep 1; echo done`, "done"},
	{"tomcat", `mkdir /var/lib/tomcat10/webapps/a; echo '<%= 6*7 %>' >/var/lib/tomcat10/webapps/a/i.jsp
		for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 1
		exec 3<>/dev/tcp/127.0.0.1/8080; printf 'GET /a/i.jsp HTTP/1.0\r\n\r\n' >&3; r=$(cat <&3); case $r in *200*) echo "$r"; break;; esac; done`, "42"},
}

// Every optional recipe is made, starts in a node, and does what it is for.
func TestOptionalImages(t *testing.T) {
	sandboxtest.Root(t)
	var names []string
	for _, o := range optional {
		names = append(names, o.name)
	}
	data := dataWith(t, names...)
	d := sandboxtest.Start(t, sandboxtest.Data(data))
	cmd := buildCmd{Out: filepath.Join(data, "images"), Names: names}
	if err := cmd.tell(&env{ctx: t.Context(), nodes: d}); err != nil {
		t.Error(err)
	}
	for _, o := range optional {
		t.Run(o.name, func(t *testing.T) { tried(t, d, o.name, o.script, o.want) })
	}
}

// dataWith is a data directory of its own with the usual images and the named ones.
func dataWith(t *testing.T, names ...string) string {
	t.Helper()
	prepared, err := sandboxtest.Prepare(true)
	must(t, err)
	data := t.TempDir()
	must(t, os.Chmod(filepath.Dir(data), 0o755))
	must(t, os.Chmod(data, 0o755))
	must(t, os.MkdirAll(filepath.Join(data, "node"), 0o755))
	must(t, os.Symlink(filepath.Join(prepared, "node", "bin"), filepath.Join(data, "node", "bin")))
	cache := os.Getenv("PODLAB_CACHE")
	if cache == "" {
		cache = "/var/cache/podlab"
	}
	must(t, build.Run(t.Context(), build.Settings{Recipes: "../../content/images", Out: filepath.Join(data, "images"), Cache: cache, Names: names}))
	return data
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func tried(t *testing.T, d *sandboxtest.Daemon, name, script, want string) {
	node := d.Node(t, sandbox.NodeSpec{ID: "try-" + name})
	agent := d.Agent(node)
	run := func(container string, argv ...string) string {
		var out bytes.Buffer
		exit, err := agent.Exec(t.Context(), sandbox.ExecSpec{Container: container, Argv: argv}, sandbox.Streams{Out: &out, Err: &out})
		if err != nil || exit.Code != 0 {
			t.Errorf("%v: %v, exit %d: %s", argv, err, exit.Code, out.String())
		}
		return out.String()
	}
	run("", "container", "run", "-d", "--name", "it", name)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		shot, err := agent.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if up, err := isUp(shot, "it", ports[name]); err != nil || time.Now().After(end) {
			t.Fatalf("it does not start: %v: %s", err, run("", "container", "logs", "it"))
		} else if up {
			break
		}
	}
	if out := run("it", "bash", "-c", script); !strings.Contains(out, want) {
		t.Errorf("got %q, want %q in it", out, want)
	}
	if name == "rsyslog" {
		if out := run("", "container", "logs", "it"); !strings.Contains(out, "/var/log/app/error.log") || !strings.Contains(out, "first line") {
			t.Errorf("shipped: %q", out)
		}
	}
	if err := d.Destroy(t.Context(), node.Spec.ID); err != nil {
		t.Error(err)
	}
}

var ports = map[string][]int{"git": {9418}, "groonga": {10041}, "mariadb": {3306}, "tomcat": {8080}}
