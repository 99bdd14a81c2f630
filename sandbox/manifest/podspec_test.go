package manifest

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	sigsyaml "sigs.k8s.io/yaml"

	"podlab/sandbox"
)

// The table of docs/podspec.md is made from the types: Kubernetes' say which fields there are, the lean ones which of them work,
// refused.go why the others do not. go test ./sandbox/manifest -run TestPodSpecTable -update writes it.
var update = flag.Bool("update", false, "write docs/podspec.md")

const (
	tableFile = "../../docs/podspec.md"
	rowFiles  = "../node/testdata/rows/*.yaml"
)

// A row is one field of one of Kubernetes' types.
type row struct {
	owner, field string
	works        bool
	why          string // detail of unsupported_field
	path         []any  // a way to it in a pod: names and indexes
}

func (r row) key() string { return r.owner + "." + r.field }

// rows lists every field of every type that can be reached from PodSpec by fields that work, by type, in the order they are found.
func rows() []row {
	var out []row
	seen := map[reflect.Type]bool{}
	var visit func(lean, real reflect.Type, at []any)
	visit = func(lean, real reflect.Type, at []any) {
		lean, real = bare(lean), bare(real)
		for real.Kind() == reflect.Slice {
			lean, real, at = bare(lean.Elem()), bare(real.Elem()), append(slices.Clone(at), 0)
		}
		if real.Kind() != reflect.Struct || lean.Kind() != reflect.Struct || seen[real] {
			return
		}
		seen[real] = true
		supported, known := fields(lean), fields(real)
		names := slices.Sorted(maps.Keys(known))
		for _, name := range names {
			r := row{owner: real.Name(), field: name, path: append(slices.Clone(at), name)}
			_, r.works = supported[name]
			if reason, ok := refused[r.key()]; ok || !r.works {
				r.works, r.why = false, reason
			}
			if !r.works && r.why == "" {
				r.why = why(real, name)
			}
			out = append(out, r)
		}
		for _, name := range names {
			if field, ok := supported[name]; ok {
				visit(field, known[name], append(slices.Clone(at), name))
			}
		}
	}
	visit(reflect.TypeFor[sandbox.PodSpec](), reflect.TypeFor[corev1.PodSpec](), []any{"spec"})
	return append(out, plainRows()...)
}

// plainRows are the fields of podlab/v1 Container: a container's, some of a pod, and join.
func plainRows() (out []row) {
	supported, known := fields(reflect.TypeFor[sandbox.PlainSpec]()), fields(fields(reflect.TypeFor[plainKnown]())["spec"])
	names := slices.Collect(maps.Keys(known))
	for name := range supported {
		if known[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		r := row{owner: plainOwner, field: name, works: supported[name] != nil, path: []any{"spec", name}}
		if reason, ok := refused[r.key()]; ok || !r.works {
			r.works, r.why = false, reason
		}
		if !r.works && r.why == "" {
			r.why = why(fields(reflect.TypeFor[plainKnown]())["spec"], name)
		}
		out = append(out, r)
	}
	return out
}

// shownIn is the files of sandbox/node/testdata/rows that show a field at work, by the row's key, in order: TestPodSpecRows there tries them on
// a real node, once as they stand and once without the field.
func shownIn(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(rowFiles)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var groups []struct {
			Rows []struct {
				Field string `json:"field"`
				Same  bool   `json:"same"`
			} `json:"rows"`
		}
		if err := sigsyaml.Unmarshal(text, &groups); err != nil {
			t.Fatal(file, err)
		}
		for _, group := range groups {
			for _, row := range group.Rows {
				name := fmt.Sprintf("[%s](../sandbox/node/testdata/rows/%s)", strings.TrimSuffix(filepath.Base(file), ".yaml"), filepath.Base(file))
				if row.Same {
					name = "*No effect*: " + name
				}
				if !slices.Contains(out[row.Field], name) {
					out[row.Field] = append(out[row.Field], name)
				}
			}
		}
	}
	return out
}

// remarks say what differs from a cluster, or which values are refused.
var remarks = map[string]string{
	"PodSpec.automountServiceAccountToken": "false. " + Reasons[WhyAccounts],
	"PodSpec.dnsPolicy":                    "ClusterFirst is Default: a node has no cluster DNS and no name server.",
	"PodSpec.enableServiceLinks":           "No difference: there are no Services.",
	"PodSpec.os":                           "linux.",
	"PodSpec.hostname":                     "The host's name only; there is no cluster domain.",
	"PodSpec.hostNetwork":                  "The learner's node is the host.",
	"Container.imagePullPolicy": "Without one, IfNotPresent, of whatever tag. To pull is to look whether the image has come to the node. " +
		"One that is not there: ErrImagePull, ImagePullBackOff, ErrImageNeverPull, InvalidImageName, as in Kubernetes. An image that this machine's operator " +
		"could make, and has not, is refused at once.",
	"EphemeralContainer.image":                 "One that is not on the node is refused at once.",
	"PlainContainer.image":                     "One that is not on the node is refused at once.",
	"Container.restartPolicy":                  "Always, of an init container: a sidecar. " + "Rules for restarts of single containers are refused.",
	"ContainerPort.containerPort":              "Information, as in Kubernetes; the preview offers these ports first.",
	"EmptyDirVolumeSource.medium":              "Nothing or Memory. Huge pages are refused.",
	"ObjectFieldSelector.fieldPath":            "As in Kubernetes. spec.serviceAccountName is the text default: no account is behind it.",
	"PodSecurityContext.fsGroupChangePolicy":   "Taken, without effect: it governs only volumes that outlive a pod, also in Kubernetes.",
	"PodSecurityContext.sysctls":               "Kubernetes' safe set.",
	"SeccompProfile.type":                      "RuntimeDefault or Unconfined, which leaves the node's own filter. No profile means RuntimeDefault. Localhost is refused.",
	"SecurityContext.allowPrivilegeEscalation": "false. true is refused: " + Reasons[WhyPrivileges],
	"SecurityContext.privileged":               "Every capability of the node, none of the host.",
	"SecurityContext.procMount":                "Default. Unmasked is refused: " + Reasons[WhyUnmasked],
	"SecurityContext.runAsUser":                "0 to 65535: the user ids of a node. The same for groups.",
	"VolumeMount.mountPropagation":             "None. HostToContainer and Bidirectional are refused: " + Reasons[WhyMounts],
	"ResourceRequirements.limits":              "cpu, memory, ephemeral-storage; podlab.dev/pids is Podlab's own. Other resources are refused.",
	"ResourceRequirements.requests":            "cpu, memory, ephemeral-storage. A request defaults to its limit.",
	"ConfigMapVolumeSource.name":               "Changes of the ConfigMap reach the files at once; in Kubernetes within a minute.",
	"PlainContainer.join":                      "network, ipc, pid, uts: container:NAME, or host for the node's own. What docker run says with --net=container:NAME.",
	"PlainContainer.restartPolicy":             "Never by default, as docker run.",
	"HTTPGetAction.scheme":                     "HTTP or HTTPS, which takes any certificate.",
}

func TestPodSpecTable(t *testing.T) {
	want := []byte(table(shownIn(t)))
	if *update {
		if err := os.WriteFile(tableFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(tableFile); err != nil || string(got) != string(want) {
		t.Errorf("docs/podspec.md is not what the types say (%v): go test ./sandbox/manifest -run TestPodSpecTable -update", err)
	}
}

func table(shown map[string][]string) string {
	var b strings.Builder
	b.WriteString("# Which fields of a pod work\n\n" +
		"Every field of `v1.PodSpec` and of the types it is made of (k8s.io/api " + "core/v1), as Podlab takes them. `sandbox/manifest/podspec_test.go` makes this\n" +
		"page from the types. Each row that works names the file of `sandbox/node/testdata/rows` that shows it: `TestPodSpecRows` applies its objects to\n" +
		"a real node, once as they stand and once without the field (or with another value), and what containers, status and node then show must be as\n" +
		"the file says both times. *No effect*: it is taken, and shown to change nothing.\n\n" +
		"What does not work is refused when it is applied, with the line, the code `unsupported_field` and the sentence given here. Nothing is ignored\n" +
		"in silence. Init and ephemeral containers have the fields of `Container` that Kubernetes lets them have. ConfigMaps and Secrets work whole.\n" +
		"The last table is of plain containers, `podlab/v1 Container`: a container outside any pod, for contrast.\n")
	owner := ""
	for _, r := range rows() {
		if r.owner != owner {
			owner = r.owner
			fmt.Fprintf(&b, "\n## %s\n\n| field | | |\n|---|---|---|\n", owner)
		}
		if !r.works {
			fmt.Fprintf(&b, "| `%s` | refused | %s |\n", r.field, Reasons[r.why])
			continue
		}
		says := remarks[r.key()]
		for _, name := range shown[r.key()] {
			says += " " + name
		}
		fmt.Fprintf(&b, "| `%s` | works | %s |\n", r.field, strings.TrimSpace(says))
	}
	return b.String()
}

// TestRefusedRows applies a pod with each field that is refused, and wants exactly that code, that reason and a sentence.
func TestRefusedRows(t *testing.T) {
	n := 0
	for _, r := range rows() {
		if r.works {
			continue
		}
		n++
		t.Run(r.key(), func(t *testing.T) {
			if r.why == WhyYet {
				t.Error("no reason is given in refused.go")
			}
			sample, ok := misplaced[r.field]
			switch {
			case ok && r.owner == "EphemeralContainer":
				_, err := Decode([]byte(pod("", "ephemeralContainers: [{name: d, image: busybox, "+r.field+": "+sample+"}]")))
				matches(t, sandbox.Public(err), "unsupported_field line=9;detail="+r.why)
				return
			case ok && r.owner == plainOwner:
				_, err := Decode([]byte("apiVersion: podlab/v1\nkind: Container\nmetadata: {name: a}\nspec:\n  image: b\n  " + r.field + ": " + sample + "\n"))
				matches(t, sandbox.Public(err), "unsupported_field line=6;detail="+r.why)
				return
			}
			object := holding(r.path)
			if r.owner == plainOwner {
				object["apiVersion"], object["kind"] = "podlab/v1", "Container"
			}
			text, err := sigsyaml.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Decode(text)
			e := sandbox.Public(err)
			if err == nil || e.Code != sandbox.CodeUnsupportedField || e.Params["detail"] != r.why || !strings.HasSuffix(e.Params["field"], r.field) {
				t.Errorf("%s: %v, want unsupported_field of %s", text, err, r.why)
			}
			if line := lineOf(string(text), r.field); e.Params["line"] != line {
				t.Errorf("%s\nsays line %s, want %s", text, e.Params["line"], line)
			}
			if Reasons[e.Params["detail"]] == "" {
				t.Error("no sentence")
			}
		})
	}
	if n < 50 {
		t.Errorf("only %d fields are refused: are Kubernetes' types walked?", n)
	}
}

// lineOf is the line of the innermost field of that name.
func lineOf(text, field string) string {
	lines := strings.Split(text, "\n")
	for i, line := range slices.Backward(lines) {
		if strings.HasPrefix(strings.TrimLeft(line, " -"), field+":") {
			return strconv.Itoa(i + 1)
		}
	}
	return ""
}

// misplaced are fields that the lean type has and a container in some places cannot have.
var misplaced = map[string]string{
	"lifecycle":                "{preStop: {exec: {command: [a]}}}",
	"livenessProbe":            "{exec: {command: [a]}}",
	"readinessProbe":           "{exec: {command: [a]}}",
	"startupProbe":             "{exec: {command: [a]}}",
	"ports":                    "[{containerPort: 80}]",
	"resources":                "{limits: {cpu: 1}}",
	"restartPolicy":            "Always",
	"terminationMessagePath":   "/a",
	"terminationMessagePolicy": "File",
}

// holding is a pod with an empty object at path.
func holding(path []any) map[string]any {
	var value any = map[string]any{}
	for _, step := range slices.Backward(path) {
		if name, ok := step.(string); ok {
			value = map[string]any{name: value}
		} else {
			value = []any{value}
		}
	}
	pod := value.(map[string]any)
	pod["apiVersion"], pod["kind"], pod["metadata"] = "v1", "Pod", map[string]any{"name": "p"}
	return pod
}

// TestWorkingRows wants each field that works in one of the fixtures, and what stands there in the lean object as it was written.
func TestWorkingRows(t *testing.T) {
	survived := map[string]bool{}
	files, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		objects, err := Decode(text)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for i, document := range regexp.MustCompile(`(?m)^---\n`).Split(string(text), -1) {
			var object any = objects[i].Pod
			known := reflect.TypeFor[corev1.Pod]()
			if objects[i].Container != nil {
				object, known = objects[i].Container, reflect.TypeFor[plainKnown]()
			} else if objects[i].Pod == nil {
				continue
			}
			var was, is map[string]any
			if err := sigsyaml.Unmarshal([]byte(document), &was); err != nil {
				t.Fatal(err)
			}
			lean, err := json.Marshal(object)
			if err != nil || json.Unmarshal(lean, &is) != nil {
				t.Fatal(err)
			}
			compareValues(t, file, known, was, is, survived)
		}
	}
	for _, r := range rows() {
		if r.works && !survived[r.key()] {
			t.Errorf("%s works, and no fixture in testdata has it", r.key())
		}
	}
}

// compareValues wants is to hold all of was, and notes the fields that it met by Kubernetes' type.
func compareValues(t *testing.T, at string, real reflect.Type, was, is any, met map[string]bool) {
	t.Helper()
	real = bare(real)
	switch was := was.(type) {
	case map[string]any:
		got, ok := is.(map[string]any)
		if !ok {
			t.Errorf("%s is lost", at)
			return
		}
		known := fields(real)
		for name, value := range was {
			inner := element(real)
			if real.Kind() == reflect.Struct && real != quantity {
				met[cmp.Or(real.Name(), plainOwner)+"."+name] = true
				inner = known[name]
			}
			if inner != nil {
				compareValues(t, at+"."+name, inner, value, orZero(got[name], value), met)
			}
		}
	case []any:
		got, ok := is.([]any)
		if !ok || len(got) != len(was) {
			t.Errorf("%s is %v, was %v", at, is, was)
			return
		}
		for i := range was {
			compareValues(t, fmt.Sprintf("%s[%d]", at, i), element(real), was[i], got[i], met)
		}
	default:
		if fmt.Sprint(was) != fmt.Sprint(is) {
			t.Errorf("%s is %v, was %v", at, is, was)
		}
	}
}

// orZero: JSON leaves out a false, and an object without fields.
func orZero(is, was any) any {
	if is != nil {
		return is
	}
	switch was := was.(type) {
	case bool:
		return false
	case map[string]any:
		if len(was) == 0 {
			return was
		}
	}
	return nil
}

// TestEveryRowIsShown: each field that works is shown on a real node, and nothing is shown, remarked or refused that is no row.
func TestEveryRowIsShown(t *testing.T) {
	shown, works, used := shownIn(t), map[string]bool{}, map[string]bool{}
	for _, r := range rows() {
		used[r.owner], used[r.key()], works[r.key()] = true, true, r.works
		if r.works && len(shown[r.key()]) == 0 {
			t.Errorf("%s works, and no file of sandbox/node/testdata/rows shows it", r.key())
		}
	}
	for key := range shown {
		if !works[key] {
			t.Errorf("sandbox/node/testdata/rows shows %s, which is no row that works", key)
		}
	}
	for _, m := range []map[string]string{remarks, refused} {
		for key := range m {
			owner, field, _ := strings.Cut(key, ".")
			if !used[key] && (field != "*" || !used[owner] && owner != "ObjectMeta") {
				t.Errorf("%s is no field of a pod that is reached", key)
			}
		}
	}
}
