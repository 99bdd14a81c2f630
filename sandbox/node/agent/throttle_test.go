package agent

import (
	"fmt"
	"slices"
	"testing"

	"podlab/sandbox"
)

func TestThrottlingIsTold(t *testing.T) {
	var all throttling
	var told []string
	look := func(seconds, node, web int64) {
		s := sandbox.Snapshot{Time: seconds * 1_000_000}
		s.Node.Usage = sandbox.Cgroup{Throttled: node, ThrottledTime: node * 5000}
		if web >= 0 {
			use := sandbox.Cgroup{Throttled: web, ThrottledTime: web * 2000}
			s.Containers = []sandbox.Container{{ID: "demo/web", Pod: "demo", State: sandbox.StateRunning, Usage: use}}
		}
		for _, m := range all.look(&s) {
			told = append(told, fmt.Sprintf("%d %s%s %s %v", m.Time/1_000_000, m.Pod, m.Container, m.Reason, m.Params))
		}
	}
	look(1, 40, -1) // what was before
	look(2, 40, 0)  // a container has begun
	look(3, 40, 3)  // and is throttled
	look(4, 41, 9)  // still, and so is the node
	look(5, 41, 10)
	look(6, 41, 10) // for one second not
	look(7, 41, 10)
	look(8, 41, 1) // it has begun anew, its group too
	want := []string{
		"3 demodemo/web Began map[periods:3]", "4  Began map[periods:1]", "6  Ended map[ms:5 periods:1]", "7 demodemo/web Ended map[ms:20 periods:10]",
		"8 demodemo/web Began map[periods:1]",
	}
	if !slices.Equal(told, want) {
		t.Errorf("%q", told)
	}
}
