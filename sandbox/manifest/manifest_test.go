package manifest

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"podlab/sandbox"
)

// twoContainers is the pod of lab 3.3.
const twoContainers = `apiVersion: v1
kind: Pod
metadata:
  name: two-containers
spec:
  restartPolicy: Never
  volumes:
  - name: shared-data
    hostPath:
      path: /data
  containers:
  - name: nginx-container
    image: nginx
    volumeMounts:
    - name: shared-data
      mountPath: /usr/share/nginx/html
  - name: debian-container
    image: debian
    volumeMounts:
    - name: shared-data
      mountPath: /pod-data
    command: ["/bin/sh"]
    args: ["-c", "echo hello from the debian container > /pod-data/index.html"]
`

func TestDecode(t *testing.T) {
	objects, err := Decode([]byte("# two documents\n---\n" + twoContainers + `---
apiVersion: podlab/v1
kind: Container
metadata: {name: web}
spec:
  image: busybox
  join: {network: "container:pause", ipc: host}
  resources: {limits: {memory: 64Mi, cpu: 0.5, podlab.dev/pids: 20}}
---
`))
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) != 2 || objects[0].Ref != (sandbox.Ref{Kind: "Pod", Name: "two-containers"}) || objects[1].Ref != (sandbox.Ref{Kind: "Container", Name: "web"}) {
		t.Fatalf("objects %v", objects)
	}
	if objects[0].Line != 3 {
		t.Errorf("the first document begins at line %d, want 3", objects[0].Line)
	}
	pod, c := objects[0].Pod, objects[1].Container
	if pod.Spec.Volumes[0].HostPath.Path != "/data" || pod.Spec.Containers[1].Args[0] != "-c" {
		t.Errorf("pod %+v", pod)
	}
	if c.Spec.Name != "web" || c.Spec.Join.Network != "container:pause" || c.Spec.Resources.Limits["cpu"] != "0.5" || c.Spec.Resources.Limits[ResourcePIDs] != "20" {
		t.Errorf("container %+v", c)
	}
	var real corev1.Pod
	if err := json.Unmarshal(objects[0].JSON, &real); err != nil || real.Spec.Containers[0].VolumeMounts[0].Name != "shared-data" {
		t.Errorf("Kubernetes reads the JSON as %+v, %v", real.Spec, err)
	}
}

func TestDecodeTakesBackWhatTheAgentGave(t *testing.T) {
	objects, err := Decode([]byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","uid":"x","creationTimestamp":"2026-01-01T00:00:00Z"},
"spec":{"containers":[{"name":"c","image":"busybox","resources":{}}]},"status":{"phase":"Running","podIP":"10.0.0.2"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if pod := objects[0].Pod; pod.Metadata.UID != "" || pod.Status.Phase != "" {
		t.Errorf("what the agent sets was kept: %+v", pod)
	}
}

func TestYAMLIsReadAgain(t *testing.T) {
	objects, err := Decode([]byte(pod(`command: [echo, "yes", "1", "~", "", "0x1f", "a: b", "# c", "多", "two\nlines\n", "1:30", "2026-01-01"]`, "")))
	if err != nil {
		t.Fatal(err)
	}
	text, err := YAML(objects[0].Pod)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Decode(text)
	if err != nil || string(again[0].JSON) != string(objects[0].JSON) {
		t.Errorf("read again as %+v, %v:\n%s", again, err, text)
	}
	for _, want := range []string{"apiVersion: v1\nkind: Pod\nmetadata:\n  name: demo\nspec:\n  containers:\n  - name: web\n", "- \"yes\"\n", "- 多\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// pod puts lines into a pod that is right without them. Container lines begin at line 9, pod lines after them.
func pod(container, spec string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata:\n  name: demo\nspec:\n  containers:\n  - name: web\n    image: nginx\n" + indent(container, 4) + indent(spec, 2)
}

func indent(s string, n int) string {
	if s == "" {
		return ""
	}
	return strings.Repeat(" ", n) + strings.ReplaceAll(s, "\n", "\n"+strings.Repeat(" ", n)) + "\n"
}

func TestErrors(t *testing.T) {
	tests := []struct {
		name, yaml, want string
	}{
		{"classic slip", strings.Replace(twoContainers, "- name: shared-data\n    hostPath", "- name: shard-data\n    hostPath", 1),
			"volume_not_found line=15;name=shared-data;container=nginx-container;known=shard-data"},
		{"no volumes", pod("volumeMounts: [{name: x, mountPath: /x}]", ""), "volume_not_found line=9;name=x;container=web;known="},
		{"syntax", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: demo\n spec: {}\n", "bad_manifest line=5"},
		{"tab", "apiVersion: v1\nkind:\tPod\nmetadata:\n\tname: x\n", "bad_manifest line=4"},
		{"unclosed", "apiVersion: v1\nkind: \"Pod\n", "bad_manifest"},
		{"unknown field", pod("imag: nginx", ""), "unknown_field line=9;field=spec.containers[0].imag;near=image"},
		{"letter case", pod("volumemounts: []", ""), "unknown_field line=9;field=spec.containers[0].volumemounts;near=volumeMounts"},
		{"unsupported", pod("volumeDevices: []", ""), "unsupported_field line=9;field=spec.containers[0].volumeDevices"},
		{"unsupported of a pod", pod("", "readinessGates: []"), "unsupported_field line=9;field=spec.readinessGates"},
		{"unsupported source", pod("", "volumes:\n- name: v\n  nfs: {server: x}"), "unsupported_field line=11;field=spec.volumes[0].nfs;detail=storage"},
		{"wrong place", pod("restartPolicy: Never", ""), "unsupported_field line=9;field=spec.containers[0].restartPolicy"},
		{"image", strings.Replace(twoContainers, "image: nginx", "image: Nginx", 1), "bad_value line=13;field=spec.containers[0].image;value=Nginx;detail=image"},
		{"number for text", pod("env: [{name: A, value: 1}]", ""), "bad_value line=9;field=spec.containers[0].env[0].value;value=1;detail=string"},
		{"yes for text", pod("command: [echo, yes]", ""), "bad_value line=9;value=yes;detail=string"},
		{"text for list", pod("command: sleep 1", ""), "bad_value line=9;field=spec.containers[0].command;detail=list"},
		{"text for bool", pod("", `hostPID: "true"`), "bad_value line=9;field=spec.hostPID;detail=boolean"},
		{"list for map", pod("", "securityContext: [1]"), "bad_value line=9;detail=map"},
		{"null item", pod("command: [a, ~]", ""), "bad_value line=9;detail=required"},
		{"text for number", pod("ports: [{containerPort: http}]", ""), "bad_value line=9;detail=integer"},
		{"port range", pod("ports: [{containerPort: 70000}]", ""), "bad_value line=9;detail=range"},
		{"capital name", strings.Replace(pod("", ""), "name: demo", "name: Demo", 1), "bad_value line=4;field=metadata.name;value=Demo;detail=name"},
		{"no name", "apiVersion: v1\nkind: Pod\nmetadata: {}\nspec: {containers: [{name: a, image: b}]}", "bad_value line=3;field=metadata.name;detail=required"},
		{"no containers", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {}", "bad_value line=4;field=spec.containers;detail=required"},
		{"no image", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: a", "bad_value line=6;field=spec.containers[0].image;detail=required"},
		{"names twice", pod("", "") + "  - name: web\n    image: nginx\n", "bad_value line=9;field=spec.containers[1].name;value=web;detail=unique"},
		{"key twice", pod("image: debian", ""), "bad_value line=9;detail=unique"},
		{"policy", pod("", "restartPolicy: Sometimes"), "bad_value line=9;field=spec.restartPolicy;value=Sometimes;detail=choice;want=Always, OnFailure, Never"},
		{"quantity", pod("resources:\n  limits:\n    memory: 64MB", ""), "bad_value line=11;field=spec.containers[0].resources.limits.memory;value=64MB;detail=quantity"},
		{"request over limit", pod("resources:\n  limits: {cpu: 1}\n  requests: {cpu: 1001m}", ""), "bad_value line=11;detail=below;want=1"},
		{"resource key", pod("resources: {limits: {disk: 1}}", ""), "bad_value line=9;detail=choice"},
		{"no source", pod("", "volumes: [{name: v}]"), "bad_value line=9;field=spec.volumes[0];value=v;detail=source"},
		{"two sources", pod("", "volumes: [{name: v, emptyDir: {}, hostPath: {path: /x}}]"), "bad_value line=9;detail=source"},
		{"climbing path", pod("", "volumes: [{name: v, hostPath: {path: /a/../../b}}]"), "bad_value line=9;field=spec.volumes[0].hostPath.path;detail=path"},
		{"relative mount", pod("volumeMounts: [{name: v, mountPath: x}]", "volumes: [{name: v, emptyDir: {}}]"), "bad_value line=9;detail=path"},
		{"one mount path twice", pod("volumeMounts: [{name: v, mountPath: /x}, {name: v, mountPath: /x/}]", "volumes: [{name: v, emptyDir: {}}]"), "bad_value line=9;detail=unique"},
		{"hostPID and shared", pod("", "hostPID: true\nshareProcessNamespace: yes"), "bad_value line=10;detail=alone;want=hostPID"},
		{"kind", "apiVersion: apps/v1\nkind: Deployment\n", "bad_value line=2;field=kind;value=Deployment;detail=choice"},
		{"version", "apiVersion: v2\nkind: Pod\n", "bad_value line=1;field=apiVersion;value=v2;detail=choice;want=v1"},
		{"no kind", "apiVersion: v1\n", "bad_value line=1;field=kind;detail=required"},
		{"not an object", "hello", "bad_value line=1;value=hello;detail=map"},
		{"nothing", "# nothing\n---\n", "bad_value line=1;detail=oneobject"},
		{"object twice", pod("", "") + "---\n" + pod("", ""), "bad_value line=13;field=metadata.name;detail=unique"},
		{"join", "apiVersion: podlab/v1\nkind: Container\nmetadata: {name: a}\nspec: {image: b, join: {network: pod}}", "bad_value line=4;field=spec.join.network;detail=join"},
		{"join in a pod", pod("", "join: {}"), "unknown_field line=9;field=spec.join"},
		{"user id", pod("securityContext: {runAsUser: 70000}", ""), "bad_value line=9;detail=range;want=0–65535"},
		{"capability", pod("securityContext: {capabilities: {add: [net_admin]}}", ""), "bad_value line=9;detail=name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Decode([]byte(tt.yaml))
			if err == nil {
				t.Fatal("accepted")
			}
			matches(t, sandbox.Public(err), tt.want)
		})
	}
}

// TestBombsAreBounded gives Decode what is short to write and long to read. Bytes allocated stand for the cost: they are the same on
// a busy machine.
func TestImageNames(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for _, good := range []string{"nginx", "nginx:1.25", "team/app", "10.88.0.4:5000/team/app:v1", "localhost:5000/app", "registry.example/team/app" + digest, "app:v1" + digest} {
		if _, err := Decode([]byte(strings.Replace(twoContainers, "image: nginx", "image: "+good, 1))); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"Nginx", "a b", "/nginx", "nginx:", "host:port/app", "a:1:2", "nginx@sha256:1", "host:5000/"} {
		if _, err := Decode([]byte(strings.Replace(twoContainers, "image: nginx", "image: \""+bad+"\"", 1))); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestBombsAreBounded(t *testing.T) {
	const most = 96 << 20 // a full manifest of one-letter nodes takes some 70 MiB
	metadata := "apiVersion: v1\nkind: Pod\nmetadata: "
	demo := "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: a\n    image: b\n"
	long := strings.Repeat("x", 100_000)
	laughs := "a0: &a0 [x,x]\n"
	for i := range 40 {
		laughs += fmt.Sprintf("a%d: &a%d [*a%d,*a%d]\n", i+1, i+1, i, i)
	}
	variables, sharing := "", ""
	for i := range 2500 {
		variables += fmt.Sprintf("    - {name: A%d, value: x}\n", i)
	}
	for i := range 200 {
		sharing += fmt.Sprintf("  - {name: c%d, image: b, env: *e}\n", i)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"laughs", laughs + demo, "unknown_field"},
		{"laughs at a field", metadata + "\n  name: a\n  labels:\n    x: y\n" + indent(laughs, 4) + "spec: {}\n", "bad_value"},
		{"aliases of a list", demo + "    env: &e\n" + variables + sharing, WantSmaller},
		{"aliases of a long string", demo + "    command: [&l " + long + strings.Repeat(",*l", 18_000) + "]\n", WantSmaller},
		{"aliases of a long key", demo + "    resources: &r {limits: {" + long + ": 1}}\n" + strings.Repeat("  - {resources: *r}\n", 2000), WantSmaller},
		{"aliases in many documents", strings.Repeat(demo+"    command: [&l "+long[:2000]+strings.Repeat(",*l", 120)+"]\n---\n", 60), WantSmaller},
		{"cycle", "apiVersion: v1\nkind: Pod\nmetadata: &m\n  name: a\n  labels: *m\n", "bad_value"},
		{"lists 10,000 deep", metadata + strings.Repeat("[", 9_999) + strings.Repeat("]", 9_999), WantMap},
		{"keys 10,000 deep", metadata + strings.Repeat("{name: ", 9_999) + strings.Repeat("}", 9_999), WantString},
		{"items 10,000 deep", metadata + "\n" + strings.Repeat("- ", 9_999) + "a\n", WantMap},
		{"lists too deep to read", metadata + strings.Repeat("[", 250_000), "bad_manifest"},
		{"items too deep to read", metadata + "\n" + strings.Repeat("- ", 125_000), "bad_manifest"},
		{"many nodes", metadata + "[" + strings.Repeat("a,", 130_000) + "]", WantMap},
		{"many documents", strings.Repeat("a\n---\n", 40_000), WantSmaller},
		{"large", strings.Repeat("#", sandbox.MaxManifest+1), "too_large"},
		{"long unknown key", metadata + "{" + long + ": 1}", "unknown_field"},
		{"long anchor", metadata + "*" + long, "bad_manifest"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Decode([]byte(tt.text))
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Fatal("accepted")
			}
			e := sandbox.Public(err)
			if string(e.Code) != tt.want && e.Params["detail"] != tt.want {
				t.Errorf("%.200s, want %s", e, tt.want)
			}
			for name, value := range e.Params {
				if len(value) > 2000 {
					t.Errorf("%s of the error has %d bytes", name, len(value))
				}
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > most {
				t.Errorf("refused after %d MiB of allocations", took>>20)
			}
		})
	}
}
