package manifest

import (
	"math"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"podlab/sandbox"
)

func TestQuantityIsKubernetesQuantity(t *testing.T) {
	for _, s := range []string{
		"0", "1", "+1", "007", "100m", "0.5", ".5", "5.", "1.5Gi", "64Mi", "64M", "1e3", "1E3", "1e-3", "9E", "1n", "0.1n", "1u", "0.3Ki",
		"9223372036854775807", "1500m", "1.0005", "2k", "128Ki", "7Pi", "1.25", "0.000000001", "1.1Mi",
		"", "1 Mi", "1mi", "1KB", "1.2.3", "abc", "1e", "0x10", "1Kie3", "1e3k",
	} {
		compare(t, s)
	}
}

func TestQuantityIsKubernetesQuantityForAny(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		compare(t, rapid.StringMatching(`[0-9]{1,6}(\.[0-9]{0,6})?(n|u|m||k|M|G|Ki|Mi|Gi|e[0-6]|E-[0-6])`).Draw(t, "quantity"))
	})
}

func TestQuantityLimits(t *testing.T) {
	for _, s := range []string{"9Ei", "100E", "1e99", "99999999999999999999999"} {
		q, err := sandbox.ParseQuantity(s)
		if err != nil || q.Value() != math.MaxInt64 || q.MilliValue() != math.MaxInt64 {
			t.Errorf("%q: %d %d %v, want the largest", s, q.Value(), q.MilliValue(), err)
		}
	}
	// Kubernetes reads a lone suffix or sign as 0; here it is the typing mistake that it is.
	for _, s := range []string{"-1", "-500m", "0.1234567890123456789", "Mi", "-"} {
		if _, err := sandbox.ParseQuantity(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}

type fataler interface {
	Helper()
	Errorf(format string, args ...any)
}

func compare(t fataler, s string) {
	t.Helper()
	want, wantErr := resource.ParseQuantity(s)
	got, err := sandbox.ParseQuantity(s)
	if (err != nil) != (wantErr != nil) {
		t.Errorf("%q: error %v, Kubernetes says %v", s, err, wantErr)
		return
	}
	if err == nil && (got.Value() != want.Value() || got.Value() < math.MaxInt64/1000 && got.MilliValue() != want.MilliValue()) {
		t.Errorf("%q: %d (%dm), Kubernetes says %d (%dm)", s, got.Value(), got.MilliValue(), want.Value(), want.MilliValue())
	}
}
