package golden

import (
	"fmt"

	"podlab/labs"
	"podlab/sandbox"
)

// Of Busy: its processes, and how many of them end and are made with each frame.
const (
	busyProcesses = 300
	busyChurn     = 12
	busyPace      = 100_000 // µs between two frames: ten a second
)

// Busy is the n-th frame of the busiest node that views must keep up with: 300 processes in the six containers of two pods, of which some
// end, some begin and some get another parent ten times a second, while everything is used more and more. It is endless, so not among All.
func Busy(n int) labs.Frame {
	f := ready()
	b := node()
	b.pod("demo", 409, 2402)
	b.pod("payments", 509, 2602)
	var apps []*sandbox.Container
	for i := range b.Containers {
		if c := &b.Containers[i]; c.Kind != sandbox.KindInfra {
			apps = append(apps, c)
		}
	}
	now := at + int64(n)*busyPace
	first := 3000 + n*busyChurn
	last := first + busyProcesses - len(b.Processes)
	for pid := first; pid < last; pid++ {
		c := apps[pid%len(apps)]
		parent := c.PID
		if older := pid - 4*len(apps); pid%5 == 2 && older >= first {
			parent = older // when that ends, this one moves to its container's first process
		}
		b.process(c, pid, parent, pid-2900, []string{"sleep", "sh", "worker", "curl"}[pid%4], "S")
	}
	for i := range b.Containers {
		u := &b.Containers[i].Usage
		u.CPU += int64(n) * int64(3_000+i*2_000)
		u.Memory += int64(n*(i+1)%40) << 16
		u.Throttled = int64(n / 20 * (i % 2))
	}
	b.Node.Usage.CPU += int64(n) * 40_000
	b.wire()
	b.Seq += uint64(n)
	b.Time = now
	f.Now += int64(n) * busyPace / 1000
	f.Snapshot = &b.Snapshot
	f.Moments = churn(n, now, first, last, apps)
	return f
}

// churn tells what ended and began since the frame before.
func churn(n int, now int64, first, last int, apps []*sandbox.Container) []sandbox.Moment {
	var out []sandbox.Moment
	tell := func(kind string, pid int) {
		c := apps[pid%len(apps)]
		out = append(out, sandbox.Moment{
			Source: sandbox.SourceKernel, Seq: uint64(n*busyChurn*2 + len(out) + 1), Time: now - busyPace + int64(len(out))*1000, Kind: kind,
			PID: pid, PPID: c.PID, PIDNS: c.NS.PID, Name: fmt.Sprintf("worker-%d", pid%7), Container: c.ID,
		})
	}
	for i := range busyChurn {
		tell(sandbox.MomentExit, first-busyChurn+i)
		tell(sandbox.MomentFork, last-busyChurn+i)
	}
	return out
}
