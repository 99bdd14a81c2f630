package trace

import (
	"time"

	"podlab/sandbox"
	"podlab/sandbox/text"
)

// No tracepoint tells that a process got a new parent. It does when its parent ends (find_new_reaper in kernel/exit.c): so the children
// of who ended are looked at in /proc until the kernel has given them away.

const (
	orphanEvery = time.Millisecond
	orphanFor   = time.Second // one whose parent never changes was waited for before, or ended
	maxFamily   = 1 << 16     // processes of a node that are remembered
)

// family is a node's processes, by the node's pid.
type family struct {
	members map[int]*relative
	byHost  map[int]int // pid on the host → the node's
}

type relative struct {
	host     int // its pid on the host
	children map[int]bool
}

// orphan is a process whose parent has just ended.
type orphan struct {
	node           uint64
	pid, host, was int // was: the parent's pid on the host
	at             int64
	until          time.Time
}

func newFamily(initHostPID int) *family {
	f := &family{members: map[int]*relative{}, byHost: map[int]int{}}
	f.join(1, 0, initHostPID)
	return f
}

func (f *family) join(pid, parent, host int) {
	if len(f.members) > maxFamily {
		*f = *newFamily(f.members[1].host) // ends were lost
	}
	f.members[pid] = &relative{host: host, children: map[int]bool{}}
	f.byHost[host] = pid
	if p := f.members[parent]; p != nil {
		p.children[pid] = true
	}
}

// leave removes one that has ended and returns it, nil when it was not known.
func (f *family) leave(pid, parent int) *relative {
	gone := f.members[pid]
	if gone == nil || pid == 1 {
		return nil
	}
	delete(f.members, pid)
	delete(f.byHost, gone.host)
	if p := f.members[parent]; p != nil {
		delete(p.children, pid)
	}
	return gone
}

// follow keeps the families by what a record tells of a process, and notes whom it leaves without a parent.
func (s *kernelSource) follow(r record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.families[r.u32(recNode)]
	if f == nil {
		return // the node was removed
	}
	switch r.u32(recKind) {
	case recordFork:
		if !r.thread() {
			f.join(r.pid(recPID), r.pid(recPPID), r.pid(recHostPID))
		}
	case recordExit:
		if !r.lastOfProcess() {
			return
		}
		gone := f.leave(r.pid(recPID), r.pid(recPPID))
		if gone == nil {
			return
		}
		for pid := range gone.children {
			if child := f.members[pid]; child != nil {
				s.orphans = append(s.orphans, orphan{
					node: r.node(), pid: pid, host: child.host, was: gone.host, at: int64(r.u64(recTime) / 1000), until: time.Now().Add(orphanFor),
				})
			}
		}
	}
}

// settleOrphans tells of those that have a new parent. waiting: some have none yet.
func (s *kernelSource) settleOrphans(sink Sink) (waiting bool) {
	now := time.Now()
	if len(s.orphans) == 0 || now.Sub(s.settled) < orphanEvery {
		return len(s.orphans) > 0
	}
	s.settled = now
	var told []sandbox.Moment
	var nodes []uint64
	s.mu.Lock()
	rest := s.orphans[:0]
	for _, o := range s.orphans {
		f := s.families[uint32(o.node)] //nolint:gosec // an inode of nsfs has 32 bits
		if f == nil || f.members[o.pid] == nil || f.members[o.pid].host != o.host {
			continue // it has ended too
		}
		var child task
		if child.readStat(o.host) != nil {
			continue // likewise
		}
		if child.ppid == o.was && now.Before(o.until) {
			rest = append(rest, o)
			continue
		}
		pid, ok := f.byHost[child.ppid]
		if !ok || child.ppid == o.was {
			continue
		}
		f.members[pid].children[o.pid] = true
		told = append(told, sandbox.Moment{Source: sandbox.SourceKernel, Kind: sandbox.MomentReparent, Time: o.at, PID: o.pid, PPID: pid, Name: text.Clean(child.name, commSize)})
		nodes = append(nodes, o.node)
	}
	s.orphans = rest
	waiting = len(rest) > 0
	s.mu.Unlock()
	for i, m := range told {
		sink.Moment(nodes[i], m)
	}
	return waiting
}
