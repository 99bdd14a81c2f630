package ending

import (
	"fmt"
	"testing"

	"podlab/sandbox"
)

func TestEndingsAreBounded(t *testing.T) {
	var b Book
	for i := range kept + 1 {
		b.Add(fmt.Sprint(i), sandbox.GoneDestroyed)
		b.Add(fmt.Sprint(i), sandbox.GoneInitEnded)
	}
	for id, want := range map[string]string{"0": sandbox.GoneMachineStopped, "1": sandbox.GoneInitEnded, fmt.Sprint(kept): sandbox.GoneInitEnded} {
		if got := sandbox.Public(b.Of(id)); got.Code != sandbox.CodeNodeGone || got.Params["reason"] != want {
			t.Errorf("%s: %v, want %s", id, got, want)
		}
	}
	if len(b.why) != kept || len(b.order) != kept {
		t.Errorf("%d kept, %d in order", len(b.why), len(b.order))
	}
}
