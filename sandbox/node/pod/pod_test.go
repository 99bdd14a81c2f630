package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/fake"
)

const twoContainers = `apiVersion: v1
kind: Pod
metadata:
  name: two-containers
spec:
  restartPolicy: Never
  volumes:
  - name: shared-data
    hostPath: {path: /data}
  containers:
  - name: nginx-container
    image: nginx
    volumeMounts: [{name: shared-data, mountPath: /usr/share/nginx/html}]
  - name: debian-container
    image: debian
    volumeMounts: [{name: shared-data, mountPath: /pod-data}]
    command: ["/bin/sh"]
    args: ["-c", "echo hello > /pod-data/index.html"]
`

// session is a node on which commands are typed.
type session struct {
	t     *testing.T
	agent *fake.Agent
	files map[string]string
}

func newSession(t *testing.T) *session {
	nodes := fake.New()
	if _, err := nodes.Create(t.Context(), sandbox.NodeSpec{ID: "n"}); err != nil {
		t.Fatal(err)
	}
	return &session{t: t, agent: nodes.Node("n"), files: map[string]string{"two.yaml": twoContainers}}
}

// run types a command line and returns what it printed and its exit code.
func (s *session) run(lang string, line ...string) (out, errs string, code int) {
	var stdout, stderr bytes.Buffer
	p := &program{
		agent: s.agent, words: wordsFor(lang), name: line[0], in: os.Stdin, out: &stdout, err: &stderr,
		readFile: func(name string) ([]byte, error) {
			if text, ok := s.files[name]; ok {
				return []byte(text), nil
			}
			return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
		},
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	code = p.main(ctx, line[1:])
	return stdout.String(), stderr.String(), code
}

func TestPodCommands(t *testing.T) {
	s := newSession(t)
	s.files["slip.yaml"] = strings.Replace(twoContainers, "- name: shared-data", "- name: shard-data", 1)
	s.files["image.yaml"] = strings.Replace(twoContainers, "image: debian", "image: debiann", 1)
	for _, c := range []struct {
		line      []string
		lang      string
		out, errs string // regular expressions for the whole text
		code      int
	}{
		{[]string{"pod", "get"}, "", ``, `There are no pods on this node.\n`, 0},
		{[]string{"pod", "get"}, "zh", ``, `这个节点上没有 Pod。\n`, 0},
		{[]string{"pod", "apply", "-f", "slip.yaml"}, "", ``, `slip.yaml: line \d+: container nginx-container mounts volume "shared-data", which spec.volumes does not have. It has: shard-data\n`, 1},
		{[]string{"pod", "apply", "-f", "slip.yaml"}, "zh", ``, `slip.yaml: 第 \d+ 行：容器 nginx-container 挂载了卷“shared-data”，但 spec.volumes 中没有它。现有的卷：shard-data\n`, 1},
		{[]string{"pod", "apply", "-f", "image.yaml"}, "", ``, `image.yaml: there is no image "debiann" here. There are: busybox, debian, .*\n`, 1},
		{[]string{"pod", "apply", "-f", "none.yaml"}, "zh", ``, `没有文件 none.yaml\n`, 1},
		{[]string{"pod", "apply"}, "", ``, `say which file: .*\nusage: pod apply -f FILE\|DIR\|-\n`, 2},
		{[]string{"pod", "apply", "-f", "two.yaml"}, "", `pod/two-containers created\n`, ``, 0},
		{[]string{"pod", "apply", "--filename=two.yaml"}, "zh", `pod/two-containers 没有变化\n`, ``, 0},
		{[]string{"pod", "get"}, "", `NAME +READY +STATUS +RESTARTS +AGE\ntwo-containers +1/2 +NotReady +0 +\d+s\n`, ``, 0},
		{[]string{"pod", "get", "pods", "-owide"}, "", `NAME +.* +IP +NODE\ntwo-containers .* +10.88.0.2 +node\n`, ``, 0},
		{[]string{"pod", "get", "two-containers", "-o", "yaml"}, "", `apiVersion: v1\nkind: Pod\nmetadata:\n  name: two-containers\n(?s:.*)phase: Running\n(?s:.*)`, ``, 0},
		{[]string{"pod", "get", "nobody"}, "", ``, `pod "nobody" not found\n`, 1},
		{[]string{"pod", "get", "nobody"}, "zh", ``, `找不到 Pod “nobody”\n`, 1},
		{[]string{"pod", "exec", "two-containers", "-c", "nginx-container", "--", "echo", "-n", "x"}, "", `-n x\n`, ``, 0},
		{[]string{"pod", "exec", "two-containers", "--", "sh", "-c", "exit 5"}, "", ``, `Defaulted container "nginx-container" out of: nginx-container, debian-container\n`, 5},
		{[]string{"pod", "exec", "two-containers", "ls"}, "", ``, `put -- before the command: (?s:.*)`, 2},
		{[]string{"pod", "exec", "two-containers", "-c", "debian-container", "--", "true"}, "", ``, `container "two-containers/debian-container" is not running\n`, 1},
		{[]string{"pod", "exec", "two-containers", "-c", "nginx-container", "--", "frob"}, "", ``, `there is no program "frob" in container two-containers/nginx-container\n`, 127},
		{[]string{"pod", "exec", "two-containers", "-c", "nginx-container", "--", "frob"}, "zh", ``, `容器 two-containers/nginx-container 中没有“frob”这个程序\n`, 127},
		{[]string{"pod", "exec", "two-containers", "-c", "nginx", "--", "true"}, "", ``, `pod two-containers has no container "nginx". It has: nginx-container, debian-container\n(?s:.*)`, 2},
		{[]string{"pod", "delete", "two-containers", "nobody", "--now"}, "", `pod/two-containers deleted\n`, `pod "nobody" not found\n`, 1},
		{[]string{"pod", "delete", "nobody", "--ignore-not-found"}, "", ``, ``, 0},
		{[]string{"pod", "get", "--watsh"}, "", ``, `unknown flag --watsh. Did you mean --watch\?\nusage: (?s:.*)`, 2},
		{[]string{"pod", "get", "--watsh"}, "zh", ``, `未知的选项 --watsh。是否想用 --watch？\n(?s:.*)`, 2},
		{[]string{"pod", "logs", "--help"}, "", `Print what a container printed.\n\nusage: pod logs (?s:.*)examples:\n  pod logs web\n(?s:.*)`, ``, 0},
		{[]string{"pod", "descibe"}, "", ``, `pod: there is no command "descibe". Did you mean pod describe\?\n`, 2},
		{[]string{"pod", "frob"}, "", ``, `pod: there is no command "frob". These are:\n(?s:.*)`, 2},
	} {
		s.check(c.lang, c.line, c.out, c.errs, c.code)
	}
}

func TestWordsOfErrors(t *testing.T) {
	for _, tt := range []struct {
		lang string
		err  error
		want string
	}{
		{"en", sandbox.Errorf(sandbox.CodeWaiting, "container", "x", "pod", "y", "reason", "ContainerCreating"), `container "x" in pod "y" is waiting to start: ContainerCreating`},
		{"zh", sandbox.Errorf(sandbox.CodeWaiting, "container", "x", "pod", "y", "reason", "ContainerCreating"), `Pod “y”中的容器“x”正在等待启动：ContainerCreating`},
		{"en", sandbox.Errorf(sandbox.CodeWaiting, "container", "x", "reason", "ContainerCreating"), `container "x" is waiting to start: ContainerCreating`},
		{"en", sandbox.Errorf(sandbox.CodeCannotStart, "container", "x", "command", "/etc", "detail", "is a directory", "reason", sandbox.StartDenied), `"/etc" in container x cannot be run: is a directory`},
		{"zh", sandbox.Errorf(sandbox.CodeCannotStart, "container", "x", "command", "/etc", "detail", "is a directory"), `无法在 x 中启动“/etc”：is a directory`},
	} {
		if got := wordsFor(tt.lang).problem(tt.err); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func (s *session) check(lang string, line []string, wantOut, wantErr string, wantCode int) {
	s.t.Helper()
	out, errs, code := s.run(lang, line...)
	matches := func(want, got string) bool { return regexp.MustCompile("^(?:" + want + ")$").MatchString(got) }
	if !matches(wantOut, out) || !matches(wantErr, errs) || code != wantCode {
		s.t.Errorf("%v: exit %d\n%s%s", line, code, out, errs)
	}
}

func TestContainerCommands(t *testing.T) {
	s := newSession(t)
	for _, c := range []struct {
		line      []string
		out, errs string
		code      int
	}{
		{[]string{"container", "run", "-d", "--name", "pause", "podlab/pause"}, `pause\n`, ``, 0},
		{[]string{"container", "run", "-d", "--name=web", "--net", "container:pause", "--ipc", "container:pause", "nginx"}, `web\n`, ``, 0},
		{[]string{"container", "run", "-d", "--name", "web", "nginx"}, ``, `container "web" is there already\n`, 1},
		{[]string{"container", "run", "-d", "--name", "late", "--net", "container:nobody", "busybox", "sleep", "9"}, ``, `container "nobody" not found\n`, 1},
		{[]string{"container", "run", "--net", "bridge", "busybox"}, ``, `"bridge": write container:NAME or host\n(?s:.*)`, 2},
		{[]string{"container", "run", "-it", "busybox"}, ``, `the input device is not a terminal: leave out -t\n(?s:.*)`, 2},
		{[]string{"container", "ls"}, `NAME +IMAGE +STATUS +PID +NET +IPC +UTS\npause .*\nweb .*\n`, ``, 0},
		{[]string{"container", "ps", "-q"}, `pause\nweb\n`, ``, 0},
		{[]string{"container", "exec", "web", "echo", "-i"}, `-i\n`, ``, 0},
		{[]string{"container", "rm", "web"}, ``, `container web is running. Stop it first, or use container rm -f\n(?s:.*)`, 2},
		{[]string{"container", "rm", "-f", "web", "pause"}, `container/web deleted\ncontainer/pause deleted\n`, ``, 0},
		{[]string{"container", "run", "--rm", "--name", "once", "busybox", "sh", "-c", "exit 7"}, ``, ``, 7},
		{[]string{"container", "ls", "-a"}, `NAME .*\n`, ``, 0},
	} {
		s.check("", c.line, c.out, c.errs, c.code)
	}
}

func TestRunOptionsBecomeAManifest(t *testing.T) {
	var o runOptions
	words, _, err := o.flags().parse([]string{
		"-d", "--name", "x", "-v", "/data:/in:ro", "-e", "A=b=c", "--memory", "64m", "--cpus=0.5", "-u", "7:8", "--uts", "host", "-w", "/tmp",
		"--entrypoint", "sh", "--privileged", "busybox", "-c", "echo --name y",
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := o.object(words[0], words[1:])
	if err != nil {
		t.Fatal(err)
	}
	spec := got.Spec
	if got.Metadata.Name != "x" || spec.Image != "busybox" || !slices.Equal(spec.Command, []string{"sh"}) || !slices.Equal(spec.Args, []string{"-c", "echo --name y"}) {
		t.Errorf("%+v", got)
	}
	if spec.Resources.Limits["memory"] != "64Mi" || spec.Resources.Limits["cpu"] != "0.5" || spec.Env[0] != (sandbox.EnvVar{Name: "A", Value: "b=c"}) {
		t.Errorf("%+v", spec)
	}
	if v, m := spec.Volumes[0], spec.VolumeMounts[0]; v.HostPath.Path != "/data" || m.MountPath != "/in" || !m.ReadOnly || m.Name != v.Name {
		t.Errorf("%+v %+v", v, m)
	}
	if sc := spec.SecurityContext; !*sc.Privileged || *sc.RunAsUser != 7 || *sc.RunAsGroup != 8 || spec.Join.UTS != "host" || spec.WorkingDir != "/tmp" {
		t.Errorf("%+v", spec)
	}
	for _, bad := range [][]string{{"-v", "data:/in", "i"}, {"-e", "A", "i"}, {"--memory", "much", "i"}, {"-u", "root", "i"}, {"--name", "A_b", "i"}} {
		var o runOptions
		words, _, err := o.flags().parse(bad)
		if err == nil {
			_, err = o.object(words[0], nil)
		}
		if _, ok := errors.AsType[*usageError](err); !ok {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestDockerSizes(t *testing.T) {
	for in, want := range map[string]string{"64m": "64Mi", "1G": "1Gi", "512kb": "512Ki", "1000": "1000", "64Mi": "64Mi", "m": "m", "1.5g": "1.5g"} {
		if got := kubernetesMemory(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestAges(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 119 * time.Second: "119s", 125 * time.Second: "2m5s", 5 * time.Minute: "5m", 2 * time.Hour: "120m", 30 * time.Hour: "30h", 72 * time.Hour: "3d",
	} {
		if got := short(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

// TestEveryCommandHasHelp: it is listed, and --help says what it does, in both languages.
func TestEveryCommandHasHelp(t *testing.T) {
	for program, commands := range map[string]map[string]command{"pod": podCommands, "container": containerCommands} {
		if len(verbs(commands)) != len(commands) {
			t.Errorf("%s: %v are listed of %d", program, verbs(commands), len(commands))
		}
		for verb, c := range commands {
			if english["help."+program+"."+verb] == "" || len(c.examples) == 0 {
				t.Errorf("%s %s has no help", program, verb)
			}
			for _, example := range c.examples {
				if !strings.Contains(example, program+" "+verb) {
					t.Errorf("%s %s: %s", program, verb, example)
				}
			}
		}
	}
}

// TestWordsAgree holds the two languages against each other: the same keys, the same parameters.
func TestWordsAgree(t *testing.T) {
	parameter := regexp.MustCompile(`\{\w+\}`)
	parameters := func(text string) string {
		found := parameter.FindAllString(text, -1)
		slices.Sort(found)
		return fmt.Sprint(slices.Compact(found))
	}
	for _, key := range slices.Sorted(maps.Keys(english)) {
		zh, ok := chinese[key]
		if !ok {
			t.Errorf("%s has no Chinese words", key)
		} else if parameters(zh) != parameters(english[key]) {
			t.Errorf("%s: parameters %s and %s", key, parameters(english[key]), parameters(zh))
		}
	}
	for key := range chinese {
		if _, ok := english[key]; !ok && !strings.HasPrefix(key, "kind.") {
			t.Errorf("%s has no English words", key)
		}
	}
}
