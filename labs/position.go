package labs

import "podlab/sandbox"

// position is how far somebody has been told what was seen on a session's node. The zero value was told nothing.
type position struct {
	begun      bool
	generation int               // of the node
	snapshot   *sandbox.Snapshot // told last
	cursor     uint64            // number of the first moment that is not told yet
	lost       uint64            // of the session's lost moments: told
}

// tell adds to a frame what was seen since the one before. On a node of which nothing was told yet it begins with the moment of number first.
// It reports whether more moments are waiting than one frame takes. The caller holds the learner's lock.
func (p *position) tell(on *session, first uint64, f *Frame) (more bool) {
	if !p.begun || p.generation != on.generation {
		*p = position{begun: true, generation: on.generation, cursor: first, lost: on.moments.lost}
	}
	if on.snapshot != p.snapshot {
		p.snapshot, f.Snapshot = on.snapshot, on.snapshot
	}
	items, next, missed := on.moments.read(p.cursor)
	f.Moments, p.cursor = append(f.Moments, items...), next
	f.Lost += missed + on.moments.lost - p.lost
	p.lost = on.moments.lost
	return p.cursor < on.moments.next
}
