package main

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"time"

	"podlab/labs"
	"podlab/labs/record"
	"podlab/sandbox"
	"podlab/web/golden"
)

const rounds = 30 // of the golden frames, some four minutes in all

// long is a recording of many chunks: the same pod comes and goes again and again, on new nodes, in two steps whose checks pass and are lost,
// while a terminal prints more than is kept to rebuild a screen, also by a program that has the whole screen to itself.
var long = sync.OnceValue(func() []byte {
	frames := golden.All()["change"]
	var file bytes.Buffer
	out, err := record.NewWriter(&file, record.Header{Lab: "sample", Step: "share", Started: frames[0].Now})
	check(err)
	node, err := out.Terminal(0, "node", sandbox.Size{Cols: 80, Rows: 12})
	check(err)
	for round := range rounds {
		for i, f := range frames {
			n := round*len(frames) + i
			at := time.Duration(n) * usual
			check(out.Take(at, labs.Taken{Frame: inRound(f, round, at-time.Duration(i)*usual), Judged: true}))
			check(out.Output(at, node, []byte(printed(n))))
		}
	}
	check(out.Close())
	return file.Bytes()
})

// inRound is a frame so much later: every third round is on a new node, every second in another step, with its checks passed.
func inRound(f labs.Frame, round int, shift time.Duration) labs.Frame {
	f.Now += shift.Milliseconds()
	f.Session.Lab, f.Session.Step, f.Session.Generation = "sample", []string{"share", "join"}[round%2], 1+round/3
	f.Session.Checks = slices.Clone(f.Session.Checks)
	for i := range f.Session.Checks {
		f.Session.Checks[i].State = []string{labs.CheckPassed, labs.CheckPending, labs.CheckLost}[(round+i)%3]
	}
	snapshot := *f.Snapshot
	snapshot.Time += shift.Microseconds()
	f.Snapshot = &snapshot
	f.Moments = slices.Clone(f.Moments)
	for i := range f.Moments {
		f.Moments[i].Seq += uint64(1000 * round) //nolint:gosec // a count
		f.Moments[i].Time += shift.Microseconds()
	}
	return f
}

// printed is what the terminal shows with the n-th frame: coloured lines, and by turns a program that draws within margins on a screen of its own.
func printed(n int) string {
	var b bytes.Buffer
	switch n % 60 {
	case 40:
		b.WriteString("\x1b[?1049h\x1b[2J\x1b[3;9r")
	case 58:
		b.WriteString("\x1b[r\x1b[?1049l")
	}
	if n%60 >= 40 && n%60 < 58 {
		fmt.Fprintf(&b, "\x1b[1;1Hframe %d\x1b[9;1H\n", n)
	}
	for i := range 60 {
		fmt.Fprintf(&b, "\x1b[3%dmframe %d line %d\x1b[0m of a program that has much to say\r\n", i%8, n, i)
	}
	return b.String()
}
