package manifest

import (
	"iter"
	"maps"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"podlab/sandbox"
)

// plainKnown is what Kubernetes knows at the places of a plain Container: a container's fields, and those of a pod that make
// sense for a container on its own.
type plainKnown struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        metav1.ObjectMeta `json:"metadata"`
	Spec            struct {
		corev1.Container `json:",inline"`
		Volumes          []corev1.Volume      `json:"volumes"`
		Hostname         string               `json:"hostname"`
		HostAliases      []corev1.HostAlias   `json:"hostAliases"`
		HostNetwork      bool                 `json:"hostNetwork"`
		HostPID          bool                 `json:"hostPID"`
		HostIPC          bool                 `json:"hostIPC"`
		RestartPolicy    corev1.RestartPolicy `json:"restartPolicy"`
	} `json:"spec"`
}

var kubernetes = map[string]reflect.Type{
	sandbox.ManifestPod:       reflect.TypeFor[corev1.Pod](),
	sandbox.ManifestContainer: reflect.TypeFor[plainKnown](),
}

// fields lists a struct's fields by JSON name, embedded ones flattened; those of the outer struct win.
func fields(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	if t == nil || t.Kind() != reflect.Struct {
		return out
	}
	var embedded []reflect.Type
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && name == "":
			embedded = append(embedded, field.Type)
		case name != "" && name != "-":
			out[name] = field.Type
		}
	}
	for _, e := range embedded {
		for name, typ := range fields(bare(e)) {
			if _, taken := out[name]; !taken {
				out[name] = typ
			}
		}
	}
	return out
}

// bare takes pointers off a type.
func bare(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// element is the element type of a slice or map, nil for anything else.
func element(t reflect.Type) reflect.Type {
	if t != nil && (t.Kind() == reflect.Slice || t.Kind() == reflect.Map) {
		return t.Elem()
	}
	return nil
}

// nearest is the supported name that was probably meant.
func nearest(name string, supported map[string]reflect.Type) string {
	return Nearest(name, maps.Keys(supported))
}

// Nearest is the name that was probably meant: at most two letters away, letter case aside; "" for none.
func Nearest(name string, known iter.Seq[string]) string {
	best, bestDistance := "", 3
	for candidate := range known {
		n := distance(strings.ToLower(name), strings.ToLower(candidate))
		if n < bestDistance || n == bestDistance && candidate < best {
			best, bestDistance = candidate, n
		}
	}
	return best
}

// distance is Levenshtein's, cut short for names that are far too long.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
