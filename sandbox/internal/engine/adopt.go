package engine

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/pidfd"
	"podlab/sandbox/internal/procstat"
)

// adopt takes over what an earlier agent made: living containers as they are, dead ones with the exit code that node init kept.
// What no record owns is cleared away.
func (e *Engine) adopt() {
	records, bad := readRecords(filepath.Join(e.cfg.State, "objects"))
	for _, err := range bad {
		e.cfg.Log.Error("record not readable", "err", err)
	}
	kept, err := e.keeper.Kept(keepPrefix)
	if err != nil {
		e.cfg.Log.Error("nothing kept by node init", "err", err)
	}
	slices.SortFunc(records, func(a, b record) int { return int(a.Order) - int(b.Order) })
	containers := 0
	for _, r := range records {
		u := newUnit(e, r)
		containers += u.adopt(kept)
		e.units[u.object.Ref] = u
		e.order = max(e.order, r.Order)
		u.show()
	}
	for key, files := range kept { // what is left belongs to nothing that lives
		closeAll(files)
		_ = e.keeper.Drop(key) // it is dropped again when the key is used again
	}
	e.sweep()
	if len(records) > 0 {
		e.emit(sandbox.Moment{Kind: sandbox.MomentAgent, Reason: "Adopted",
			Params: map[string]string{"objects": strconv.Itoa(len(records)), "containers": strconv.Itoa(containers)}})
	}
	for _, u := range e.units {
		u.goOn()
		e.start(e.life, u)
	}
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// adopt finds the unit's containers again and says how many of them live. It takes what it uses out of kept.
func (u *unit) adopt(kept map[string][]*os.File) (alive int) {
	if u.record.Cable != "" {
		if addr, err := netip.ParseAddr(u.record.Address); err == nil {
			u.engine.pool.Claim(addr)
		}
	}
	if u.infra == nil {
		_, err := os.Stat(filepath.Join(u.dir(), hostsFile))
		u.prepared = err == nil
	}
	for _, c := range u.all() {
		if c.adopt(kept) {
			alive++
			if c == u.infra {
				u.holdSandbox(c.run.PID)
			}
		}
	}
	if !u.record.Deleted.IsZero() && u.record.Ending.By.IsZero() {
		u.record.Ending = ending{By: u.record.Deleted.Add(time.Duration(u.record.Grace) * time.Second), Grace: time.Duration(u.record.Grace) * time.Second}
	}
	return alive
}

// adopt finds one container again. A run that was being started when the agent died is taken over if it came to life, else
// cleared away and started anew.
func (c *container) adopt(kept map[string][]*os.File) bool {
	r := c.run
	lc, err := libcontainer.Load(c.unit.engine.runtimeDir(), c.lcID())
	if r.State != running {
		if err == nil || r.Attempt > 0 {
			c.clearLeftovers()
		}
		c.forgetUnborn()
		c.resume()
		return false
	}
	files := kept[c.keepKey()]
	delete(kept, c.keepKey())
	c.alive = &alive{lc: lc, rootfs: &rootfs{dir: c.overlayDir(r.Attempt), layers: r.Layers}}
	c.alive.begin(c.unit.engine.life)
	c.killed = false
	if len(files) > 0 {
		c.alive.recorder, err = newRecorder(c.unit.logPath(c.name(), r.Attempt), repoll(files), c.spec)
		if err != nil {
			c.unit.log.Error("log not opened", "container", c.id(), "err", err)
		}
	}
	if c.alive.pidfd, err = pidfd.Open(r.PID); err == nil && startTime(r.PID) != r.Start {
		c.alive.pidfd.Close() // another process has the pid now
		c.alive.pidfd = nil
	}
	living := c.alive.pidfd != nil && lc != nil
	go c.watchOrphan(r.Attempt, r.PID, r.Start, living)
	if living {
		c.watchMemory()
	}
	return living
}

// goOn takes up what the unit's containers had under way, once all units can be seen.
func (u *unit) goOn() {
	for _, c := range u.members() {
		c.goOn()
	}
	u.publish()
}

// goOn takes up a living container's probes and hooks where the earlier agent left them. A postStart that was running counts as done, as
// with a kubelet that restarts; a preStop begins again, since nobody knows how far it came.
func (c *container) goOn() {
	r := c.run
	if !c.isRunning() || c.alive.pidfd == nil || c.alive.lc == nil {
		return // it ended while there was no agent
	}
	killGroup(filepath.Join(c.cgroup(), HiddenCgroup)) // nobody waits for the answer of these probes
	if r.Hooking {
		r.Hooking = false
		c.comeUp()
	} else {
		c.startProbes()
	}
	if !r.StopBy.IsZero() && !r.Signaled {
		c.preStop()
	}
}

// forgetUnborn makes an attempt that never came to life none: what comes next is a first start, not a restart. Infra's stays: it says that
// there is a sandbox to clear away.
func (c *container) forgetUnborn() {
	if c.spec != nil && c.run.Attempt > 0 && c.run.Started.IsZero() {
		c.removeRoot(c.run.Attempt)
		c.run.Attempt = 0
	}
}

// resume sets the time of the next start of a container that was not running.
func (c *container) resume() {
	r := c.run
	if r.State == waiting && r.Reason == reasonCrashLoop {
		c.due = r.Finished.Add(r.Delay)
	}
}

// repoll makes files of kept descriptors that Go's poller waits on.
func repoll(files []*os.File) []*os.File {
	polled := make([]*os.File, len(files))
	for i, f := range files {
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		f.Close()
		if err != nil {
			fd = -1 // out of descriptors: reading fails, and the log ends
		}
		_ = unix.SetNonblock(fd, true) // cannot fail on a pipe
		polled[i] = os.NewFile(uintptr(fd), "log")
	}
	return polled
}

// watchOrphan waits for the end of a process that an earlier agent started: node init is its parent now.
func (c *container) watchOrphan(attempt, pid int, start uint64, living bool) {
	ctx := c.unit.engine.life
	if !living {
		// It ended while there was no agent. Node init knows how, unless it never saw it.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
	}
	status, err := c.unit.engine.keeper.WaitOrphan(ctx, pid, start)
	if c.unit.engine.life.Err() != nil {
		return
	}
	c.unit.post(func() { c.ended(attempt, status, err == nil) })
}

// startTime names the process of a pid for ever, 0 for one that is not there.
func startTime(pid int) uint64 {
	start, err := procstat.Start(pid)
	if err != nil {
		return 0
	}
	return start
}

// sweep clears away what no unit owns: runtime state, control groups and directories of objects whose record is lost.
func (e *Engine) sweep() {
	owned := map[string]bool{}
	for _, u := range e.units {
		owned[u.dir()] = true
		for _, c := range u.all() {
			owned[filepath.Join(e.runtimeDir(), c.lcID())] = true
			owned[c.cgroup()] = true
		}
		owned["/pods/"+u.object.Ref.Name] = owned["/pods/"+u.object.Ref.Name] || !u.object.plain()
	}
	e.sweepGroups(owned)
	for _, dir := range []string{e.runtimeDir(), filepath.Join(e.cfg.Disk, "pods"), filepath.Join(e.cfg.Disk, "containers")} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			e.cfg.Log.Error("sweep", "err", err)
		}
		for _, entry := range entries {
			path := filepath.Join(dir, entry.Name())
			if owned[path] {
				continue
			}
			e.cfg.Log.Warn("removing what no object owns", "path", path)
			if err := removeTree(path); err != nil {
				e.cfg.Log.Error("sweep", "err", err)
			}
		}
	}
}

// sweepGroups kills and removes the control groups of containers that no unit owns.
func (e *Engine) sweepGroups(owned map[string]bool) {
	for _, h := range hierarchies() {
		for _, pattern := range []string{"/pods/*/*", "/containers/*", "/pods/*"} {
			found, _ := filepath.Glob(h + pattern) // the pattern is well formed
			for _, dir := range found {
				path := strings.TrimPrefix(dir, h)
				info, err := os.Stat(dir)
				if err != nil || !info.IsDir() || owned[path] {
					continue
				}
				e.clearGroup(path)
			}
		}
	}
}

// clearGroup kills what is in a control group and removes it. The dead need a moment to be gone.
func (e *Engine) clearGroup(path string) {
	var err error
	for range 50 {
		killGroup(path)
		if err = removeGroup(path); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	e.cfg.Log.Error("control group not removed", "path", path, "err", err)
}
