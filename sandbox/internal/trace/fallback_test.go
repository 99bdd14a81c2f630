package trace

import (
	"slices"
	"testing"
	"time"

	"podlab/sandbox"
)

// told of a shell that sleeps, in the order of events; names are of the moment, paths of its exec.
func kinds(all []sandbox.Moment, name string) (kinds []string) {
	pid := 0
	for _, m := range all {
		if m.Kind == sandbox.MomentExec && m.Name == name {
			pid = m.PID
		}
	}
	for _, m := range all {
		if m.PID == pid && !m.Thread {
			kinds = append(kinds, m.Kind)
		}
	}
	return kinds
}

func TestConnectorTellsProcesses(t *testing.T) {
	needRoot(t)
	tr, got := listen(t, KindProc)
	node := newPIDNS(t)
	must(t, tr.Add(node.inode, node.pid))
	node.run(t, "20*\tsh\t-c\tsleep 0.05; exit 3\nunshare\t--pid\t--fork\tsh\t-c\tsleep 0.3; exit 4\n")
	all := got.until(t, node.inode, ends("unshare", 1))
	codes := map[int]int{}
	for _, m := range all {
		if m.Kind == sandbox.MomentExit && m.Name == "sh" && !m.Thread && m.PPID == 1 {
			codes[m.Code]++
			if m.PID != m.PIDInside || m.PIDNS != node.inode {
				t.Errorf("%+v", m)
			}
		}
	}
	// What ended before it could be read is lost, and counted.
	if codes[3] < 10 || codes[3]+got.missing(node.inode) < 20 {
		t.Errorf("codes %v, %d lost", codes, got.missing(node.inode))
	}
	inner := slices.IndexFunc(all, func(m sandbox.Moment) bool { return m.Kind == sandbox.MomentExit && m.Code == 4 })
	if inner < 0 || all[inner].PIDInside != 1 || all[inner].PID < 2 || all[inner].PIDNS == node.inode {
		t.Errorf("no inner process: %d", inner)
	}
	if k := kinds(all, "unshare"); !slices.Equal(k, []string{"fork", "exec", "exit"}) {
		t.Error(k)
	}
	if now := bootTime(); all[0].Time > now || all[0].Time < now-60e6 {
		t.Errorf("time %d, now %d", all[0].Time, now)
	}
}

func TestConnectorTellsThreads(t *testing.T) {
	needRoot(t)
	tr, got := listen(t, KindProc)
	node := newPIDNS(t)
	must(t, tr.Add(node.inode, node.pid))
	node.run(t, "/proc/self/exe\tleader\n")
	all := got.until(t, node.inode, func(all []sandbox.Moment) bool {
		return slices.ContainsFunc(all, func(m sandbox.Moment) bool { return m.Kind == sandbox.MomentExit && !m.Thread && m.Code == 7 })
	})
	i := slices.IndexFunc(all, func(m sandbox.Moment) bool { return m.Kind == sandbox.MomentExit && m.Code == 7 && !m.Thread })
	process := all[i].PID
	if !slices.ContainsFunc(all, func(m sandbox.Moment) bool { return m.Kind == sandbox.MomentExit && m.Thread && m.PID == process }) {
		t.Error("the end of the first thread is not told")
	}
	if !slices.ContainsFunc(all, func(m sandbox.Moment) bool { return m.Kind == sandbox.MomentFork && m.Thread && m.PPID == process }) {
		t.Errorf("no thread's start is told: %+v", all)
	}
}

func TestPollTellsProcessesThatStay(t *testing.T) {
	needRoot(t)
	tr, got := listen(t, KindPoll)
	node := newPIDNS(t)
	must(t, tr.Add(node.inode, node.pid))
	time.Sleep(3 * pollEvery)
	node.run(t, "sh\t-c\tsleep 1; exec sleep 1\n") // many rounds, of which a busy machine may leave some out
	all := got.until(t, node.inode, func(all []sandbox.Moment) bool { return len(kinds(all, "sleep")) >= 4 })
	for i := range all { // a look between fork and exec finds the parent's name: the tests' own here, the shell's for its child
		if m := &all[i]; m.Kind == sandbox.MomentFork && m.Name == "exe" {
			m.Name = "sh"
		} else if m.Kind == sandbox.MomentFork && m.PPID == all[0].PID {
			m.Name = "sleep"
		}
	}
	shell, child := all[0].PID, 0
	told := map[int][]string{}
	for _, m := range all {
		told[m.PID] = append(told[m.PID], m.Kind+" "+m.Name)
		if m.PPID == shell {
			child = m.PID
		}
	}
	// Which of two processes changed first within one round is not known; of each by itself the order is.
	if want := []string{"fork sh", "exec sh", "exec sleep", "exit sleep"}; !slices.Equal(told[shell], want) {
		t.Errorf("shell: %q", told[shell])
	}
	if want := []string{"fork sleep", "exec sleep", "exit sleep"}; !slices.Equal(told[child], want) {
		t.Errorf("its child: %q", told[child])
	}
	if last := all[len(all)-1]; last.PPID != 1 || last.PID != last.PIDInside || last.Params["code"] != "unknown" {
		t.Errorf("%+v", last)
	}
}

func TestParseProcEvent(t *testing.T) {
	for n := range 60 {
		if _, err := parseProcEvent(make([]byte, n)); err == nil {
			t.Errorf("%d zeros are no event", n)
		}
	}
}

func TestParseStatus(t *testing.T) {
	pids, leader := parseStatus([]byte("Name:\ta\nTgid:\t7\nNSpid:\t900\t7\t1\n"))
	if !slices.Equal(pids, []int{900, 7, 1}) || leader != 7 {
		t.Error(pids, leader)
	}
	if pids, _ := parseStatus([]byte("NSpid:\t9 x\n")); pids != nil {
		t.Error(pids)
	}
}
