package walls

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tables are the kernel's that a learner may try to fill, each by one more entry.
var tables = map[string]func(i int) error{
	"files":     func(int) error { _, err := unix.Open("/dev/null", unix.O_RDONLY, 0); return err },
	"inotify":   func(int) error { _, err := unix.InotifyInit1(0); return err },
	"epoll":     func(int) error { _, err := unix.EpollCreate1(0); return err },
	"terminals": moreTerminals,
	"aio": func(int) error {
		var ctx uintptr
		_, _, e := unix.Syscall(unix.SYS_IO_SETUP, 1024, uintptr(unsafe.Pointer(&ctx)), 0)
		return wrap(e)
	},
	"shm": func(i int) error { _, err := unix.SysvShmGet(0, 4096, 0o600|unix.IPC_CREAT); return err },
	"msg": func(int) error { _, _, e := unix.Syscall(unix.SYS_MSGGET, 0, 0o600|unix.IPC_CREAT, 0); return wrap(e) },
	"sem": func(int) error { _, _, e := unix.Syscall(unix.SYS_SEMGET, 0, 1, 0o600|unix.IPC_CREAT); return wrap(e) },
	"mq":  moreQueues,
	"keys": func(i int) error {
		_, err := unix.AddKey("user", fmt.Sprint("k", i), []byte("x"), unix.KEY_SPEC_PROCESS_KEYRING)
		return err
	},
	"filters": moreFilters,
	"netns":   func(int) error { return unix.Unshare(unix.CLONE_NEWNET) },
	"mounts":  moreMounts,
	"timers": func(int) error {
		var id int32
		_, _, e := unix.Syscall(unix.SYS_TIMER_CREATE, unix.CLOCK_MONOTONIC, 0, uintptr(unsafe.Pointer(&id)))
		return wrap(e)
	},
	"memory": moreMemory,
	"locks":  moreLocks,

	"strangers": moreStrangers, "neighbours": moreNeighbours, "buffers": moreBuffers, "seccomp": moreSeccomp,
}

// hold fills a table with at most so many entries, says how many it got, and keeps them until it is ended.
func hold(args []string) {
	more, most := tables[args[0]], number(args[1])
	limit := unix.Rlimit{}
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	limit.Cur = limit.Max
	_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	n, err := 0, error(nil)
	for n < most {
		if err = more(n); err != nil {
			break
		}
		n++
	}
	fmt.Println(n, err)
	if len(args) > 2 {
		return
	}
	time.Sleep(time.Hour)
}

func moreTerminals(i int) error {
	if i == 0 {
		_ = os.MkdirAll("/tmp/pts", 0o755)
	}
	if i%200 == 0 { // each of these file systems has its own numbers
		_ = unix.Mount("devpts", "/tmp/pts", "devpts", 0, "newinstance,ptmxmode=0666")
	}
	_, err := unix.Open("/tmp/pts/ptmx", unix.O_RDWR|unix.O_NOCTTY, 0)
	if errors.Is(err, unix.ENOENT) {
		_, err = unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY, 0)
	}
	return err
}

func moreMounts(int) error {
	const dir = "/tmp/mounts"
	_ = os.MkdirAll(dir, 0o755)
	return unix.Mount("none", dir, "tmpfs", 0, "size=4k")
}

func moreQueues(i int) error {
	name, err := unix.BytePtrFromString(fmt.Sprint("q", i))
	if err != nil {
		return err
	}
	_, _, e := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(name)), unix.O_CREAT|unix.O_RDWR, 0o600, 0, 0, 0)
	return wrap(e)
}

// moreFilters attaches the longest classic BPF program to a socket: the kernel translates it into machine code, of which all have so much.
func moreFilters(int) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	program := make([]unix.SockFilter, 4096)
	for i := range program {
		program[i] = unix.SockFilter{Code: unix.BPF_LD | unix.BPF_IMM, K: uint32(i)}
	}
	program[len(program)-1] = unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 1}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 4096, Filter: &program[0]})
}

func moreLocks(i int) error {
	fd, err := unix.Open("/tmp/lock", unix.O_CREAT|unix.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return unix.FcntlFlock(uintptr(fd), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: int64(2 * i), Len: 1})
}

// moreMemory takes 16 MiB and writes to each page of it.
func moreMemory(int) error {
	piece, err := unix.Mmap(-1, 0, 16<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	for i := 0; i < len(piece); i += 4096 { // a page at a time: filling by the kernel itself stops at the limit, and nobody is killed
		piece[i] = 1
	}
	return err
}
