package main

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"podlab/labs"
	"podlab/labs/record"
)

// states are all that a recording shows, and the last number of each source's moments.
func states(r *record.Reader) (all []record.Shown, last map[string]uint64, err error) {
	last = map[string]uint64{}
	for s, err := range r.Frames() {
		if err != nil {
			return nil, nil, err
		}
		for _, m := range s.Frame.Moments {
			last[m.Source] = max(last[m.Source], m.Seq)
		}
		all = append(all, s)
	}
	return all, last, nil
}

// later is a state in another round: as many moments and as much time after the first.
func later(s record.Shown, round int, shift time.Duration, last map[string]uint64) labs.Taken {
	s.Frame.Now += shift.Milliseconds()
	s.Frame.Moments = slices.Clone(s.Frame.Moments)
	for i := range s.Frame.Moments {
		m := &s.Frame.Moments[i]
		m.Seq += uint64(round) * last[m.Source] //nolint:gosec // a count
		m.Time += shift.Microseconds()
	}
	return s.Taken
}

// print is something that the node's terminal showed.
type print struct {
	at   time.Duration
	text string
}

// outputs are those of a recording's first terminal, which is the node's.
func outputs(r *record.Reader) (all []print, err error) {
	var cast bytes.Buffer
	if err := r.Cast(context.Background(), 0, &cast); err != nil {
		return nil, err
	}
	for line := range bytes.Lines(cast.Bytes()) {
		var event []any
		if line[0] != '[' {
			continue // the header
		}
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, err
		}
		if at, text := event[0].(float64), event[2].(string); event[1] == "o" {
			all = append(all, print{time.Duration(at * float64(time.Second)), text})
		}
	}
	return all, nil
}
