package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// configMap and secret are manifests with data as JSON.
func configMap(name, data string) string {
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q},%s}`, name, data)
}

func secret(name, data string) string {
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":%q},%s}`, name, data)
}

func (b *bench) refused(manifest string, code sandbox.Code) {
	b.t.Helper()
	if _, err := b.Apply(context.Background(), []byte(manifest)); sandbox.CodeOf(err) != code {
		b.t.Errorf("%v, want %s", err, code)
	}
}

// sees runs a script in a container and compares what it prints.
func (b *bench) sees(id, script, want string) {
	b.t.Helper()
	if got, _ := b.run(id, "sh", "-c", script); got != want {
		b.t.Errorf("%s: %s:\n%q, want\n%q", id, script, got, want)
	}
}

func (b *bench) waits(id, reason string) Subject {
	b.t.Helper()
	return b.until(id, "waiting with "+reason, func(s Subject) bool { return s.State == waiting && s.Reason == reason })
}

func TestDataObjects(t *testing.T) {
	b := open(t)
	for _, step := range []struct{ manifest, action string }{
		{configMap("c", `"data":{"a":"1"}`), created},
		{configMap("c", `"data":{"a":"1"}`), unchanged},
		{configMap("c", `"data":{"a":"2"}`), configured},
		{secret("c", `"stringData":{"a":"x"}`), created},
		{secret("fixed", `"data":{"a":"eA=="},"immutable":true`), created},
		{secret("fixed", `"data":{"a":"eA=="},"immutable":true`), unchanged},
	} {
		if got := b.apply(step.manifest); got.Action != step.action {
			t.Errorf("%s: %s, want %s", step.manifest, got.Action, step.action)
		}
	}
	b.refused(secret("fixed", `"data":{"a":"eQ=="},"immutable":true`), sandbox.CodeImmutable)
	b.refused(secret("fixed", `"data":{"a":"eA=="}`), sandbox.CodeImmutable)
	b.refused(configMap("../c", `"data":{"a":"1"}`), sandbox.CodeBadValue)
	b.refused(configMap("d", `"data":{"../a":"1"}`), sandbox.CodeBadValue)
	b.refused(configMap("d", `"data":{"..data":"1"}`), sandbox.CodeBadValue)
	b.refused(configMap("d", `"other":{}`), sandbox.CodeBadManifest)
	all, err := b.Get(sandbox.Ref{Kind: "Secret"})
	if err != nil || len(all) != 2 || !strings.Contains(string(all[1]), `"uid"`) || !strings.Contains(string(all[1]), `"name":"fixed"`) {
		t.Errorf("%s %v", all, err)
	}
	if _, err := b.Get(sandbox.Ref{Kind: "ConfigMap", Name: "none"}); sandbox.CodeOf(err) != sandbox.CodeNotFound {
		t.Error(err)
	}
	if err := b.Delete(context.Background(), sandbox.Ref{Kind: "ConfigMap", Name: "c"}, 0); err != nil {
		t.Error(err)
	}
	if err := b.Delete(context.Background(), sandbox.Ref{Kind: "ConfigMap", Name: "c"}, 0); sandbox.CodeOf(err) != sandbox.CodeNotFound {
		t.Error(err)
	}
}

// TestDataOutlivesTheAgent: a new agent has what was applied to the one before, and drops what was half written.
func TestDataOutlivesTheAgent(t *testing.T) {
	b := open(t)
	b.apply(configMap("kept", `"data":{"a":"1"}`))
	b.apply(secret("kept", `"stringData":{"a":"x"}`))
	before, _ := b.Get(sandbox.Ref{Kind: "Secret", Name: "kept"})
	torn := filepath.Join(b.dataDir(), "c:torn")
	if err := os.Mkdir(torn, 0o700); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(torn, dataFile), []byte(`{"apiVersion":`), 0o600)
	b.Close()
	again, err := Open(testConfig(t), b.keeper, b.note)
	if err != nil {
		t.Fatal(err)
	}
	b.Engine = again
	after, err := b.Get(sandbox.Ref{Kind: "Secret", Name: "kept"})
	if err != nil || len(after) != 1 || string(after[0]) != string(before[0]) {
		t.Errorf("%s %v, was %s", after, err, before)
	}
	if all, _ := b.Get(sandbox.Ref{Kind: "ConfigMap"}); len(all) != 1 {
		t.Errorf("%s", all)
	}
	if _, err := os.Stat(torn); err == nil {
		t.Error("what was torn is still there")
	}
}

// TestHostsFileIsHostile: what a learner makes of the node's /etc/hosts keeps no agent busy.
func TestHostsFileIsHostile(t *testing.T) {
	b := open(t)
	os.Remove("/etc/hosts")
	if err := os.Symlink("/dev/zero", "/etc/hosts"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove("/etc/hosts") })
	b.apply(pod("p", `"hostNetwork":true`, sh("a", idle)))
	b.running("p/a")
	b.sees("p/a", "cat /etc/hosts", "# Kubernetes-managed hosts file (host network).")
}

// TestDataIsBounded: what learners apply cannot fill the node's memory.
func TestDataIsBounded(t *testing.T) {
	b := open(t)
	big := strings.Repeat("x", 200<<10)
	for i := range 100 {
		_, err := b.Apply(context.Background(), []byte(configMap(fmt.Sprintf("c%d", i), `"data":{"a":"`+big+`"}`)))
		if sandbox.CodeOf(err) == sandbox.CodeOverCapacity {
			if i < 10 {
				t.Errorf("only %d", i)
			}
			return
		}
	}
	t.Error("no bound")
}

func TestEnvironmentFromElsewhere(t *testing.T) {
	b := open(t)
	b.apply(configMap("game", `"data":{"lives":"3","ui.color":"blue"},"binaryData":{"blob":"AAEC"}`))
	b.apply(secret("login", `"data":{"user":"YWRtaW4="},"stringData":{"password":"old sea"}`))
	b.apply(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","labels":{"app":"x"},"annotations":{"a/b":"note"}},"spec":{"restartPolicy":"Never","containers":[
		{"name":"a","image":"busybox","command":["sh","-c","env; echo arg=$0"],"args":["$(C_lives)$(LIVES)"],
		"resources":{"limits":{"cpu":"250m","memory":"32Mi"},"requests":{"cpu":"100m"}},
		"envFrom":[{"prefix":"C_","configMapRef":{"name":"game"}},{"secretRef":{"name":"login"}},{"configMapRef":{"name":"none","optional":true}}],
		"env":[{"name":"LIVES","valueFrom":{"configMapKeyRef":{"name":"game","key":"lives"}}},{"name":"user","valueFrom":{"secretKeyRef":{"name":"login","key":"password"}}},
		{"name":"GONE","valueFrom":{"secretKeyRef":{"name":"login","key":"none","optional":true}}},{"name":"GONE2","valueFrom":{"configMapKeyRef":{"name":"none","key":"none","optional":true}}},
		{"name":"BOTH","value":"$(LIVES)-$(user)-$(C_ui.color)"},
		{"name":"NAME","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}},{"name":"SPACE","valueFrom":{"fieldRef":{"fieldPath":"metadata.namespace"}}},
		{"name":"POD_UID","valueFrom":{"fieldRef":{"fieldPath":"metadata.uid"}}},{"name":"APP","valueFrom":{"fieldRef":{"fieldPath":"metadata.labels['app']"}}},
		{"name":"NOTE","valueFrom":{"fieldRef":{"fieldPath":"metadata.annotations['a/b']"}}},{"name":"NODE","valueFrom":{"fieldRef":{"fieldPath":"spec.nodeName"}}},
		{"name":"ACCOUNT","valueFrom":{"fieldRef":{"fieldPath":"spec.serviceAccountName"}}},{"name":"IP","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}},
		{"name":"HOST_IP","valueFrom":{"fieldRef":{"fieldPath":"status.hostIP"}}},
		{"name":"CPU","valueFrom":{"resourceFieldRef":{"resource":"limits.cpu"}}},{"name":"MILLI","valueFrom":{"resourceFieldRef":{"resource":"requests.cpu","divisor":"1m"}}},
		{"name":"MEM","valueFrom":{"resourceFieldRef":{"resource":"limits.memory","divisor":"1Mi"}}},{"name":"REQ","valueFrom":{"resourceFieldRef":{"containerName":"a","resource":"requests.memory"}}},
		{"name":"DISK","valueFrom":{"resourceFieldRef":{"resource":"requests.ephemeral-storage"}}}]}]}}`)
	p := b.phase("p", "Succeeded")
	log := "\n" + b.log("p/a", sandbox.LogOptions{})
	for _, want := range []string{
		"C_lives=3", "password=old sea", "LIVES=3", "user=old sea", "BOTH=3-old sea-blue", "NAME=p", "SPACE=default", "POD_UID=" + p.Metadata.UID,
		"APP=x", "NOTE=note", "NODE=" + b.cfg.Hostname, "ACCOUNT=default", "IP=" + p.Status.PodIP, "HOST_IP=" + p.Status.HostIP,
		"CPU=1", "MILLI=100", "MEM=32", "REQ=33554432", "DISK=0", "arg=33",
	} {
		if !strings.Contains(log, "\n"+want+"\n") {
			t.Errorf("no %s in %s", want, log)
		}
	}
	if strings.Contains(log, "GONE") || strings.Contains(log, "blob") {
		t.Errorf("optional or binary: %s", log)
	}
}

// TestMissingKey: the container waits with Kubernetes' reason and words, counts no restart, and starts once the key is there.
func TestMissingKey(t *testing.T) {
	b := open(t)
	b.apply(pod("p", "", sh("a", idle, `"env":[{"name":"A","valueFrom":{"configMapKeyRef":{"name":"late","key":"k"}}}]`), sh("b", idle)))
	b.running("p/b")
	b.waits("p/a", reasonConfig)
	got := b.phase("p", "Pending").Status.ContainerStatuses[0].State.Waiting
	if got == nil || got.Message != `configmap "late" not found` {
		t.Errorf("%+v", got)
	}
	b.apply(configMap("late", `"data":{"other":"1"}`))
	b.eventually("message of the key", func() bool {
		w := b.pod("p").Status.ContainerStatuses[0].State.Waiting
		return w != nil && w.Message == "couldn't find key k in ConfigMap default/late"
	})
	b.apply(configMap("late", `"data":{"k":"found"}`))
	if s := b.running("p/a"); s.Restarts != 0 {
		t.Errorf("%d restarts", s.Restarts)
	}
	b.sees("p/a", "echo $A", "found")
	if !strings.Contains(b.reasons(), "Failed") {
		t.Error(b.reasons())
	}
	// A command in it sees what it was started with, whatever became of it.
	if err := b.Delete(context.Background(), sandbox.Ref{Kind: "ConfigMap", Name: "late"}, 0); err != nil {
		t.Error(err)
	}
	b.sees("p/a", "echo $A", "found")
}

// TestMissingKeyOfInitContainer: the ones after it wait as long.
func TestMissingKeyOfInitContainer(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"initContainers":[`+sh("first", "test -n \"$A\"", `"envFrom":[{"secretRef":{"name":"late"}}]`)+`]`, sh("a", idle)))
	b.waits("p/first", reasonConfig)
	b.phase("p", "Pending")
	b.apply(secret("late", `"stringData":{"A":"x"}`))
	b.running("p/a")
}

// TestPlainConfiguration: a container outside any pod is configured as one in a pod.
func TestPlainConfiguration(t *testing.T) {
	b := open(t)
	b.apply(configMap("conf", `"data":{"A":"one"}`))
	b.apply(secret("keys", `"stringData":{"k":"sea"}`))
	b.apply(plain("one", `"name":"one","image":"busybox","imagePullPolicy":"Never","command":["sh","-c"],"args":["echo $A-$(B)-$WHO; pwd; `+idle+`"],"workingDir":"/tmp",
		"env":[{"name":"B","value":"two"},{"name":"WHO","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}],"envFrom":[{"configMapRef":{"name":"conf"}}],
		"ports":[{"containerPort":80}],"stdin":true,"resources":{"limits":{"memory":"32Mi"}},"securityContext":{"runAsUser":7,"readOnlyRootFilesystem":true},
		"volumes":[{"name":"v","emptyDir":{}},{"name":"s","secret":{"secretName":"keys"}}],"volumeMounts":[{"name":"v","mountPath":"/v","subPath":"in"},{"name":"s","mountPath":"/s"}]`))
	b.apply(plain("two", `"image":"busybox","command":["sh","-c","tty; read x"],"tty":true,"stdin":true`))
	b.running("one")
	b.running("two")
	b.eventually("log", func() bool { return b.log("one", sandbox.LogOptions{}) == "one-two-one\n/tmp\n" })
	b.sees("one", "id -u; cat /s/k; ls -d /v; touch /x 2>&1", "7\nsea/v\ntouch: /x: Read-only file system")
	b.eventually("a terminal", func() bool { return strings.Contains(b.log("two", sandbox.LogOptions{}), "/dev/pts/") })
	if got := readString("memory/containers/one/memory.limit_in_bytes") + readString("containers/one/memory.max"); got != "33554432" {
		t.Errorf("limit %s", got)
	}
}

func TestLookUpUser(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	write := func(dir, name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, "etc"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "etc", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(root, "passwd", "root:x:0:0::/:/bin/sh\napp:x:1000:1001::/:/bin/sh\nhigh:x:70000:1::/:/bin/sh\n")
	write(root, "group", "extra:x:5000:app,other\nstaff:x:50:\n")
	for _, c := range []struct {
		name, group string
		uid, gid    int
		groups      string
	}{{"", "", 0, 0, "[]"}, {"app", "", 1000, 1001, "[5000]"}, {"1000", "", 1000, 1001, "[5000]"}, {"1000", "staff", 1000, 50, "[]"}, {"4711", "", 4711, 0, "[]"}, {"4711", "12", 4711, 12, "[]"}} {
		got, err := lookUp(root, c.name, c.group)
		if err != nil || got.Uid != c.uid || got.Gid != c.gid || fmt.Sprint(got.Sgids) != c.groups {
			t.Errorf("%q:%q is %+v, %v; want %+v", c.name, c.group, got, err, c)
		}
	}
	for _, name := range []string{"nobody-here", "high"} {
		if got, err := lookUp(root, name, ""); err == nil {
			t.Errorf("%s is %+v", name, got)
		}
	}
	// A link out of the image leads to nothing, and what is no file is empty.
	write(outside, "passwd", "app:x:7:7::/:/bin/sh\n")
	os.Remove(filepath.Join(root, "etc/passwd"))
	os.Symlink(filepath.Join(outside, "etc/passwd"), filepath.Join(root, "etc/passwd"))
	os.Remove(filepath.Join(root, "etc/group"))
	unix.Mkfifo(filepath.Join(root, "etc/group"), 0o600)
	if got, err := lookUp(root, "app", ""); err == nil {
		t.Errorf("read outside the image: %+v", got)
	}
	if got, err := lookUp(root, "5", ""); err != nil || got.Uid != 5 {
		t.Errorf("%+v %v", got, err)
	}
}

// TestGroupsOfTheImage: Strict leaves them out (KEP-3619).
func TestGroupsOfTheImage(t *testing.T) {
	group := int64(2000)
	u := &unit{object: &object{Spec: sandbox.PodSpec{SecurityContext: &sandbox.PodSecurityContext{SupplementalGroups: []int64{4000, 30}, FSGroup: &group}}}}
	if got := fmt.Sprint(u.groups([]int{5000, 30})); got != "[30 2000 4000 5000]" {
		t.Error(got)
	}
	u.object.Spec.SecurityContext.SupplementalGroupsPolicy = policyStrict
	if got := fmt.Sprint(u.groups([]int{5000, 30})); got != "[30 2000 4000]" {
		t.Error(got)
	}
}

func TestDataVolumes(t *testing.T) {
	b := open(t)
	b.apply(configMap("conf", `"data":{"a":"one","b":"two"},"binaryData":{"bin":"AAEC"}`))
	b.apply(secret("keys", `"stringData":{"user":"admin","pass":"sea"}`))
	b.apply(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","labels":{"zone":"z\"1","app":"x"}},"spec":{"volumes":[
		{"name":"all","configMap":{"name":"conf"}},
		{"name":"some","configMap":{"name":"conf","defaultMode":256,"items":[{"key":"a","path":"deep/er/file"},{"key":"b","path":"b","mode":511}]}},
		{"name":"keys","secret":{"secretName":"keys","defaultMode":256}},
		{"name":"none","secret":{"secretName":"missing","optional":true}},
		{"name":"me","downwardAPI":{"items":[{"path":"labels","fieldRef":{"fieldPath":"metadata.labels"}},{"path":"mem","resourceFieldRef":{"containerName":"a","resource":"limits.memory","divisor":"1Mi"}}]}},
		{"name":"mix","projected":{"sources":[{"secret":{"name":"keys","items":[{"key":"user","path":"who"}]}},{"configMap":{"name":"conf","items":[{"key":"a","path":"conf/a","mode":256}]}},
			{"downwardAPI":{"items":[{"path":"name","fieldRef":{"fieldPath":"metadata.name"}}]}}]}}],
		"containers":[` + sh("a", idle, `"resources":{"limits":{"memory":"32Mi"}}`, `"volumeMounts":[{"name":"all","mountPath":"/all"},{"name":"some","mountPath":"/some"},{"name":"keys","mountPath":"/keys"},
			{"name":"none","mountPath":"/none"},{"name":"me","mountPath":"/me"},{"name":"mix","mountPath":"/mix"},{"name":"all","mountPath":"/etc/only.conf","subPath":"a"}]`) + `]}}`)
	s := b.running("p/a")
	for script, want := range map[string]string{
		"ls /all; cat /all/a /all/b; od -An -tx1 /all/bin":            "a\nb\nbin\nonetwo 00 01 02",
		"cd /some; find . -type f -o -type l | grep -v 2 | sort":      "./..data\n./b\n./deep",
		"cat /some/deep/er/file; stat -Lc %a /some/deep/er/file":      "one400",
		"stat -Lc %a /some/b /all/a /keys/pass":                       "777\n644\n400",
		"readlink /all/a; readlink /all/..data | cut -c1-4":           "..data/a\n..20",
		"cat /keys/user /keys/pass; ls /none":                         "adminsea",
		"grep ' /keys ' /proc/mounts | cut -d' ' -f1,3,4|cut -c-14":   "tmpfs tmpfs ro",
		"touch /all/x /keys/x 2>&1":                                   "touch: /all/x: Read-only file system\ntouch: /keys/x: Read-only file system",
		"cat /me/labels; echo; cat /me/mem":                           "app=\"x\"\nzone=\"z\\\"1\"\n32",
		"cat /mix/who /mix/conf/a /mix/name; stat -Lc %a /mix/conf/a": "adminonep400",
		"cat /etc/only.conf; ls /etc/only.conf":                       "one/etc/only.conf",
	} {
		b.sees("p/a", script, want)
	}
	if len(s.Mounts) != 7 || !s.Mounts[0].ReadOnly || !strings.HasSuffix(s.Mounts[6].Source, "/volumes/kubernetes.io~configmap/all/a") {
		t.Errorf("%+v", s.Mounts)
	}
	kinds := map[string]string{}
	for _, v := range b.State().Volumes {
		kinds[v.Name] = v.Kind
	}
	if kinds["all"] != kindConfigMap || kinds["keys"] != kindSecret || kinds["me"] != kindDownwardAPI || kinds["mix"] != kindProjected {
		t.Error(kinds)
	}
	// A change reaches the volume at once and whole; a file mounted by subPath stays as it was, as in Kubernetes.
	b.apply(configMap("conf", `"data":{"a":"new","c":"three"}`))
	b.eventually("the new file", func() bool {
		got, _ := b.run("p/a", "sh", "-c", "ls /all; cat /all/a /etc/only.conf; ls -A /all | grep -c '^[.][.]2'")
		return got == "a\nc\nnewone1"
	})
	// An item that is gone leaves the volume as it was.
	b.sees("p/a", "cat /some/b", "two")
}

// TestLabelsReachFiles: what downwardAPI shows follows a change of the labels.
func TestLabelsReachFiles(t *testing.T) {
	b := open(t)
	with := func(label string) string {
		return `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","labels":{"v":"` + label + `"}},"spec":{"volumes":[{"name":"me","downwardAPI":{"items":[
		{"path":"v","fieldRef":{"fieldPath":"metadata.labels['v']"}}]}}],"containers":[` + sh("a", idle, `"volumeMounts":[{"name":"me","mountPath":"/me"}]`) + `]}}`
	}
	b.apply(with("1"))
	b.running("p/a")
	b.sees("p/a", "cat /me/v", "1")
	if a := b.apply(with("2")); a.Action != configured {
		t.Error(a)
	}
	b.sees("p/a", "cat /me/v", "2")
}

// TestMissingVolume: FailedMount in Kubernetes' words, until the Secret is there.
func TestMissingVolume(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"volumes":[{"name":"v","secret":{"secretName":"late","items":[{"key":"k","path":"f"}]}}]`, sh("a", idle, `"volumeMounts":[{"name":"v","mountPath":"/v"}]`)))
	b.eventually("FailedMount", func() bool { return strings.Contains(b.reasons(), "FailedMount") })
	message := func() string { return b.phase("p", "Pending").Status.ContainerStatuses[0].State.Waiting.Message }
	b.eventually("message of the Secret", func() bool { return message() == `MountVolume.SetUp failed for volume "v" : secret "late" not found` })
	b.apply(secret("late", `"stringData":{"other":"x"}`))
	b.eventually("message of the key", func() bool { return strings.Contains(message(), "references non-existent secret key: k") })
	b.apply(secret("late", `"stringData":{"k":"here"}`))
	b.running("p/a")
	b.sees("p/a", "cat /v/f", "here")
}

func TestSubPath(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"volumes":[{"name":"v","emptyDir":{}}]`,
		sh("a", idle, `"env":[{"name":"WHO","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}]`,
			`"volumeMounts":[{"name":"v","mountPath":"/one","subPath":"x/y"},{"name":"v","mountPath":"/two","subPathExpr":"logs/$(WHO)"},{"name":"v","mountPath":"/ro","subPath":"x","readOnly":true}]`),
		sh("b", idle, `"volumeMounts":[{"name":"v","mountPath":"/all"}]`)))
	b.running("p/a")
	b.running("p/b")
	b.run("p/a", "sh", "-c", "echo 1 >/one/f; echo 2 >/two/f")
	b.sees("p/b", "cat /all/x/y/f /all/logs/p/f", "1\n2")
	b.sees("p/a", "touch /ro/f 2>&1", "touch: /ro/f: Read-only file system")
	b.remove("p")
	b.apply(pod("p", `"volumes":[{"name":"v","emptyDir":{}}]`, sh("a", idle, `"volumeMounts":[{"name":"v","mountPath":"/two","subPathExpr":"$(NONE)"}]`)))
	if s := b.waits("p/a", reasonConfig); s.Restarts != 0 {
		t.Errorf("%+v", s)
	}
}

// TestSubPathStaysInside: CVE-2017-1002101 and its kin. A container plants links in its volume; a second one mounts through them.
func TestSubPathStaysInside(t *testing.T) {
	b := open(t)
	os.MkdirAll("/tmp/secret", 0o755)
	os.WriteFile("/tmp/secret/token", []byte("of the node\n"), 0o644)
	t.Cleanup(func() { os.RemoveAll("/tmp/secret") })
	b.apply(pod("planter", `"volumes":[{"name":"v","hostPath":{"path":"/tmp/shared","type":"DirectoryOrCreate"}}]`, sh("a", idle, `"volumeMounts":[{"name":"v","mountPath":"/v"}]`)))
	b.running("planter/a")
	b.run("planter/a", "sh", "-c", "cd /v; mkdir -p in/side; ln -s /tmp/secret abs; ln -s ../secret rel; ln -s in/side ok; ln -s /proc/self/root magic; ln -s loop loop; mkdir d; ln -s ../../secret d/up")
	for sub, allowed := range map[string]bool{"abs": false, "rel": false, "abs/token": false, "d/up": false, "magic": false, "loop": false, "rel/new": false, "ok": true, "in/side": true, "fresh/deep": true} {
		b.apply(pod("p", `"volumes":[{"name":"v","hostPath":{"path":"/tmp/shared"}}]`, sh("a", idle, `"volumeMounts":[{"name":"v","mountPath":"/m","subPath":"`+sub+`"}]`)))
		if allowed {
			b.running("p/a")
		} else {
			b.waits("p/a", reasonConfig)
			if got := b.pod("p").Status.ContainerStatuses[0].State.Waiting.Message; got != `failed to prepare subPath for volumeMount "v" of container "a"` {
				t.Errorf("%s: %s", sub, got)
			}
		}
		b.remove("p")
	}
	if entries, _ := os.ReadDir("/tmp/secret"); len(entries) != 1 {
		t.Errorf("made outside the volume: %v", entries)
	}
}

// TestSubPathRace swaps a directory for a link out of the volume while containers are started on it.
func TestSubPathRace(t *testing.T) {
	needRoot(t)
	root := t.TempDir()
	outside := t.TempDir()
	os.Mkdir(filepath.Join(root, "d"), 0o755)
	os.Symlink(outside, filepath.Join(root, "l"))
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			default:
				unix.Renameat2(unix.AT_FDCWD, filepath.Join(root, "d"), unix.AT_FDCWD, filepath.Join(root, "l"), unix.RENAME_EXCHANGE)
			}
		}
	}()
	opened, refused := 0, 0 // until both have happened often: the swap was met in either state
	for end := time.Now().Add(10 * time.Second); min(opened, refused) < 1000 && time.Now().Before(end); {
		f, err := openBeneath(root, "d/x", true)
		if err != nil {
			refused++
			continue
		}
		if path, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd())); !strings.HasPrefix(path, root) {
			t.Fatalf("outside: %s", path)
		}
		f.Close()
		opened++
	}
	close(done)
	<-ended
	if entries, _ := os.ReadDir(outside); len(entries) > 0 || min(opened, refused) < 100 {
		t.Errorf("outside %v, opened %d times, refused %d", entries, opened, refused)
	}
}

func TestHostPathTypes(t *testing.T) {
	b := open(t)
	os.MkdirAll("/tmp/types/dir", 0o755)
	os.WriteFile("/tmp/types/file", nil, 0o644)
	fd, _ := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	unix.Bind(fd, &unix.SockaddrUnix{Name: "/tmp/types/sock"})
	t.Cleanup(func() { unix.Close(fd); os.RemoveAll("/tmp/types") })
	for _, c := range []struct{ path, kind, want string }{
		{"/tmp/types/dir", "Directory", ""}, {"/tmp/types/file", "Directory", "hostPath type check failed: /tmp/types/file is not a directory"},
		{"/tmp/types/file", "File", ""}, {"/tmp/types/dir", "File", "hostPath type check failed: /tmp/types/dir is not a file"},
		{"/tmp/types/sock", "Socket", ""}, {"/tmp/types/file", "Socket", "hostPath type check failed: /tmp/types/file is not a socket file"},
		{"/dev/null", "CharDevice", ""}, {"/tmp/types/file", "CharDevice", "hostPath type check failed: /tmp/types/file is not a character device"},
		{"/dev/null", "BlockDevice", "hostPath type check failed: /dev/null is not a block device"},
		{"/tmp/types/new", "DirectoryOrCreate", ""}, {"/tmp/types/newfile", "FileOrCreate", ""}, {"/tmp/types/untyped", "", ""},
	} {
		b.apply(pod("p", `"volumes":[{"name":"v","hostPath":{"path":"`+c.path+`","type":"`+c.kind+`"}}]`, sh("a", idle, `"volumeMounts":[{"name":"v","mountPath":"/v"}]`)))
		if c.want == "" {
			b.running("p/a")
		} else {
			b.eventually("FailedMount: "+c.want, func() bool {
				w := b.pod("p").Status.ContainerStatuses[0].State.Waiting
				return w != nil && strings.HasSuffix(w.Message, c.want)
			})
		}
		b.remove("p")
	}
}

func TestNames(t *testing.T) {
	b := open(t)
	os.WriteFile("/etc/hosts", []byte("127.0.0.1\tnode-own\n"), 0o644)
	alias := `"hostAliases":[{"ip":"127.0.0.1","hostnames":["foo.local","bar.local"]},{"ip":"10.1.2.3","hostnames":["foo.remote"]}]`
	b.apply(pod("p", alias+`,"hostname":"h","dnsPolicy":"None","dnsConfig":{"nameservers":["192.0.2.1"],"searches":["ns1.svc.cluster-domain.example","my.dns.search.suffix"],
		"options":[{"name":"ndots","value":"2"},{"name":"edns0"}]}`, sh("a", idle)))
	b.apply(pod("q", alias+`,"hostNetwork":true,"dnsConfig":{"options":[{"name":"timeout","value":"3"}]},"volumes":[{"name":"v","emptyDir":{}}]`,
		sh("a", idle, `"volumeMounts":[{"name":"v","mountPath":"/etc/hostname"}]`)))
	b.running("p/a")
	b.running("q/a")
	entries := "\n# Entries added by HostAliases.\n127.0.0.1\tfoo.local\tbar.local\n10.1.2.3\tfoo.remote"
	b.sees("p/a", "cat /etc/hosts", "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nfe00::\tip6-mcastprefix\n"+
		"fe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"+b.pod("p").Status.PodIP+"\th\n"+entries)
	b.sees("p/a", "cat /etc/resolv.conf; hostname; cat /etc/hostname",
		"nameserver 192.0.2.1\nsearch ns1.svc.cluster-domain.example my.dns.search.suffix\noptions ndots:2 edns0\nh\nh")
	b.sees("q/a", "cat /etc/hosts", "# Kubernetes-managed hosts file (host network).\n127.0.0.1\tnode-own\n"+entries)
	b.sees("q/a", "cat /etc/resolv.conf; test -d /etc/hostname && echo own", "options attempts:1 timeout:3\nown")
}

func TestIdentity(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"securityContext":{"runAsUser":1000,"runAsGroup":3000,"fsGroup":2000,"supplementalGroups":[4000]},"volumes":[{"name":"v","emptyDir":{}},{"name":"m","emptyDir":{"medium":"Memory"}},
		{"name":"d","downwardAPI":{"defaultMode":256,"items":[{"path":"n","fieldRef":{"fieldPath":"metadata.name"}}]}}]`,
		sh("a", idle, `"volumeMounts":[{"name":"v","mountPath":"/v"},{"name":"m","mountPath":"/m"},{"name":"d","mountPath":"/d"}]`),
		sh("b", idle, `"securityContext":{"runAsUser":2001,"allowPrivilegeEscalation":false,"runAsNonRoot":true}`)))
	b.running("p/a")
	b.running("p/b")
	b.sees("p/a", "id -u; id -g; id -G; echo x >/v/f && echo x >/m/f && stat -c '%u %g' /v/f /m/f; stat -c '%g %A' /v; cat /d/n; stat -Lc '%g %a' /d/n",
		"1000\n3000\n3000 2000 4000\n1000 2000\n1000 2000\n2000 drwxrwsrwx\np2000 440")
	b.sees("p/b", "id -u; id -g; grep NoNewPrivs /proc/self/status", "2001\n3000\nNoNewPrivs:\t1")
	first, _ := b.run("p/a", "sh", "-c", "grep -E '^(Uid|Gid|Groups)' /proc/1/status")
	if first != "Uid:\t1000\t1000\t1000\t1000\nGid:\t3000\t3000\t3000\t3000\nGroups:\t2000 4000" {
		t.Errorf("process 1: %q", first)
	}
}

func TestRunAsNonRoot(t *testing.T) {
	b := open(t)
	for _, c := range []struct{ podLevel, own, want string }{
		{`"runAsNonRoot":true`, ``, `container has runAsNonRoot and image will run as root (pod: "p_default(UID)", container: a)`},
		{`"runAsNonRoot":true`, `"runAsUser":0`, `container's runAsUser breaks non-root policy (pod: "p_default(UID)", container: a)`},
		{`"runAsNonRoot":true`, `"runAsNonRoot":false`, ""},
		{`"runAsNonRoot":true,"runAsUser":5`, ``, ""},
	} {
		b.apply(pod("p", `"securityContext":{`+c.podLevel+`}`, sh("a", idle, `"securityContext":{`+c.own+`}`)))
		if c.want == "" {
			b.running("p/a")
		} else {
			b.waits("p/a", reasonConfig)
			p := b.pod("p")
			if got := strings.ReplaceAll(p.Status.ContainerStatuses[0].State.Waiting.Message, p.Metadata.UID, "UID"); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		}
		b.remove("p")
	}
}

func TestSeccompProfile(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"securityContext":{"seccompProfile":{"type":"Unconfined"}}`, sh("a", idle), sh("b", idle, `"securityContext":{"seccompProfile":{"type":"RuntimeDefault"}}`)))
	a, second := b.running("p/a"), b.running("p/b")
	if filtersOf(t, a.PID)+1 != filtersOf(t, second.PID) {
		t.Errorf("Unconfined has %d filters, RuntimeDefault %d", filtersOf(t, a.PID), filtersOf(t, second.PID))
	}
	b.sees("p/b", "unshare -U true 2>&1", "unshare: unshare(0x10000000): Operation not permitted")
}

// filtersOf counts the seccomp filters of a process (proc_pid_status(5), Seccomp_filters).
func filtersOf(t *testing.T, pid int) (n int) {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if text, ok := strings.CutPrefix(line, "Seccomp_filters:"); ok {
			fmt.Sscan(text, &n)
		}
	}
	return n
}

func TestSysctls(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"securityContext":{"sysctls":[{"name":"net.ipv4.ip_unprivileged_port_start","value":"80"},{"name":"net/ipv4/tcp_syncookies","value":"0"},{"name":"kernel.shm_rmid_forced","value":"1"}]}`, sh("a", idle)))
	b.running("p/a")
	b.sees("p/a", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/tcp_syncookies /proc/sys/kernel/shm_rmid_forced", "80\n0\n1")
	b.refused(pod("q", `"securityContext":{"sysctls":[{"name":"kernel.core_pattern","value":"|x"}]}`, sh("a", idle)), sandbox.CodeBadValue)
}

func TestEphemeralStorage(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"terminationGracePeriodSeconds":0`, sh("a", "dd if=/dev/zero of=/big bs=1M count=3 2>/dev/null; "+idle, `"resources":{"limits":{"ephemeral-storage":"1Mi"}}`)))
	if got := b.phase("p", "Failed").Status; got.Reason != reasonEvicted || got.Message != `Container a exceeded its local ephemeral storage limit "1Mi". ` {
		t.Errorf("%+v", got)
	}
	b.remove("p")
	b.apply(pod("p", `"terminationGracePeriodSeconds":0,"volumes":[{"name":"v","emptyDir":{}}]`, sh("a", "dd if=/dev/zero of=/v/big bs=1M count=3 2>/dev/null; "+idle,
		`"resources":{"limits":{"ephemeral-storage":"2Mi"}}`, `"volumeMounts":[{"name":"v","mountPath":"/v"}]`)))
	if got := b.phase("p", "Failed").Status; !strings.HasPrefix(got.Message, "Pod ephemeral local storage usage exceeds the total limit of containers") {
		t.Errorf("%+v", got)
	}
}

// TestReadOnlyMounts: a read-only mount lets what is mounted below it be written, unless it is recursive (KEP-3857).
func TestReadOnlyMounts(t *testing.T) {
	b := open(t)
	os.MkdirAll("/tmp/outer/inner", 0o755)
	if err := unix.Mount("tmpfs", "/tmp/outer/inner", "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount("/tmp/outer/inner", 0); os.RemoveAll("/tmp/outer") })
	b.apply(pod("p", `"volumes":[{"name":"v","hostPath":{"path":"/tmp/outer"}}]`, sh("a", idle,
		`"volumeMounts":[{"name":"v","mountPath":"/flat","readOnly":true},{"name":"v","mountPath":"/deep","readOnly":true,"recursiveReadOnly":"Enabled","mountPropagation":"None"}]`)))
	b.running("p/a")
	b.sees("p/a", "touch /flat/x 2>&1; touch /flat/inner/x && echo wrote; touch /deep/inner/y 2>&1",
		"touch: /flat/x: Read-only file system\nwrote\ntouch: /deep/inner/y: Read-only file system")
}

// TestInfraTellsNothing: who reaches infra's files through a process namespace that it shares finds its program and nothing of the kernel's.
func TestInfraTellsNothing(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"shareProcessNamespace":true`, sh("a", idle)))
	b.running("p/a")
	b.sees("p/a", "ls /proc/1/root /proc/1/root/dev", "/proc/1/root:\ndev\npause\nproc\n\n/proc/1/root/dev:")
	b.sees("p/a", "ls /proc/1/root/proc | grep -v '^[0-9]'", "self\nthread-self")
	b.sees("p/a", "touch /proc/1/root/dev/x 2>&1", "touch: /proc/1/root/dev/x: Read-only file system")
}
