package observe

import (
	"bytes"
	"slices"

	"podlab/sandbox"
)

// ipcFiles are the files of /proc/sysvipc (proc_sysvipc(5)), which show the IPC namespace of the thread that opens them, with the
// columns of id and of size in bytes.
var ipcFiles = []struct {
	kind     string
	id, size int
}{
	{"shm", 1, 3}, // key shmid perms size …
	{"msg", 1, 3}, // key msqid perms cbytes …
	{"sem", 1, -1},
}

// ipc reads the System V objects of every IPC namespace that a process is in.
func (o *Observer) ipc(s *scan) []sandbox.IPCObject {
	all := []sandbox.IPCObject{}
	var visits []visit
	var seen []uint64
	for _, p := range s.all {
		inode := p.NS.IPC
		if inode == 0 || slices.Contains(seen, inode) {
			continue
		}
		if len(seen) == maxIPCSpaces {
			s.truncate("ipc")
			break
		}
		seen = append(seen, inode)
		visits = append(visits, visit{p.PID, "ipc", inode, func() { all = append(all, o.insideIPC(inode)...) }})
	}
	o.travel(visits)
	return cut(s, "ipc", all, maxIPCObjects)
}

// insideIPC runs in the namespace.
func (o *Observer) insideIPC(inode uint64) []sandbox.IPCObject {
	var all []sandbox.IPCObject
	for _, f := range ipcFiles {
		b, err := o.r.file(noDir, o.Proc+"/sysvipc/"+f.kind)
		if err != nil {
			continue
		}
		for _, object := range parseSysvIPC(b, f.id, f.size) {
			object.NS, object.Kind = inode, f.kind
			all = append(all, object)
		}
	}
	return all
}

// parseSysvIPC reads one of the files: a line of titles, then one for each object.
func parseSysvIPC(b []byte, id, size int) []sandbox.IPCObject {
	var all []sandbox.IPCObject
	for line := range bytes.Lines(b) {
		words := bytes.Fields(line)
		if len(words) < 8 || string(words[0]) == "key" || len(all) > maxIPCObjects {
			continue
		}
		object := sandbox.IPCObject{Key: signed(words[0]), ID: int(number(words[id]))}
		if size >= 0 {
			object.Bytes = int64(number(words[size]))
		}
		all = append(all, object)
	}
	return all
}
