package labs

import (
	"slices"

	"podlab/sandbox"
)

// maxOwners bounds the processes whose container is remembered, and the probes whose end has not come.
const maxOwners = 8192

// merger puts the moments of both sources in order and says in which container they happened: the kernel does not know, the
// agent's snapshots do. Moments of processes that no snapshot has shown yet are held back, with all that came after them, until
// the next snapshot or until release is called.
type merger struct {
	last   map[string]uint64 // by source: the last number seen
	owner  map[int]string    // by pid: Container.ID, or empty for the node's own
	inside map[uint64]string // by inode of a pid namespace: the only container in it
	agent  int               // its pid: what it forks belongs to nobody yet
	hidden map[int]bool      // pids of probes and what they forked
	held   []sandbox.Moment
}

func newMerger() *merger {
	return &merger{last: map[string]uint64{}, owner: map[int]string{}, inside: map[uint64]string{}, hidden: map[int]bool{}}
}

// take adds a run of moments of one source. It returns those that are settled, by time, and how many were lost.
func (m *merger) take(run sandbox.Moments) (settled []sandbox.Moment, lost uint64) {
	for _, moment := range run.Items {
		last := m.last[moment.Source]
		if moment.Seq <= last {
			continue // a stream that was opened again repeats what it had
		}
		if last > 0 {
			lost += moment.Seq - last - 1
		}
		m.last[moment.Source] = moment.Seq
		if moment.Kind == sandbox.MomentHidden {
			m.hide(moment.PID)
			continue
		}
		m.held = append(m.held, moment)
	}
	slices.SortStableFunc(m.held, byTime)
	if len(m.held) > maxLog {
		return m.release(), lost // a fork bomb: better in time than complete
	}
	for i := range m.held {
		if !m.settle(&m.held[i]) {
			return m.cut(i), lost
		}
	}
	return m.release(), lost
}

// hide leaves out a probe: its process, what that forks, and the stages that led to it, which the agent forked. Their moments are
// still held: nothing that the agent forks belongs to anybody before a snapshot says so.
func (m *merger) hide(pid int) {
	if len(m.hidden) > maxOwners {
		clear(m.hidden) // an agent that names probes which never were
	}
	for pid != m.agent && !m.hidden[pid] {
		m.hidden[pid] = true
		for i := range m.held {
			if m.held[i].Kind == sandbox.MomentFork && m.held[i].PID == pid {
				pid = m.held[i].PPID
				break
			}
		}
	}
}

// settle finds the container of one moment; false: not known yet.
func (m *merger) settle(moment *sandbox.Moment) bool {
	if moment.Source != sandbox.SourceKernel || moment.Container != "" {
		return true
	}
	pid := processOf(moment)
	if moment.Kind == sandbox.MomentFork && !moment.Thread {
		if m.hidden[moment.PPID] {
			m.hidden[pid] = true
		}
		if owner, known := m.owner[moment.PPID]; known && moment.PPID != m.agent {
			m.owner[pid] = owner
		}
	}
	owner, known := m.inside[moment.PIDNS]
	if known {
		m.owner[pid] = owner
	} else {
		owner, known = m.owner[pid]
	}
	moment.Container = owner
	return known || m.hidden[pid]
}

// processOf is the pid of the process that a moment is about, or whose thread it is about.
func processOf(moment *sandbox.Moment) int {
	if moment.Thread {
		return moment.PPID
	}
	return moment.PID
}

// others is when the newest of a run happened that is not the agent's own doing, 0 for none: it looks by threads that come and go.
func (m *merger) others(run sandbox.Moments) (at int64) {
	for i := range run.Items {
		if one := &run.Items[i]; one.PID != m.agent && (!one.Thread || one.PPID != m.agent) {
			at = max(at, one.Time)
		}
	}
	return at
}

// look learns from a snapshot whose processes belong where. It returns what is settled by it: all that is not younger than the
// snapshot, but while a probe is being started (patient), whose process is not known yet, only what is known for sure.
func (m *merger) look(s *sandbox.Snapshot, patient bool) []sandbox.Moment {
	if len(m.owner) > maxOwners {
		m.owner = map[int]string{}
	}
	m.agent = s.Node.AgentPID
	for i := range s.Processes {
		if p := &s.Processes[i]; p.Container != "" || settledIn(p, s) {
			m.owner[p.PID] = p.Container
		}
	}
	m.inside = alone(s)
	i := 0
	for i < len(m.held) && (m.settle(&m.held[i]) || !patient && m.held[i].Time <= s.Time) {
		i++
	}
	return m.cut(i)
}

// settledIn reports whether a process without a container is really the node's own. The first stages of a container and of an exec
// look like it too, until they are where they belong: they are children of the agent without a role, or in another pid namespace.
func settledIn(p *sandbox.Process, s *sandbox.Snapshot) bool {
	return p.NS.PID == s.Node.NS.PID && (p.Role != "" || p.PPID != s.Node.AgentPID)
}

// alone are the pid namespaces that hold one container only. Processes come and go between two snapshots; what they were in
// stays.
func alone(s *sandbox.Snapshot) map[uint64]string {
	inside := map[uint64]string{}
	shared := map[uint64]bool{0: true, s.Node.NS.PID: true}
	for i := range s.Containers {
		ns := s.Containers[i].NS.PID
		if _, twice := inside[ns]; twice {
			shared[ns] = true
		}
		inside[ns] = s.Containers[i].ID
	}
	for ns := range shared {
		delete(inside, ns)
	}
	return inside
}

// cut takes the first n held moments out, without those of probes, and forgets processes that ended.
func (m *merger) cut(n int) []sandbox.Moment {
	var out []sandbox.Moment
	for _, moment := range m.held[:n] {
		hidden := m.hidden[processOf(&moment)]
		if moment.Kind == sandbox.MomentExit && !moment.Thread {
			delete(m.owner, moment.PID)
			delete(m.hidden, moment.PID)
		}
		if !hidden || moment.Source != sandbox.SourceKernel {
			out = append(out, moment)
		}
	}
	m.held = slices.Delete(m.held, 0, n)
	return out
}

// release gives up waiting: what is held goes out as it is.
func (m *merger) release() []sandbox.Moment {
	for i := range m.held {
		m.settle(&m.held[i])
	}
	return m.cut(len(m.held))
}

func byTime(a, b sandbox.Moment) int {
	switch {
	case a.Time < b.Time:
		return -1
	case a.Time > b.Time:
		return 1
	}
	return 0
}
