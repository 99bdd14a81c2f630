package observe

import (
	"encoding/json"
	"hash/maphash"

	"podlab/sandbox"
)

// Steps within which a value that always moves counts as unchanged. Views show these values, but need not follow each step.
const (
	memoryStep  = 256 << 10 // bytes: memory of groups and processes, use of the disk
	cpuStep     = 250_000   // µs
	trafficStep = 1 << 10   // bytes
	packetStep  = 16
	inodeStep   = 16
)

// Equal says that no view would show a difference between two snapshots.
func Equal(a, b *sandbox.Snapshot) bool { return Fingerprint(a) == Fingerprint(b) }

// Fingerprint is equal, within one process, for two snapshots that no view shows differently. It leaves out Seq and Time, whether a
// process happens to run or sleep, and the small changes of counters.
func Fingerprint(s *sandbox.Snapshot) uint64 {
	var d digest
	d.hash.SetSeed(seed)
	d.text(s.Agent)
	d.node(&s.Node)
	each(&d, s.Pods, (*digest).pod)
	each(&d, s.Containers, (*digest).container)
	each(&d, s.Processes, (*digest).process)
	each(&d, s.Networks, (*digest).network)
	each(&d, s.Volumes, (*digest).volume)
	each(&d, s.IPC, func(d *digest, o *sandbox.IPCObject) {
		d.whole(o.NS)
		d.text(o.Kind)
		d.ints(int64(o.ID), o.Key, o.Bytes)
	})
	each(&d, s.Terminals, func(d *digest, t *sandbox.TerminalStatus) {
		d.text(t.ID, t.Target)
		d.ints(int64(t.PID), int64(t.Attached), int64(t.Size.Cols), int64(t.Size.Rows))
	})
	d.texts(s.Truncated)
	return d.hash.Sum64()
}

var seed = maphash.MakeSeed()

// digest adds values to a hash, each so that it cannot run into the next.
type digest struct{ hash maphash.Hash }

func each[T any](d *digest, all []T, add func(*digest, *T)) {
	d.ints(int64(len(all)))
	for i := range all {
		add(d, &all[i])
	}
}

func (d *digest) whole(n uint64) { maphash.WriteComparable(&d.hash, n) }

func (d *digest) ints(all ...int64) {
	for _, n := range all {
		d.whole(uint64(n))
	}
}

func (d *digest) text(all ...string) {
	for _, s := range all {
		d.whole(uint64(len(s)))
		_, _ = d.hash.WriteString(s) // never fails
	}
}

func (d *digest) texts(all []string) {
	d.ints(int64(len(all)))
	d.text(all...)
}

func (d *digest) flags(all ...bool) {
	for _, b := range all {
		maphash.WriteComparable(&d.hash, b)
	}
}

func (d *digest) namespaces(ns *sandbox.Namespaces) { maphash.WriteComparable(&d.hash, *ns) }

func (d *digest) node(n *sandbox.NodeView) {
	d.text(n.Hostname, n.Kernel)
	d.namespaces(&n.NS)
	d.ints(int64(n.InitPID), int64(n.AgentPID))
	d.group(&n.Usage)
	d.ints(n.Disk.Total, n.Disk.Used/memoryStep, n.Disk.Inodes, n.Disk.InodesUsed/inodeStep)
}

func (d *digest) group(g *sandbox.Cgroup) {
	d.ints(g.Memory/memoryStep, g.MemoryLimit, g.PIDs, g.PIDsLimit, g.CPU/cpuStep, g.CPULimit, g.Throttled, g.ThrottledTime/cpuStep, g.OOMKills)
}

// pod adds all of a pod, as JSON: it is deep, and has maps, whose keys JSON sorts.
func (d *digest) pod(p *sandbox.Pod) {
	if err := json.NewEncoder(&d.hash).Encode(p); err != nil {
		panic(err) // a Pod holds nothing that JSON cannot
	}
}

func (d *digest) container(c *sandbox.Container) {
	d.text(c.ID, c.Name, c.Pod, c.Kind, c.Role, c.Image, c.State, c.Reason)
	d.flags(c.Stdin, c.TTY)
	d.ints(int64(c.ExitCode), int64(c.Signal), int64(c.Restarts), int64(c.PID), c.Started)
	d.namespaces(&c.NS)
	d.group(&c.Usage)
	each(d, c.Layers, func(d *digest, l *sandbox.Layer) {
		d.text(l.Digest, l.Path)
		d.ints(l.Bytes)
		d.flags(l.Writable)
		d.text(l.CreatedBy)
		d.texts(l.Images)
		each(d, l.Changes, func(d *digest, c *sandbox.Change) {
			d.text(c.Path, c.Kind)
			d.flags(c.Dir)
			d.ints(c.Bytes)
		})
	})
	each(d, c.Mounts, func(d *digest, m *sandbox.Mount) {
		d.text(m.Volume, m.Source, m.Path)
		d.flags(m.ReadOnly)
		d.whole(m.Dev)
		d.whole(m.Inode)
	})
}

func (d *digest) process(p *sandbox.Process) {
	d.ints(int64(p.PID), int64(p.PPID), int64(p.Inside), p.Start, int64(p.UID), p.RSS/memoryStep)
	d.text(p.Name, stateClass(p.State), p.Container, p.Role)
	d.texts(p.Args)
	d.namespaces(&p.NS)
	each(d, p.Threads, func(d *digest, t *sandbox.Thread) {
		d.ints(int64(t.TID), int64(t.Inside))
		d.text(t.Name, stateClass(t.State))
	})
}

// stateClass makes one of the states between which a process goes back and forth by itself: running, sleeping, waiting for a
// device, idle.
func stateClass(state string) string {
	switch state {
	case "R", "S", "D", "I":
		return "S"
	}
	return state
}

func (d *digest) network(n *sandbox.Network) {
	d.whole(n.Inode)
	d.text(n.Owner)
	each(d, n.Interfaces, func(d *digest, i *sandbox.Interface) {
		d.text(i.Name, i.Kind, i.Master, i.MAC)
		d.ints(int64(i.Index), int64(i.Peer), int64(i.MTU), i.RXBytes/trafficStep, i.TXBytes/trafficStep,
			i.RXPackets/packetStep, i.TXPackets/packetStep)
		d.texts(i.Addrs)
		d.flags(i.Up)
	})
	each(d, n.Routes, func(d *digest, r *sandbox.Route) { d.text(r.Dst, r.Gateway, r.Dev) })
	each(d, n.Sockets, func(d *digest, s *sandbox.Socket) {
		d.text(s.Proto, s.Type, s.Local, s.Remote, s.State, s.Container)
		d.whole(s.Inode)
		d.whole(s.Peer)
		d.ints(s.RXBytes/trafficStep, s.TXBytes/trafficStep, s.RXPackets/packetStep, s.TXPackets/packetStep)
		each(d, s.PIDs, func(d *digest, pid *int) { d.ints(int64(*pid)) })
	})
}

func (d *digest) volume(v *sandbox.Volume) {
	d.text(v.Pod, v.Name, v.Kind, v.Path)
	d.whole(v.Dev)
	d.whole(v.Inode)
	d.ints(v.Bytes)
	each(d, v.Files, func(d *digest, f *sandbox.File) {
		d.text(f.Path)
		d.flags(f.Dir)
		d.ints(f.Size, f.MTime)
		d.whole(f.Inode)
	})
}
