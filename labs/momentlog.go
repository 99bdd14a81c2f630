package labs

import (
	"slices"

	"podlab/sandbox"
)

// Bounds of a session's moments.
const (
	maxLog    = 3000 // kept for pages that come or lag
	maxReplay = 500  // sent to a page that comes
	maxFrame  = 500  // sent in one frame; the rest follows in the next
)

// momentLog is a session's moments of both sources, merged, with a number for each: pages remember how far they read.
type momentLog struct {
	items []sandbox.Moment
	next  uint64 // number of the next one
	lost  uint64 // lost before they came here, in total
}

func (l *momentLog) add(moments []sandbox.Moment) {
	l.items = append(l.items, moments...)
	l.next += uint64(len(moments))
	if over := len(l.items) - maxLog; over > 0 {
		l.items = slices.Delete(l.items, 0, over)
	}
}

// first is the number of the oldest one that is still there.
func (l *momentLog) first() uint64 { return l.next - uint64(len(l.items)) }

// replay is where a page that comes begins to read.
func (l *momentLog) replay() uint64 { return l.next - uint64(min(len(l.items), maxReplay)) }

// read returns moments from a number on, where to go on, and how many fell out before they were read.
func (l *momentLog) read(from uint64) (items []sandbox.Moment, next, missed uint64) {
	if first := l.first(); from < first {
		missed, from = first-from, first
	}
	items = l.items[len(l.items)-int(l.next-from):] //nolint:gosec // at most maxLog
	items = slices.Clone(items[:min(len(items), maxFrame)])
	return items, from + uint64(len(items)), missed
}
