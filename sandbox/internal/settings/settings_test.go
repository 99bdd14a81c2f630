package settings

import (
	"flag"
	"strings"
	"testing"

	"podlab/sandbox"
)

func parse(args ...string) (*Settings, error) {
	return Parse(flag.NewFlagSet("", flag.ContinueOnError), args)
}

func TestParse(t *testing.T) {
	s, err := parse("--run", "/run/x", "--data", "/d", "--max-nodes", "3", "--memory", "128Mi", "--cpu", "1500m", "--pids", "100", "--disk", "64Mi")
	if err != nil {
		t.Fatal(err)
	}
	want := Settings{Run: "/run/x", Data: "/d", MaxNodes: 3, Spares: 2, Defaults: sandbox.NodeSpec{Memory: 128 << 20, CPU: 1500, PIDs: 100, Disk: 64 << 20}}
	if *s != want {
		t.Errorf("%+v, want %+v", *s, want)
	}
	if s.NodeSocket("n") != "/run/x/nodes/n.sock" || s.State("n") != "/run/x/sandboxd/n" || s.Programs() != "/d/node/bin" {
		t.Errorf("paths: %s %s %s", s.NodeSocket("n"), s.State("n"), s.Programs())
	}
	if s, err = parse(); err != nil || s.MaxNodes < 1 || s.Groups() != "podlab" {
		t.Errorf("without arguments: %+v %v", s, err)
	}
	for _, bad := range [][]string{{"--memory", "much"}, {"--data", "/a:b"}, {"--run", "/a,b"}, {"--group", "no such group"}} {
		if _, err := parse(bad...); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestGroupsDiffer(t *testing.T) {
	one, two := Settings{Run: "/tmp/one"}, Settings{Run: "/tmp/two"}
	if one.Groups() == two.Groups() || one.Groups() == "podlab" {
		t.Errorf("%s and %s", one.Groups(), two.Groups())
	}
}

func TestComplete(t *testing.T) {
	s, err := parse("--memory", "128Mi", "--disk", "64Mi")
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Complete(sandbox.NodeSpec{ID: "n", Memory: 200 << 20})
	want := sandbox.NodeSpec{ID: "n", Hostname: "node", Memory: 200 << 20, CPU: 1000, PIDs: 512, Disk: 64 << 20, Subnet: "10.88.0.0/24"}
	if err != nil || got != want {
		t.Errorf("%+v %v", got, err)
	}
	if places := s.Places(got); places != 2 {
		t.Errorf("200 MiB take %d places of 128 MiB", places)
	}
	for _, bad := range []sandbox.NodeSpec{{ID: "../x"}, {ID: ""}, {ID: "-x"}, {ID: "x", Hostname: "a b"}, {ID: "x", Memory: 1},
		{ID: "x", Memory: 1 << 40}, {ID: "x", PIDs: 1 << 40}, {ID: "x", Disk: -1}, {ID: "x", Owner: "-"}, {ID: "x", Subnet: "10.88.1.1/24"},
		{ID: "x", Subnet: "10.89.0.0/24"}, {ID: "x", Subnet: "10.88.0.0/16"}, {ID: "x", Subnet: "fd00::/24"}, {ID: "x", Subnet: "x"}} {
		if _, err := s.Complete(bad); sandbox.CodeOf(err) != sandbox.CodeBadRequest {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestOneDaemonForOneDirectory(t *testing.T) {
	s := &Settings{Run: t.TempDir()}
	lock, err := s.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lock(); err == nil || !strings.Contains(err.Error(), "another daemon") {
		t.Errorf("a second one: %v", err)
	}
	lock.Close()
	if lock, err = s.Lock(); err != nil {
		t.Fatalf("after the first: %v", err)
	}
	lock.Close()
}
