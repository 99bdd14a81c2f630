package labs

import (
	"fmt"
	"testing"

	"podlab/content"
	"podlab/sandbox"
)

// BenchmarkBoard judges one frame of the shipped labs' busiest step over a node with 300 processes and 1000 moments. The aim is
// 1 ms at most.
func BenchmarkBoard(b *testing.B) {
	course, err := Load(content.FS)
	if err != nil {
		b.Fatal(err)
	}
	busiest := course.Labs()[0].Steps[0]
	for _, l := range course.Labs() {
		for _, s := range l.Steps {
			if len(s.Checks)+len(s.Predictions)+len(s.Reached) > len(busiest.Checks)+len(busiest.Predictions)+len(busiest.Reached) {
				busiest = s
			}
		}
	}
	snapshot := demo()
	for i := range 300 {
		snapshot.Processes = append(snapshot.Processes, sandbox.Process{PID: 1000 + i, Name: "sh", Container: "demo/web"})
	}
	board, err := newBoard(busiest, Marks{})
	if err != nil {
		b.Fatal(err)
	}
	var moments []sandbox.Moment
	for i := range maxSeen {
		moments = append(moments, sandbox.Moment{Source: sandbox.SourceKernel, Kind: sandbox.MomentFork, PID: i, Name: "sh"})
	}
	board.see(moments)
	b.ReportAllocs()
	for b.Loop() {
		board.look(snapshot, 1)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs/frame")
}

// BenchmarkMoments is one expression over the most moments that there can be.
func BenchmarkMoments(b *testing.B) {
	c, err := newCondition(`moments.exists(m, m.kind == "exit" && m.pidInside == 1 && m.container == "demo/web")`)
	if err != nil {
		b.Fatal(err)
	}
	var moments []sandbox.Moment
	for i := range maxSeen {
		moments = append(moments, sandbox.Moment{Kind: sandbox.MomentFork, Name: fmt.Sprint(i)})
	}
	at := sightOf(b, demo(), moments...)
	b.ReportAllocs()
	for b.Loop() {
		if holds, err := c.Holds(at); holds || err != nil {
			b.Fatal(holds, err)
		}
	}
}
