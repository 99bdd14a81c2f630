package observe

import (
	"bytes"

	"podlab/sandbox"
)

// readNamespaces reads /proc/PID/ns/*. What cannot be read is 0: of a zombie only pid and user are left.
func (r *reader) namespaces(process dir) (ns sandbox.Namespaces) {
	for _, n := range []struct {
		file string
		into *uint64
	}{
		{"ns/net", &ns.Net}, {"ns/ipc", &ns.IPC}, {"ns/uts", &ns.UTS}, {"ns/pid", &ns.PID},
		{"ns/mnt", &ns.Mnt}, {"ns/user", &ns.User}, {"ns/cgroup", &ns.Cgroup},
	} {
		if target, err := r.link(process, n.file); err == nil {
			*n.into = parseInode(target)
		}
	}
	return ns
}

// parseInode takes the inode out of a link such as "net:[4026531840]" or "socket:[1234]", 0 when it is none.
func parseInode(target []byte) uint64 {
	_, rest, ok := bytes.Cut(target, []byte(":["))
	inode, ok2 := bytes.CutSuffix(rest, []byte{']'})
	if !ok || !ok2 {
		return 0
	}
	return number(inode)
}
