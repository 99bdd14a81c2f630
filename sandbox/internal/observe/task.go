package observe

import (
	"slices"
	"strconv"

	"podlab/sandbox"
	"podlab/sandbox/text"
)

// threads reads /proc/PID/task: all tasks but the leader.
func (o *Observer) threads(process dir, pid int, p *process, st stat) []sandbox.Thread {
	all := []sandbox.Thread{}
	if st.threads < 2 {
		return all
	}
	d, err := openDir(process, "task")
	if err != nil {
		return all
	}
	defer d.close()
	tids, _, _ := o.r.numbers(d, maxThreads+1)
	slices.Sort(tids)
	for _, tid := range tids {
		if tid == pid {
			continue
		}
		if t, ok := o.thread(d, tid, p); ok {
			all = append(all, t)
		}
	}
	return all
}

func (o *Observer) thread(tasks dir, tid int, p *process) (t sandbox.Thread, ok bool) {
	name := strconv.Itoa(tid)
	b, err := o.r.firstRead(tasks, name+"/stat")
	if err != nil {
		return t, false
	}
	st, err := parseStat(b)
	if err != nil {
		return t, false
	}
	t = sandbox.Thread{TID: tid, Name: text.Clean(st.name, maxShortName), State: string(rune(st.state))}
	if i := slices.IndexFunc(p.threads, func(before sandbox.Thread) bool { return before.TID == tid }); i >= 0 {
		t.Inside = p.threads[i].Inside
		return t, true
	}
	b, err = o.r.firstRead(tasks, name+"/status")
	if err != nil {
		return t, false
	}
	in, err := parseStatus(b)
	t.Inside = in.inside
	return t, err == nil
}
