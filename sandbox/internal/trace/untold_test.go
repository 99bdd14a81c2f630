package trace

import (
	"errors"
	"slices"
	"testing"

	"podlab/sandbox"
)

// Each source says what it cannot tell of: the worse ones more.
func TestUntold(t *testing.T) {
	needRoot(t)
	best, err := OpenKind(t.Context(), KindEBPF, 1)
	must(t, err)
	defer best.Close()
	if best.partial() != nil || slices.Contains(best.Untold(), sandbox.UntoldSockets) {
		t.Errorf("eBPF: %v, %v", best.Untold(), best.partial())
	}
	for _, kind := range []string{KindProc, KindPoll} {
		worse, err := OpenKind(t.Context(), kind, 1)
		must(t, err)
		defer worse.Close()
		for _, lacks := range lifeOnly {
			if !slices.Contains(worse.Untold(), lacks) {
				t.Errorf("%s: %v has no %s", kind, worse.Untold(), lacks)
			}
		}
		if slices.Contains(worse.Untold(), sandbox.UntoldShort) != (kind == KindPoll) {
			t.Errorf("%s: %v", kind, worse.Untold())
		}
	}
}

// A kernel without what some programs need tells the rest, and says what is missing.
func TestEBPFTellsWhatItCan(t *testing.T) {
	needRoot(t)
	at, err := kernelOffsets()
	must(t, err)
	at.noSockets = errors.New("AF_UNIX is a module")
	source, err := openKernel(at, limitsFor(1))
	must(t, err)
	tr, got := collect(t, &Tracer{kind: KindEBPF, source: source})
	if !slices.Contains(tr.Untold(), sandbox.UntoldSockets) || tr.partial() == nil {
		t.Errorf("%v, %v", tr.Untold(), tr.partial())
	}
	node := newPIDNS(t)
	must(t, tr.Add(node.inode, node.pid))
	node.run(t, "/proc/self/exe\ttcp\n")
	if all := got.until(t, node.inode, ends("exe", 1)); len(ofKind(all, sandbox.MomentListen)) != 1 || len(ofKind(all, sandbox.MomentBind)) != 0 {
		t.Errorf("%+v", all)
	}
}
