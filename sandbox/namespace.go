package sandbox

// Namespaces holds the inode of every namespace a process is in, as read from /proc/PID/ns/* (namespaces(7)).
// An equal inode means the same namespace; 0 means it could not be read.
type Namespaces struct {
	Net    uint64 `json:"net"`
	IPC    uint64 `json:"ipc"`
	UTS    uint64 `json:"uts"`
	PID    uint64 `json:"pid"`
	Mnt    uint64 `json:"mnt"`
	User   uint64 `json:"user"`
	Cgroup uint64 `json:"cgroup"`
}
