// Package spare decides which nodes are made before somebody asks for them: as many as the operator said, of the shapes that were asked for
// last, since what comes is mostly what came, and only in room that nobody wants.
package spare

import (
	"slices"
	"time"

	"podlab/sandbox"
)

// How long to wait.
const (
	Calm  = 500 * time.Millisecond // nobody asked for a node: who just got one needs the processors for its pods
	Again = 10 * time.Second       // after a spare could not be made
)

// Shape is all of a spec that makes a difference to what is made.
func Shape(spec sandbox.NodeSpec) sandbox.NodeSpec {
	spec.ID, spec.Owner = "", ""
	return spec
}

// Plan says which spares there shall be. Its zero value wants none. The caller keeps goroutines apart.
type Plan struct {
	recent []sandbox.NodeSpec // shapes, as many as there shall be spares; the oldest first
	rest   time.Time          // until then none is made
}

// NewPlan wants count spares, at first of one shape.
func NewPlan(count int, first sandbox.NodeSpec) Plan {
	return Plan{recent: slices.Repeat([]sandbox.NodeSpec{Shape(first)}, count)}
}

// Asked says that somebody asked for a node.
func (p *Plan) Asked(spec sandbox.NodeSpec, now time.Time) {
	if len(p.recent) > 0 {
		p.recent, p.rest = append(p.recent[1:], Shape(spec)), now.Add(Calm)
	}
}

// Failed says that a spare could not be made.
func (p *Plan) Failed(now time.Time) { p.rest = now.Add(Again) }

// Compare returns which of the spares that there are (by index) are not wanted any more, or in the way, and what spare is to be made next,
// nil for none. room is the number of places that nobody has who asked; places is how many a node takes.
func (p *Plan) Compare(have []sandbox.NodeSpec, room int, places func(sandbox.NodeSpec) int, now time.Time) (surplus []int, missing *sandbox.NodeSpec) {
	want := slices.Clone(p.recent)
	for i, spec := range have {
		at := slices.Index(want, Shape(spec))
		if at < 0 || places(spec) > room {
			surplus = append(surplus, i)
			continue
		}
		room -= places(spec)
		want = slices.Delete(want, at, at+1)
	}
	if len(want) > 0 && len(surplus) == 0 && places(want[0]) <= room && !now.Before(p.rest) {
		missing = &want[0]
	}
	return surplus, missing
}
