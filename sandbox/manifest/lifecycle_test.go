package manifest

import (
	"strings"
	"testing"

	"podlab/sandbox"
)

const whole = `apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  activeDeadlineSeconds: 60
  initContainers:
  - {name: first, image: busybox}
  - name: proxy
    image: busybox
    restartPolicy: Always
    startupProbe: {exec: {command: [test, -e, /up]}, periodSeconds: 1}
  containers:
  - name: web
    image: nginx
    ports: [{name: http, containerPort: 80}]
    terminationMessagePath: /tmp/end
    terminationMessagePolicy: FallbackToLogsOnError
    livenessProbe:
      httpGet: {path: /healthz, port: http, httpHeaders: [{name: X-A, value: b}]}
      initialDelaySeconds: 1
      terminationGracePeriodSeconds: 5
    readinessProbe: {tcpSocket: {port: 80}, successThreshold: 2}
    lifecycle:
      postStart: {exec: {command: [touch, /started]}}
      preStop: {sleep: {seconds: 3}}
  ephemeralContainers:
  - {name: debug, image: busybox, targetContainerName: web}
`

func TestLifecycle(t *testing.T) {
	objects, err := Decode([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	web := objects[0].Pod.Spec.Containers[0]
	if web.LivenessProbe.HTTPGet.Port != "http" || web.ReadinessProbe.TCPSocket.Port != "80" {
		t.Errorf("%+v %+v", web.LivenessProbe.HTTPGet, web.ReadinessProbe.TCPSocket)
	}
	if json := string(objects[0].JSON); !strings.Contains(json, `"port":80`) || !strings.Contains(json, `"port":"http"`) {
		t.Error(json)
	}
}

func TestLifecycleErrors(t *testing.T) {
	for _, c := range []struct {
		from, to string
		code     sandbox.Code
		field    string
	}{
		{"port: http,", "port: nope,", sandbox.CodeBadValue, "spec.containers[0].livenessProbe.httpGet.port"},
		{"tcpSocket: {port: 80}", "tcpSocket: {port: 70000}", sandbox.CodeBadValue, "spec.containers[0].readinessProbe.tcpSocket.port"},
		{"tcpSocket: {port: 80}", "tcpSocket: {port: 80}, exec: {command: [x]}", sandbox.CodeBadValue, "spec.containers[0].readinessProbe"},
		{"tcpSocket: {port: 80}", "grpc: {port: 70000}", sandbox.CodeBadValue, "spec.containers[0].readinessProbe.grpc.port"},
		{"successThreshold: 2", "terminationGracePeriodSeconds: 2", sandbox.CodeUnsupportedField, "spec.containers[0].readinessProbe.terminationGracePeriodSeconds"},
		{"initialDelaySeconds: 1", "successThreshold: 2", sandbox.CodeBadValue, "spec.containers[0].livenessProbe.successThreshold"},
		{"{seconds: 3}", "{seconds: 31}", sandbox.CodeBadValue, "spec.containers[0].lifecycle.preStop.sleep.seconds"},
		{"command: [touch, /started]", "command: []", sandbox.CodeBadValue, "spec.containers[0].lifecycle.postStart.exec.command"},
		{"value: b}", `value: "b\r\nc"}`, sandbox.CodeBadValue, "spec.containers[0].livenessProbe.httpGet.httpHeaders[0].value"},
		{"path: /healthz", "scheme: FTP", sandbox.CodeBadValue, "spec.containers[0].livenessProbe.httpGet.scheme"},
		{"restartPolicy: Always", "restartPolicy: OnFailure", sandbox.CodeBadValue, "spec.initContainers[1].restartPolicy"},
		{"    restartPolicy: Always\n", "", sandbox.CodeUnsupportedField, "spec.initContainers[1].startupProbe"},
		{"name: first", "name: web", sandbox.CodeBadValue, "spec.containers[0].name"},
		{"targetContainerName: web", "targetContainerName: none", sandbox.CodeBadValue, "spec.ephemeralContainers[0].targetContainerName"},
		{"targetContainerName: web", "ports: [{containerPort: 1}]", sandbox.CodeUnsupportedField, "spec.ephemeralContainers[0].ports"},
		{"activeDeadlineSeconds: 60", "activeDeadlineSeconds: 0", sandbox.CodeBadValue, "spec.activeDeadlineSeconds"},
	} {
		_, err := Decode([]byte(strings.Replace(whole, c.from, c.to, 1)))
		if sandbox.CodeOf(err) != c.code || sandbox.Public(err).Params["field"] != c.field {
			t.Errorf("%s: %v, want %s at %s", c.to, err, c.code, c.field)
		}
	}
	plain := "apiVersion: podlab/v1\nkind: Container\nmetadata: {name: p}\nspec: {image: busybox, livenessProbe: {tcpSocket: {port: 80}}}\n"
	if _, err := Decode([]byte(plain)); sandbox.CodeOf(err) != sandbox.CodeUnsupportedField {
		t.Errorf("a plain container with a probe: %v", err)
	}
}
