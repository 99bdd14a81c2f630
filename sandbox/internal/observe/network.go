package observe

import (
	"maps"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// space is one network namespace while a snapshot is made.
type space struct {
	inode   uint64
	pid     int // a process in it
	owner   string
	links   []link
	routes  []route
	sockets []sandbox.Socket
	unix    map[uint64]uint64 // connected ones, by inode: the other end's
}

// inside reads what can only be read from within a namespace: networks and System V objects, on one journey.
func (o *Observer) inside(s *scan) ([]sandbox.Network, []sandbox.IPCObject) {
	spaces, objects := s.spaces(), []sandbox.IPCObject{}
	visits := o.ipcVisits(s, &objects)
	for _, sp := range spaces {
		visits = append(visits, visit{sp.pid, "net", sp.inode, func() { o.insideNetwork(sp) }})
	}
	o.travel(visits)
	return o.networks(s, spaces), cut(s, "ipc", objects, maxIPCObjects)
}

// networks finishes what was begun inside.
func (o *Observer) networks(s *scan, spaces []*space) []sandbox.Network {
	for _, sp := range spaces {
		o.namedSockets(s, sp)
	}
	joinUnix(spaces)
	o.own(s, spaces)
	all := make([]sandbox.Network, 0, len(spaces))
	for _, sp := range spaces {
		all = append(all, sp.network(s))
	}
	return all
}

// spaces lists the namespaces: the node's own first, then by pid of the first process in each. A container's first process knows
// best whose the namespace is.
func (s *scan) spaces() []*space {
	var all []*space
	found := map[uint64]*space{}
	add := func(inode uint64, pid int, owner string) {
		if inode == 0 || found[inode] != nil {
			return
		}
		if len(all) == maxNetworks {
			s.truncate("networks")
			return
		}
		sp := &space{inode: inode, pid: pid, owner: owner}
		found[inode] = sp
		all = append(all, sp)
	}
	if init, ok := byPID(s.all, s.in.InitPID); ok {
		add(init.NS.Net, init.PID, "")
	}
	for _, c := range s.in.Containers {
		if p, ok := byPID(s.all, c.PID); ok {
			add(p.NS.Net, p.PID, ownerOf(c.Container))
		}
	}
	for _, p := range s.all {
		add(p.NS.Net, p.PID, s.owners[p.Container])
	}
	return all
}

// ownerOf is the name that a container gives to the namespaces made for it.
func ownerOf(c sandbox.Container) string {
	if c.Pod != "" {
		return c.Pod
	}
	return c.ID
}

// insideNetwork runs in the namespace: what only netlink tells.
func (o *Observer) insideNetwork(sp *space) {
	n, err := openNetlink(unix.NETLINK_ROUTE)
	if err != nil {
		return
	}
	defer n.close()
	// An answer that breaks off leaves what came until then.
	_ = n.dump(o.r.buf, unix.RTM_GETLINK, make([]byte, unix.SizeofIfInfomsg), func(b []byte) {
		if l, err := parseLink(b); err == nil {
			sp.links = append(sp.links, l)
		}
	})
	_ = n.dump(o.r.buf, unix.RTM_GETADDR, make([]byte, unix.SizeofIfAddrmsg), func(b []byte) { sp.addAddress(b) })
	_ = n.dump(o.r.buf, unix.RTM_GETROUTE, make([]byte, unix.SizeofRtMsg), func(b []byte) {
		if r, ok := parseRoute(b); ok {
			sp.routes = append(sp.routes, r)
		}
	})
	o.listening(sp)
}

func (sp *space) addAddress(b []byte) {
	index, cidr, err := parseAddr(b)
	if err != nil {
		return
	}
	for i := range sp.links {
		if l := &sp.links[i]; l.Index == index && len(l.Addrs) < maxAddresses {
			l.Addrs = append(l.Addrs, cidr)
		}
	}
}

func (o *Observer) listening(sp *space) {
	n, err := openNetlink(unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return
	}
	defer n.close()
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		_ = n.dump(o.r.buf, sockDiagByName, listenRequest(family), func(b []byte) {
			if sock, err := parseDiag(b); err == nil && len(sp.sockets) <= maxSockets {
				sp.sockets = append(sp.sockets, sock)
			}
		})
	}
	sp.unix = map[uint64]uint64{}
	_ = n.dump(o.r.buf, sockDiagByName, unixRequest(), func(b []byte) {
		if inode, peer, ok := parseUnixDiag(b); ok && len(sp.unix) < maxSockets {
			sp.unix[inode] = peer
		}
	})
}

// namedSockets reads the other kinds, which files tell at little cost.
func (o *Observer) namedSockets(s *scan, sp *space) {
	d, err := openDir(noDir, o.Proc+"/"+strconv.Itoa(sp.pid))
	if err != nil {
		return
	}
	defer d.close()
	more := false
	for _, proto := range []string{"udp", "udp6"} {
		if b, err := o.r.file(d, "net/"+proto); err == nil {
			socks, m := parseUDP(b, proto, maxSockets)
			sp.sockets, more = append(sp.sockets, socks...), more || m
		}
	}
	if b, err := o.r.file(d, "net/unix"); err == nil {
		socks, m := parseUnix(b, maxSockets)
		sp.sockets, more = append(sp.sockets, socks...), more || m
	}
	if more {
		s.truncate("sockets")
	}
}

// own finds the holders of all sockets, and with them the established TCP connections.
func (o *Observer) own(s *scan, spaces []*space) {
	at := map[uint64]*sandbox.Socket{}
	for _, sp := range spaces {
		for i := range sp.sockets {
			at[sp.sockets[i].Inode] = &sp.sockets[i]
		}
	}
	o.lookAgain(s, at)
	others := map[uint64]holder{}
	for _, p := range s.all {
		if p.known.moreFDs {
			s.truncate("sockets")
		}
		for _, held := range p.known.sockets {
			if sock := at[held.inode]; sock != nil {
				hold(sock, p)
				continue
			}
			h := others[held.inode]
			h.by = append(h.by, p)
			if len(h.by) == 1 {
				h.socket = held
			}
			others[held.inode] = h
		}
	}
	o.connections(s, spaces, others)
}

// holder is who holds a socket that no table named.
type holder struct {
	socket heldSocket // as the first of them holds it
	by     []running
}

func hold(sock *sandbox.Socket, p running) {
	if len(sock.PIDs) < maxSocketPIDs && !slices.Contains(sock.PIDs, p.PID) {
		sock.PIDs = append(sock.PIDs, p.PID)
	}
	if sock.Container == "" {
		sock.Container = p.Container
	}
}

// lookAgain reads the descriptors of all processes anew when a socket is new and no process is known to hold it.
func (o *Observer) lookAgain(s *scan, at map[uint64]*sandbox.Socket) {
	held := map[uint64]bool{}
	for _, p := range s.all {
		for _, h := range p.known.sockets {
			held[h.inode] = true
		}
	}
	orphans := map[uint64]bool{} // held by nobody that can be seen, by the kernel for instance: not to be looked for each time
	again := false
	for inode := range at {
		if !held[inode] {
			orphans[inode] = true
			again = again || !o.orphans[inode]
		}
	}
	o.orphans = orphans
	if !again {
		return
	}
	for _, p := range s.all {
		if d, err := openDir(noDir, o.Proc+"/"+strconv.Itoa(p.PID)); err == nil {
			o.sockets(d, p.known)
			d.close()
		}
	}
}

// connections asks the sockets that no table named. What is no TCP connection is remembered, so that it is asked once.
func (o *Observer) connections(s *scan, spaces []*space, others map[uint64]holder) {
	maps.DeleteFunc(o.uninteresting, func(inode uint64, _ bool) bool { _, there := others[inode]; return !there })
	for _, inode := range slices.Sorted(maps.Keys(others)) {
		h := others[inode]
		first := h.by[0]
		i := slices.IndexFunc(spaces, func(sp *space) bool { return sp.inode == first.NS.Net })
		if i < 0 || o.uninteresting[inode] {
			continue
		}
		if len(spaces[i].sockets) >= maxSockets {
			s.truncate("sockets")
			continue
		}
		sock, ok := connection(first.PID, h.socket)
		if !ok {
			o.uninteresting[inode] = true
			continue
		}
		for _, p := range h.by {
			hold(&sock, p)
		}
		spaces[i].sockets = append(spaces[i].sockets, sock)
	}
}

// network makes what goes into the snapshot.
func (sp *space) network(s *scan) sandbox.Network {
	n := sandbox.Network{Inode: sp.inode, Owner: sp.owner, Interfaces: []sandbox.Interface{}, Routes: []sandbox.Route{}, Sockets: []sandbox.Socket{}}
	names := map[int]string{}
	for _, l := range sp.links {
		names[l.Index] = l.Name
	}
	for _, l := range cut(s, "interfaces", sp.links, maxInterfaces) {
		l.Master = names[l.master]
		n.Interfaces = append(n.Interfaces, l.Interface)
	}
	for _, r := range cut(s, "routes", sp.routes, maxRoutes) {
		n.Routes = append(n.Routes, sandbox.Route{Dst: r.dst, Gateway: r.gateway, Dev: names[r.index]})
	}
	for _, sock := range cut(s, "sockets", sp.sockets, maxSockets-s.sockets) {
		if sock.PIDs == nil {
			sock.PIDs = []int{}
		}
		n.Sockets = append(n.Sockets, sock)
	}
	s.sockets += len(n.Sockets)
	return n
}
