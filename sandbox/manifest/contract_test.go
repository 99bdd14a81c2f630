package manifest

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"podlab/sandbox"
)

// TestLeanTypesAreKubernetes holds the lean types against Kubernetes' own: each field has the same JSON name there and a kind
// that the same JSON fits.
func TestLeanTypesAreKubernetes(t *testing.T) {
	match(t, "Pod", reflect.TypeFor[sandbox.Pod](), reflect.TypeFor[corev1.Pod]())
	match(t, "ConfigMap", reflect.TypeFor[sandbox.ConfigMap](), reflect.TypeFor[corev1.ConfigMap]())
	match(t, "Secret", reflect.TypeFor[sandbox.Secret](), reflect.TypeFor[corev1.Secret]())
	match(t, "Container", reflect.TypeFor[sandbox.ContainerSpec](), reflect.TypeFor[corev1.Container]())
}

// asText are Kubernetes' types whose JSON is a string.
var asText = map[reflect.Type]bool{quantity: true, intOrString: true, reflect.TypeFor[metav1.Time](): true, reflect.TypeFor[types.UID](): true,
	reflect.TypeFor[[]byte](): true}

func match(t *testing.T, path string, lean, real reflect.Type) {
	t.Helper()
	lean, real = bare(lean), bare(real)
	switch {
	case lean.Kind() == reflect.String:
		if real.Kind() != reflect.String && !asText[real] {
			t.Errorf("%s: a string here, %s in Kubernetes", path, real)
		}
	case lean.Kind() == reflect.Int || lean.Kind() == reflect.Int64:
		if real.Kind() != reflect.Int32 && real.Kind() != reflect.Int64 {
			t.Errorf("%s: a number here, %s in Kubernetes", path, real)
		}
	case lean.Kind() != real.Kind():
		t.Errorf("%s: %s here, %s in Kubernetes", path, lean, real)
	case lean.Kind() == reflect.Slice || lean.Kind() == reflect.Map:
		match(t, path+"[]", lean.Elem(), real.Elem())
	case lean.Kind() == reflect.Struct:
		known := fields(real)
		for name, field := range fields(lean) {
			if known[name] == nil {
				t.Errorf("%s.%s is not in Kubernetes", path, name)
				continue
			}
			match(t, path+"."+name, field, known[name])
		}
	}
}
