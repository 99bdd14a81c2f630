package observe

import "strconv"

// heldSocket is an open descriptor of a process that is a socket.
type heldSocket struct {
	fd    int
	inode uint64
}

// sockets reads /proc/PID/fd into what is known of the process.
func (o *Observer) sockets(in dir, p *process) {
	p.sockets, p.moreFDs = nil, false
	d, err := openDir(in, "fd")
	if err != nil {
		return
	}
	defer d.close()
	fds, more, _ := o.r.numbers(d, maxFDs)
	p.moreFDs = more
	for _, fd := range fds {
		target, err := o.r.link(d, strconv.Itoa(fd))
		if err != nil || len(target) < 8 || string(target[:8]) != "socket:[" {
			continue
		}
		p.sockets = append(p.sockets, heldSocket{fd, parseInode(target)})
	}
}
