package agent

import (
	"strconv"

	"podlab/sandbox"
)

// calm is how long a group must not have been throttled until that is said to be over, in µs.
const calm = 2_000_000

// throttling tells of groups that the kernel makes wait since they have used their share of CPU, from what snapshots count: once when it
// begins, however long it goes on, and once when it is over. It is used by one goroutine at a time.
type throttling struct {
	groups map[string]*group // by Container.ID; "" is the node
}

// group is a control group as it was seen last.
type group struct {
	begun bool
	from  counts // before it began
	last  counts
	at    int64 // when periods last rose
}

// counts are a Cgroup's Throttled and ThrottledTime.
type counts struct{ periods, time int64 }

// look compares a snapshot with the one before. What was before the first is nobody's news.
func (t *throttling) look(s *sandbox.Snapshot) (news []sandbox.Moment) {
	first := t.groups == nil
	before := t.groups
	t.groups = make(map[string]*group, len(s.Containers)+1)
	see := func(id, pod string, u sandbox.Cgroup) {
		g := before[id]
		count := counts{u.Throttled, u.ThrottledTime}
		if g == nil || count.periods < g.last.periods { // a new container, or it was started again in a new group: both count from 0
			g = &group{}
			if first {
				g.last = count
			}
		}
		t.groups[id] = g
		if reason, params := g.see(s.Time, count); reason != "" {
			news = append(news, sandbox.Moment{Kind: sandbox.MomentThrottle, Time: s.Time, Container: id, Pod: pod, Reason: reason, Params: params})
		}
	}
	see("", "", s.Node.Usage)
	for i := range s.Containers {
		if c := &s.Containers[i]; c.State == sandbox.StateRunning {
			see(c.ID, c.Pod, c.Usage)
		}
	}
	return news
}

// see takes what a group counts at a time, and returns the reason and the parameters of a moment, or none.
func (g *group) see(now int64, count counts) (reason string, params map[string]string) {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	switch rose := count.periods - g.last.periods; {
	case rose > 0:
		if !g.begun {
			g.begun, g.from = true, g.last
			reason, params = "Began", map[string]string{"periods": number(rose)}
		}
		g.at = now
	case g.begun && now-g.at >= calm:
		g.begun = false
		reason = "Ended"
		params = map[string]string{"periods": number(count.periods - g.from.periods), "ms": number((count.time - g.from.time) / 1000)}
	}
	g.last = count
	return reason, params
}
