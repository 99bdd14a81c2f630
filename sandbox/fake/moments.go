package fake

import (
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/ring"
)

// kept is how many moments of one source are kept.
const kept = 1024

// booted is when the fake's clock began.
var booted = time.Now()

// now is microseconds since the fake booted.
func now() int64 { return time.Since(booted).Microseconds() + 1_000_000 }

// moments are the newest of one source, numbered.
type moments struct {
	source string
	*ring.Ring[sandbox.Moment]
}

func newMoments(source string) moments { return moments{source, ring.New[sandbox.Moment](kept)} }

func (m moments) add(one sandbox.Moment) {
	if one.Time == 0 {
		one.Time = now()
	}
	m.Add(func(number uint64) sandbox.Moment {
		one.Source, one.Seq = m.source, number
		return one
	})
}

// public is a run of them as readers get it.
func public(run ring.Run[sandbox.Moment]) sandbox.Moments {
	return sandbox.Moments{Lost: run.Lost, Items: run.Items}
}
