package labs

import (
	"testing"

	"podlab/content"
	"podlab/sandbox"
)

// BenchmarkAttempt judges one frame of the shipped labs' busiest step over a node with 300 processes and 1000 moments. The aim is
// 1 ms at most.
func BenchmarkAttempt(b *testing.B) {
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
	snapshot := &sandbox.Snapshot{
		Pods:       []sandbox.Pod{{Metadata: sandbox.ObjectMeta{Name: "demo"}, Status: sandbox.PodStatus{Phase: "Running"}}},
		Containers: []sandbox.Container{{ID: "demo/web", Name: "web", Pod: "demo", Kind: sandbox.KindApp, State: sandbox.StateRunning}},
	}
	for i := range 300 {
		snapshot.Processes = append(snapshot.Processes, sandbox.Process{PID: 1000 + i, Name: "sh", Container: "demo/web"})
	}
	run := newAttempt(busiest, Marks{})
	var moments []sandbox.Moment
	for i := range 1000 {
		moments = append(moments, sandbox.Moment{Source: sandbox.SourceKernel, Kind: sandbox.MomentFork, PID: i, Name: "sh"})
	}
	run.see(moments)
	b.ReportAllocs()
	for b.Loop() {
		run.look(snapshot, 1)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs/frame")
}
