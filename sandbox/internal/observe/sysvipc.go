package observe

import (
	"bytes"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// ipcFiles are the files of /proc/sysvipc (proc_sysvipc(5)), which show the IPC namespace of the thread that opens them, with the
// columns of id and of size in bytes.
var ipcFiles = []struct {
	kind     string
	id, size int
	info     ipcInfo
}{
	{"shm", 1, 3, ipcInfo{unix.SYS_SHMCTL, 14, 0}},  // key shmid perms size …; struct shm_info: used_ids
	{"msg", 1, 3, ipcInfo{unix.SYS_MSGCTL, 12, 0}},  // key msqid perms cbytes …; struct msginfo: msgpool
	{"sem", 1, -1, ipcInfo{unix.SYS_SEMCTL, 19, 7}}, // struct seminfo: semusz
}

// ipcVisits goes to every IPC namespace that a process is in and adds what is there to all.
func (o *Observer) ipcVisits(s *scan, all *[]sandbox.IPCObject) (visits []visit) {
	seen := map[uint64]bool{0: true} // 0 could not be read
	for _, p := range s.all {
		inode := p.NS.IPC
		if seen[inode] {
			continue
		}
		if len(visits) == maxIPCSpaces {
			s.truncate("ipc")
			break
		}
		seen[inode] = true
		visits = append(visits, visit{p.PID, "ipc", inode, func() { *all = append(*all, o.insideIPC(inode)...) }})
	}
	return visits
}

// insideIPC runs in the namespace.
func (o *Observer) insideIPC(inode uint64) []sandbox.IPCObject {
	var all []sandbox.IPCObject
	for _, f := range ipcFiles {
		if !anyIPC(f.info) {
			continue
		}
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

// ipcInfo asks how many objects of a kind there are: the call with the command SHM_INFO, MSG_INFO or SEM_INFO, which fills a struct
// of integers, and which of them is the number (shmctl(2), msgctl(2), semctl(2)). It costs a fiftieth of reading the file.
type ipcInfo struct {
	call, command uintptr
	count         int
}

// anyIPC says whether there are any; in doubt there are.
func anyIPC(q ipcInfo) bool {
	var info [32]int32
	var errno syscall.Errno
	if q.call == unix.SYS_SEMCTL {
		_, _, errno = unix.Syscall6(q.call, 0, 0, q.command, uintptr(unsafe.Pointer(&info)), 0, 0)
	} else {
		_, _, errno = unix.Syscall(q.call, 0, q.command, uintptr(unsafe.Pointer(&info)))
	}
	return errno != 0 || info[q.count] != 0
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
