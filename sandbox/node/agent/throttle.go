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
	groups map[string]*held // by Container.ID; "" is the node
}

// held is one group.
type held struct {
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
	t.groups = make(map[string]*held, len(s.Containers)+1)
	group := func(id, pod string, u sandbox.Cgroup) {
		h := before[id]
		count := counts{u.Throttled, u.ThrottledTime}
		if h == nil || count.periods < h.last.periods { // new, or its control group is: it counts from 0
			h = &held{}
			if first {
				h.last = count
			}
		}
		t.groups[id] = h
		if reason, params := h.see(s.Time, count); reason != "" {
			news = append(news, sandbox.Moment{Kind: sandbox.MomentThrottle, Time: s.Time, Container: id, Pod: pod, Reason: reason, Params: params})
		}
	}
	group("", "", s.Node.Usage)
	for i := range s.Containers {
		if c := &s.Containers[i]; c.State == sandbox.StateRunning {
			group(c.ID, c.Pod, c.Usage)
		}
	}
	return news
}

// see takes what a group counts at a time, and returns the reason and the parameters of a moment, or none.
func (h *held) see(now int64, count counts) (reason string, params map[string]string) {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	switch rose := count.periods - h.last.periods; {
	case rose > 0:
		if !h.begun {
			h.begun, h.from = true, h.last
			reason, params = "Began", map[string]string{"periods": number(rose)}
		}
		h.at = now
	case h.begun && now-h.at >= calm:
		h.begun = false
		reason = "Ended"
		params = map[string]string{"periods": number(count.periods - h.from.periods), "ms": number((count.time - h.from.time) / 1000)}
	}
	h.last = count
	return reason, params
}
