package spare

import (
	"slices"
	"testing"
	"time"

	"podlab/sandbox"
)

func TestPlan(t *testing.T) {
	small, large := sandbox.NodeSpec{Memory: 1}, sandbox.NodeSpec{Memory: 2}
	a, b, c := small, small, small
	a.ID, b.ID, c.ID = "a", "b", "c" // make no difference to what is wanted
	places := func(s sandbox.NodeSpec) int { return int(s.Memory) }
	idle, busy := func() bool { return false }, func() bool { return true }
	begin := time.Unix(1000, 0)
	later := begin.Add(calm)
	taken := func(specs ...sandbox.NodeSpec) *Plan {
		p := NewPlan(2, small, places, idle)
		for _, spec := range specs {
			spec.ID, spec.Owner = "x", "ann" // make no difference
			p.Asked(spec, begin)
		}
		return p
	}
	starting := func(p *Plan) *Plan { p.busy = busy; return p } // those who asked start pods
	failed := taken()
	failed.Failed(begin)
	for name, one := range map[string]struct {
		plan    *Plan
		have    []sandbox.NodeSpec
		room    int
		now     time.Time
		surplus []string
		missing *sandbox.NodeSpec
	}{
		"first":             {plan: taken(), room: 9, now: begin, missing: &small},
		"second":            {plan: taken(), have: []sandbox.NodeSpec{a}, room: 9, now: begin, missing: &small},
		"all there":         {plan: taken(), have: []sandbox.NodeSpec{a, b}, room: 9, now: begin},
		"too many":          {plan: taken(), have: []sandbox.NodeSpec{a, b, c}, room: 9, now: later, surplus: []string{"c"}},
		"just asked":        {plan: taken(small), room: 9, now: later.Add(-1)},
		"calm again":        {plan: taken(small), room: 9, now: later, missing: &small},
		"pods start":        {plan: starting(taken(small)), room: 9, now: later},
		"busy since":        {plan: starting(taken(small)), room: 9, now: begin.Add(patience), missing: &small},
		"busy, none asked":  {plan: starting(taken()), room: 9, now: begin, missing: &small},
		"another shape":     {plan: taken(large), have: []sandbox.NodeSpec{a, b}, room: 9, now: later, surplus: []string{"b"}},
		"both shapes":       {plan: taken(large), have: []sandbox.NodeSpec{a}, room: 9, now: later, missing: &large},
		"no room for large": {plan: taken(large, large), room: 1, now: later},
		"in the way":        {plan: taken(), have: []sandbox.NodeSpec{a, b}, room: 1, now: later, surplus: []string{"b"}},
		"all in the way":    {plan: taken(), have: []sandbox.NodeSpec{a, b}, room: -1, now: later, surplus: []string{"a", "b"}},
		"failed":            {plan: failed, room: 9, now: later},
		"failed long ago":   {plan: failed, room: 9, now: begin.Add(again), missing: &small},
		"none wanted":       {plan: NewPlan(0, small, places, idle), have: []sandbox.NodeSpec{a}, room: 9, now: later, surplus: []string{"a"}},
	} {
		surplus, missing := one.plan.Compare(one.have, one.room, one.now)
		same := missing == nil && one.missing == nil || missing != nil && one.missing != nil && *missing == *one.missing
		if !slices.Equal(surplus, one.surplus) || !same {
			t.Errorf("%s: surplus %v, missing %v", name, surplus, missing)
		}
	}
}
