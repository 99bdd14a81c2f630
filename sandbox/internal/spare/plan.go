package spare

import (
	"slices"
	"sync"
	"time"

	"podlab/sandbox"
)

// How long to wait.
const (
	calm     = 500 * time.Millisecond // nobody asked for a node: who just got one needs the processors for its pods
	patience = 10 * time.Second       // the same: if the machine is busy still, it is not with those
	again    = 10 * time.Second       // after a spare could not be made
)

// Shape is all of a spec that makes a difference to what is made.
func Shape(spec sandbox.NodeSpec) sandbox.NodeSpec {
	spec.ID, spec.Owner = "", ""
	return spec
}

// Plan says which spares there shall be. It is safe for use by many goroutines.
type Plan struct {
	places func(sandbox.NodeSpec) int // that a node takes
	busy   func() bool                // the machine has better to do

	mu     sync.Mutex
	recent []sandbox.NodeSpec // shapes, as many as there shall be spares; the oldest first
	asked  time.Time          // when somebody asked last
	rest   time.Time          // until then none is made
}

// NewPlan wants count spares, at first of one shape. places is how many places a node takes; while the machine is busy, those who asked
// come before those who may.
func NewPlan(count int, first sandbox.NodeSpec, places func(sandbox.NodeSpec) int, busy func() bool) *Plan {
	return &Plan{places: places, busy: busy, recent: slices.Repeat([]sandbox.NodeSpec{Shape(first)}, count)}
}

// none reports whether there shall never be a spare.
func (p *Plan) none() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.recent) == 0
}

// Asked says that somebody asked for a node.
func (p *Plan) Asked(spec sandbox.NodeSpec, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.recent) > 0 {
		p.recent, p.asked, p.rest = append(p.recent[1:], Shape(spec)), now, now.Add(calm)
	}
}

// Failed says that a spare could not be made.
func (p *Plan) Failed(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rest = now.Add(again)
}

// Compare returns the ids of those of the spares that are not wanted any more, or in the way, and what spare is to be made next, nil for
// none. room is the number of places that nobody has who asked.
func (p *Plan) Compare(have []sandbox.NodeSpec, room int, now time.Time) (surplus []string, missing *sandbox.NodeSpec) {
	p.mu.Lock()
	defer p.mu.Unlock()
	want := slices.Clone(p.recent)
	for _, spec := range have {
		at := slices.Index(want, Shape(spec))
		if at < 0 || p.places(spec) > room {
			surplus = append(surplus, spec.ID)
			continue
		}
		room -= p.places(spec)
		want = slices.Delete(want, at, at+1)
	}
	if len(want) > 0 && len(surplus) == 0 && p.places(want[0]) <= room && p.mayMake(now) {
		missing = &want[0]
	}
	return surplus, missing
}

func (p *Plan) mayMake(now time.Time) bool {
	return !now.Before(p.rest) && (now.Sub(p.asked) >= patience || !p.busy())
}
