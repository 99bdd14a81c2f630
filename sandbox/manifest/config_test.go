package manifest

import (
	"encoding/base64"
	"strings"
	"testing"

	"podlab/sandbox"
)

func TestDataObjects(t *testing.T) {
	objects, err := Decode([]byte(`apiVersion: v1
kind: ConfigMap
metadata: {name: game.config, labels: {a: b}}
data:
  lives: "3"
  ui.properties: |
    color=blue
binaryData: {blob: AAEC}
---
apiVersion: v1
kind: Secret
metadata: {name: login}
type: kubernetes.io/basic-auth
data: {user: YWRtaW4=, password: b2xk}
stringData: {password: "new"}
immutable: true
`))
	if err != nil {
		t.Fatal(err)
	}
	c, s := objects[0].ConfigMap, objects[1].Secret
	if objects[0].Ref != (sandbox.Ref{Kind: "ConfigMap", Name: "game.config"}) || c.Data["lives"] != "3" || c.BinaryData["blob"] != "AAEC" {
		t.Errorf("%+v", objects[0])
	}
	password, _ := base64.StdEncoding.DecodeString(s.Data["password"])
	if string(password) != "new" || s.StringData != nil || s.Type != "kubernetes.io/basic-auth" || !*s.Immutable {
		t.Errorf("%+v", s)
	}
	again, err := Decode(objects[1].JSON)
	if err != nil || string(again[0].JSON) != string(objects[1].JSON) {
		t.Errorf("read again: %s, %v", objects[1].JSON, err)
	}
}

func TestModesAreOctal(t *testing.T) {
	objects, err := Decode([]byte(pod("", "volumes:\n- name: v\n  secret: {secretName: x, defaultMode: 0400, items: [{key: k, path: a/b, mode: 0o440}]}\n- name: w\n  configMap: {name: x, defaultMode: 256}")))
	if err != nil {
		t.Fatal(err)
	}
	v := objects[0].Pod.Spec.Volumes
	if *v[0].Secret.DefaultMode != 0o400 || *v[0].Secret.Items[0].Mode != 0o440 || *v[1].ConfigMap.DefaultMode != 0o400 {
		t.Errorf("%+v %+v", v[0].Secret, v[1].ConfigMap)
	}
}

func TestConfigurationErrors(t *testing.T) {
	configMap := func(rest string) string { return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n" + rest }
	secret := func(rest string) string { return "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n" + rest }
	volume := func(source string) string { return pod("", "volumes:\n- name: v\n  "+source) }
	mount := func(rest string) string {
		return pod("volumeMounts: [{name: v, mountPath: /v, "+rest+"}]", "volumes: [{name: v, emptyDir: {}}]")
	}
	env := func(from string) string { return pod("env:\n- name: A\n  valueFrom: "+from, "") }
	for name, c := range map[string]struct{ yaml, want string }{
		"number as data":      {configMap("data: {a: 1}"), "bad_value line=4;field=data.a;detail=string"},
		"key":                 {configMap("data: {a/b: x}"), "bad_value line=4;value=a/b;detail=key"},
		"key twice":           {configMap("data: {a: x}\nbinaryData: {a: eA==}"), "bad_value line=5;detail=unique"},
		"no base64":           {configMap("binaryData: {a: '%%'}"), "bad_value line=4;detail=base64"},
		"plain secret":        {secret("data: {a: hello world}"), "bad_value line=4;field=data.a;detail=base64"},
		"capital name":        {strings.Replace(configMap(""), "name: c", "name: C", 1), "bad_value line=3;detail=name"},
		"server's field":      {strings.Replace(configMap(""), "name: c", "name: c, finalizers: [x]", 1), "unsupported_field line=3;detail=server"},
		"no field path":       {env("{fieldRef: {}}"), "bad_value line=11;field=spec.containers[0].env[0].valueFrom.fieldRef.fieldPath;detail=required"},
		"field path":          {env("{fieldRef: {fieldPath: spec.containers}}"), "bad_value line=11;value=spec.containers;detail=choice"},
		"all labels":          {env("{fieldRef: {fieldPath: metadata.labels}}"), "bad_value line=11;detail=choice"},
		"resource":            {env("{resourceFieldRef: {resource: limits.disk}}"), "bad_value line=11;detail=choice"},
		"divisor":             {env("{resourceFieldRef: {resource: limits.cpu, divisor: 1Mi}}"), "bad_value line=11;value=1Mi;detail=choice;want=0, 1, 1m"},
		"two sources":         {env("{fieldRef: {fieldPath: metadata.name}, configMapKeyRef: {name: a, key: b}}"), "bad_value line=11;detail=oneref"},
		"value and source":    {pod("env: [{name: A, value: b, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]", ""), "bad_value line=9;detail=alone;want=value"},
		"no key":              {env("{secretKeyRef: {name: a}}"), "bad_value line=11;detail=required"},
		"file key":            {env("{fileKeyRef: {key: a}}"), "unsupported_field line=11;detail=gate"},
		"envFrom":             {pod("envFrom: [{prefix: A_}]", ""), "bad_value line=9;detail=oneref"},
		"prefix":              {pod("envFrom: [{prefix: 1A, configMapRef: {name: a}}]", ""), "bad_value line=9;detail=variable"},
		"mode":                {volume("configMap: {name: a, defaultMode: 01000}"), "bad_value line=11;detail=range;want=0–511"},
		"huge mode":           {volume("configMap: {name: a, defaultMode: 99999999999}"), "bad_value line=11;detail=range"},
		"item climbs":         {volume("configMap: {name: a, items: [{key: k, path: ../x}]}"), "bad_value line=11;detail=relative"},
		"item of the writer":  {volume("configMap: {name: a, items: [{key: k, path: ..data}]}"), "bad_value line=11;detail=relative"},
		"item absolute":       {volume("secret: {secretName: a, items: [{key: k, path: /x}]}"), "bad_value line=11;detail=relative"},
		"no secret name":      {volume("secret: {}"), "bad_value line=11;field=spec.volumes[0].secret.secretName;detail=required"},
		"whose resource":      {volume("downwardAPI: {items: [{path: a, resourceFieldRef: {resource: limits.cpu}}]}"), "bad_value line=11;detail=required"},
		"file of pod address": {volume("downwardAPI: {items: [{path: a, fieldRef: {fieldPath: status.podIP}}]}"), "bad_value line=11;detail=choice"},
		"paths twice": {volume("projected: {sources: [{configMap: {name: a, items: [{key: k, path: x}]}}, {secret: {name: b, items: [{key: k, path: ./x}]}}]}"),
			"bad_value line=11;field=spec.volumes[0].projected.sources[1].secret.items[0].path;detail=unique"},
		"token":              {volume("projected: {sources: [{serviceAccountToken: {path: x}}]}"), "unsupported_field line=11;detail=accounts"},
		"claim":              {volume("persistentVolumeClaim: {claimName: x}"), "unsupported_field line=11;detail=storage"},
		"subPath climbs":     {mount("subPath: a/../../b"), "bad_value line=9;detail=relative"},
		"subPath absolute":   {mount("subPath: /a"), "bad_value line=9;detail=relative"},
		"both subPaths":      {mount("subPath: a, subPathExpr: b"), "bad_value line=9;detail=alone;want=subPath"},
		"propagation":        {mount("mountPropagation: Bidirectional"), "unsupported_field line=9;value=Bidirectional;detail=mounts"},
		"deep but writable":  {mount("recursiveReadOnly: Enabled"), "bad_value line=9;detail=choice;want=true"},
		"alias":              {pod("", "hostAliases: [{ip: foo, hostnames: [a]}]"), "bad_value line=9;detail=address"},
		"alias name":         {pod("", "hostAliases: [{ip: 10.1.2.3, hostnames: [A_b]}]"), "bad_value line=9;detail=name"},
		"no nameserver":      {pod("", "dnsPolicy: None"), "bad_value line=6;field=spec.dnsConfig.nameservers;detail=required"},
		"dns policy":         {pod("", "dnsPolicy: Some"), "bad_value line=9;detail=choice"},
		"subdomain":          {pod("", "subdomain: a"), "unsupported_field line=9;detail=services"},
		"windows":            {pod("", "os: {name: windows}"), "unsupported_field line=9;value=windows;detail=windows"},
		"token by default":   {pod("", "automountServiceAccountToken: true"), "unsupported_field line=9;value=true;detail=accounts"},
		"node name":          {pod("", "nodeName: a"), "unsupported_field line=9;detail=scheduler"},
		"escalation":         {pod("securityContext: {allowPrivilegeEscalation: true}", ""), "unsupported_field line=9;value=true;detail=privileges"},
		"privileged without": {pod("securityContext: {privileged: true, allowPrivilegeEscalation: false}", ""), "bad_value line=9;detail=alone;want=privileged"},
		"profile":            {pod("securityContext: {seccompProfile: {type: Localhost}}", ""), "unsupported_field line=9;value=Localhost;detail=profile"},
		"profile's file":     {pod("", "securityContext: {seccompProfile: {type: Localhost, localhostProfile: a.json}}"), "unsupported_field line=9;detail=profile"},
		"unmasked":           {pod("securityContext: {procMount: Unmasked}", ""), "unsupported_field line=9;value=Unmasked;detail=unmasked"},
		"selinux":            {pod("", "securityContext: {seLinuxOptions: {level: a}}"), "unsupported_field line=9;detail=module"},
		"unsafe sysctl":      {pod("", "securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}"), "bad_value line=9;value=kernel.msgmax;detail=choice"},
		"node's sysctl":      {pod("", "hostNetwork: true\nsecurityContext: {sysctls: [{name: net.ipv4.tcp_syncookies, value: '1'}]}"), "bad_value line=10;detail=alone;want=hostNetwork"},
		"fsGroup":            {pod("", "securityContext: {fsGroup: 70000}"), "bad_value line=9;detail=range"},
		"group":              {pod("", "securityContext: {supplementalGroups: [1, -1]}"), "bad_value line=9;field=spec.securityContext.supplementalGroups[1];detail=range"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode([]byte(c.yaml))
			if err == nil {
				t.Fatal("accepted")
			}
			matches(t, sandbox.Public(err), c.want)
		})
	}
}

// matches compares an error with "CODE name=value;name=value".
func matches(t *testing.T, e *sandbox.Error, want string) {
	t.Helper()
	code, params, _ := strings.Cut(want, " ")
	if string(e.Code) != code {
		t.Errorf("%v, want %s", e, want)
	}
	for pair := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(pair, "=")
		if got, ok := e.Params[name]; params != "" && (!ok || got != value) {
			t.Errorf("%s is %q, want %q in %v", name, got, value, e)
		}
	}
}
