package spare

import (
	"slices"
	"testing"
	"time"

	"podlab/sandbox"
)

func TestPlan(t *testing.T) {
	small, large := sandbox.NodeSpec{Memory: 1}, sandbox.NodeSpec{Memory: 2}
	places := func(s sandbox.NodeSpec) int { return int(s.Memory) }
	begin := time.Unix(1000, 0)
	later := begin.Add(Calm)
	taken := func(specs ...sandbox.NodeSpec) Plan {
		p := NewPlan(2, small)
		for _, spec := range specs {
			spec.ID, spec.Owner = "x", "ann" // make no difference
			p.Asked(spec, begin)
		}
		return p
	}
	failed := taken()
	failed.Failed(begin)
	for name, one := range map[string]struct {
		plan    Plan
		have    []sandbox.NodeSpec
		room    int
		now     time.Time
		surplus []int
		missing *sandbox.NodeSpec
	}{
		"first":             {plan: taken(), room: 9, now: begin, missing: &small},
		"second":            {plan: taken(), have: []sandbox.NodeSpec{small}, room: 9, now: begin, missing: &small},
		"all there":         {plan: taken(), have: []sandbox.NodeSpec{small, small}, room: 9, now: begin},
		"too many":          {plan: taken(), have: []sandbox.NodeSpec{small, small, small}, room: 9, now: later, surplus: []int{2}},
		"just asked":        {plan: taken(small), room: 9, now: later.Add(-1)},
		"calm again":        {plan: taken(small), room: 9, now: later, missing: &small},
		"another shape":     {plan: taken(large), have: []sandbox.NodeSpec{small, small}, room: 9, now: later, surplus: []int{1}},
		"both shapes":       {plan: taken(large), have: []sandbox.NodeSpec{small}, room: 9, now: later, missing: &large},
		"no room for large": {plan: taken(large, large), room: 1, now: later},
		"in the way":        {plan: taken(), have: []sandbox.NodeSpec{small, small}, room: 1, now: later, surplus: []int{1}},
		"all in the way":    {plan: taken(), have: []sandbox.NodeSpec{small, small}, room: -1, now: later, surplus: []int{0, 1}},
		"failed":            {plan: failed, room: 9, now: later},
		"failed long ago":   {plan: failed, room: 9, now: begin.Add(Again), missing: &small},
		"none wanted":       {plan: Plan{}, have: []sandbox.NodeSpec{small}, room: 9, now: later, surplus: []int{0}},
	} {
		surplus, missing := one.plan.Compare(one.have, one.room, places, one.now)
		same := missing == nil && one.missing == nil || missing != nil && one.missing != nil && *missing == *one.missing
		if !slices.Equal(surplus, one.surplus) || !same {
			t.Errorf("%s: surplus %v, missing %v", name, surplus, missing)
		}
	}
}
