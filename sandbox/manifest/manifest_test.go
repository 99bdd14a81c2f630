package manifest

import (
	"encoding/json"
	"fmt"
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

func TestBombsAreBounded(t *testing.T) {
	var aliases strings.Builder
	aliases.WriteString("apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels: &a0 {x: y}\nspec:\n  containers:\n  - name: a\n    image: b\n    command: &b0 [x,x,x,x,x,x,x,x,x,x]\n    env: &e0\n")
	for i := range 2500 {
		fmt.Fprintf(&aliases, "    - {name: A%d, value: x}\n", i)
	}
	for i := range 200 {
		fmt.Fprintf(&aliases, "  - {name: c%d, image: b, env: *e0}\n", i)
	}
	cycle := "apiVersion: v1\nkind: Pod\nmetadata: &m\n  name: a\n  labels: *m\n"
	deep := "apiVersion: v1\nkind: Pod\nmetadata: " + strings.Repeat("[", 50_000)
	for name, text := range map[string]string{"aliases": aliases.String(), "cycle": cycle, "deep": deep, "large": strings.Repeat("#", sandbox.MaxManifest+1)} {
		if _, err := Decode([]byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		} else {
			t.Logf("%s: %.200s", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(twoContainers)
	f.Add("a: &a [*a]")
	f.Fuzz(func(t *testing.T, text string) {
		objects, err := Decode([]byte(text))
		if err != nil && sandbox.CodeOf(err) == sandbox.CodeInternal {
			t.Fatalf("an error without a code: %v", err)
		}
		for _, o := range objects {
			again, err := Decode(o.JSON)
			if err != nil || string(again[0].JSON) != string(o.JSON) {
				t.Fatalf("%s is not read again as it was: %v", o.JSON, err)
			}
		}
	})
}
