package main

import (
	"fmt"
	"testing"

	"podlab/sandbox"
)

func TestEndingsAreBounded(t *testing.T) {
	var e endings
	for i := range keptEndings + 1 {
		e.add(fmt.Sprint(i), sandbox.GoneDestroyed)
		e.add(fmt.Sprint(i), sandbox.GoneInitEnded)
	}
	if e.of("0") != sandbox.GoneMachineStopped || e.of("1") != sandbox.GoneInitEnded || e.of(fmt.Sprint(keptEndings)) != sandbox.GoneInitEnded {
		t.Errorf("first %q, second %q", e.of("0"), e.of("1"))
	}
	if len(e.why) != keptEndings || len(e.order) != keptEndings {
		t.Errorf("%d kept, %d in order", len(e.why), len(e.order))
	}
}
