package observe

import "strconv"

// heldSocket is an open descriptor of a process that is a socket.
type heldSocket struct {
	fd    int
	inode uint64
}

// sockets reads /proc/PID/fd.
func (o *Observer) sockets(process dir) []heldSocket {
	d, err := openDir(process, "fd")
	if err != nil {
		return nil
	}
	defer d.close()
	fds, _, _ := o.r.numbers(d, maxFDs)
	var held []heldSocket
	for _, fd := range fds {
		target, err := o.r.link(d, strconv.Itoa(fd))
		if err != nil || len(target) < 8 || string(target[:8]) != "socket:[" {
			continue
		}
		held = append(held, heldSocket{fd, parseInode(target)})
	}
	return held
}
