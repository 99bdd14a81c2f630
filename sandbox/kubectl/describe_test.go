package kubectl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"podlab/sandbox"
)

const described = `{"metadata":{"name":"web"},"spec":{
"initContainers":[{"name":"first","image":"busybox"}],
"containers":[{"name":"a","image":"nginx","livenessProbe":{"httpGet":{"port":80,"path":"/ok"},"initialDelaySeconds":3},"readinessProbe":{"exec":{"command":["cat","/x"]}},
"envFrom":[{"prefix":"C_","configMapRef":{"name":"colours"}}],"env":[{"name":"KEY","valueFrom":{"secretKeyRef":{"name":"login","key":"user"}}},
{"name":"ME","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}],"volumeMounts":[{"name":"v","mountPath":"/v","subPath":"x"}]}],
"ephemeralContainers":[{"name":"look","image":"busybox"}],
"volumes":[{"name":"v","secret":{"secretName":"login","optional":true}},{"name":"me","downwardAPI":{"items":[{"path":"n","fieldRef":{"fieldPath":"metadata.name"}}]}}]},
"status":{"qosClass":"BestEffort","initContainerStatuses":[{"name":"first","state":{"terminated":{"exitCode":0,"reason":"Completed"}}}],
"containerStatuses":[{"name":"a","ready":true,"restartCount":2}],"ephemeralContainerStatuses":[{"name":"look","state":{"running":{"startedAt":"x"}}}]}}`

// TestDescribe wants the lines of kubectl describe pod, in its order; space between cells counts not.
func TestDescribe(t *testing.T) {
	var pod sandbox.Pod
	if err := json.Unmarshal([]byte(described), &pod); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Describe(&out, pod, sandbox.Snapshot{}, nil); err != nil {
		t.Fatal(err)
	}
	rest := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"Name: web", "Init Containers: first:", "Reason: Completed", "Containers: a:", "Restart Count: 2",
		"Liveness: http-get http://:80/ok delay=3s timeout=1s period=10s #success=1 #failure=3",
		"Readiness: exec [cat /x] delay=0s timeout=1s period=10s #success=1 #failure=3",
		"Environment Variables from: colours ConfigMap with prefix 'C_' Optional: false",
		"KEY: <set to the key 'user' in secret 'login'> Optional: false", "ME: (v1:metadata.name)",
		`/v from v (rw,path="x")`, "Ephemeral Containers: look:", "State: Running", "Conditions:",
		"Volumes: v: Type: Secret (a volume populated by a Secret) SecretName: login Optional: true", "me: Type: DownwardAPI", "metadata.name -> n",
		"QoS Class: BestEffort", "Events: <none>",
	} {
		_, behind, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("%q is not there, or not in its place:\n%s", want, out.String())
		}
		rest = behind
	}
}

// TestImageEvents: what the kubelet says of an image that is not there (pkg/kubelet/images/image_manager.go).
func TestImageEvents(t *testing.T) {
	var moments []sandbox.Moment
	say := func(reason string, params ...string) {
		m := sandbox.Moment{Kind: sandbox.MomentContainer, Reason: reason, Pod: "p", Container: "p/a", Params: map[string]string{"image": "x:1"}}
		for i := 0; i < len(params); i += 2 {
			m.Params[params[i]] = params[i+1]
		}
		moments = append(moments, m)
	}
	say("Pulling")
	say("ErrImagePull", "detail", "not found")
	say("Failed", "detail", "ErrImagePull")
	say("ImagePullBackOff", "detail", "it waits")
	say("Failed", "detail", "ImagePullBackOff")
	say("Pulling")
	say("ErrImageNeverPull", "detail", "never")
	say("InvalidImageName", "detail", "bad")
	var got []string
	for _, e := range Events(moments, "p") {
		got = append(got, fmt.Sprintf("%s %s %s x%d", e.Type, e.Reason, e.Message, e.Count))
	}
	want := []string{
		`Warning Failed Failed to pull image "x:1": not found x1`, "Warning Failed Error: ErrImagePull x1", `Normal BackOff Back-off pulling image "x:1" x1`,
		"Warning Failed Error: ImagePullBackOff x1", `Normal Pulling Pulling image "x:1" x2`, "Warning ErrImageNeverPull never x1", "Warning InspectFailed bad x1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
