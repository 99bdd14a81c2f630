package labs

import (
	"encoding/json"
	"strings"
	"testing"

	"podlab/sandbox"
	"podlab/sandbox/manifest"
)

const pair = `apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  restartPolicy: OnFailure
  terminationGracePeriodSeconds: 1
  shareProcessNamespace: true
  volumes: [{name: data, emptyDir: {}}, {name: unused, emptyDir: {}}]
  initContainers: [{name: first, image: busybox}]
  containers:
  - name: web
    image: nginx
    terminationMessagePath: /dev/x
    livenessProbe: {tcpSocket: {port: 80}}
    lifecycle: {preStop: {sleep: {seconds: 1}}}
    volumeMounts: [{name: data, mountPath: /html}]
  - {name: side, image: busybox, command: [sleep, "9"], env: [{name: A, value: b}]}
`

// TestApart: a pod's containers become plain ones that manifest takes, with what is theirs and without what is the pod's.
func TestApart(t *testing.T) {
	objects, err := manifest.Decode([]byte(pair))
	if err != nil {
		t.Fatal(err)
	}
	text, err := apart(manifest.Bytes(objects)[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := manifest.Decode(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	var got []string
	for _, data := range manifest.Bytes(plain) {
		var c sandbox.PlainContainer
		if err := json.Unmarshal(data, &c); err != nil {
			t.Fatal(err)
		}
		volumes := make([]string, 0, 1)
		for _, v := range c.Spec.Volumes {
			volumes = append(volumes, v.Name)
		}
		got = append(got, strings.Join([]string{c.Kind, c.Metadata.Name, c.Spec.Image, c.Spec.RestartPolicy, strings.Join(volumes, "+")}, " "))
	}
	if want := "Container web nginx OnFailure data, Container side busybox OnFailure "; strings.Join(got, ", ") != want {
		t.Errorf("%q, want %q", strings.Join(got, ", "), want)
	}
	if text, err := apart(manifest.Bytes(objects)[0], []sandbox.Container{{ID: "web"}, {ID: "side"}}); err != nil || len(text) != 0 {
		t.Errorf("both are there: %v, %s", err, text)
	}
}

// TestApartOnANode: one click makes them, a second one makes nothing, and a pod that is not there is said.
func TestApartOnANode(t *testing.T) {
	in(t, func(r *rig) {
		p := r.look(ann, lab1, "start")
		r.ok(r.Start(ann, lab1, "start"))
		p.phase(PhaseReady)
		defer p.sub.Close()
		objects, err := manifest.Decode([]byte(strings.ReplaceAll(pair, "name: p}", "name: pair}")))
		r.ok(err)
		_, err = r.nodeOf(ann).Apply(r.Context(), manifest.Bytes(objects))
		r.ok(err)
		made, err := r.Apart(r.Context(), ann, lab1, "pair")
		r.ok(err)
		again, err := r.Apart(r.Context(), ann, lab1, "pair")
		r.ok(err)
		if len(made) != 2 || made[0].Kind != sandbox.ManifestContainer || len(again) != 0 {
			r.Errorf("made %v, then %v", made, again)
		}
		if _, err := r.Apart(r.Context(), ann, lab1, "nobody"); sandbox.CodeOf(err) != sandbox.CodeNotFound {
			r.Errorf("no such pod: %v", err)
		}
	})
}
