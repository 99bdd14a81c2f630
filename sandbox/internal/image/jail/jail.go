// Package jail runs what reads strangers' archives, and what talks to registries, in a process that can do nothing else: in a user
// namespace of its own, as no user of the host, with one directory as its whole file system, without a network unless it needs one,
// and with three capabilities over that directory's files.
//
// The directory is reached through an idmapped mount (mount_setattr(2)): the process is uid 0x0fff0000 and up on the host, while the
// files that it makes belong to 0 to 65,535, as the image says. The mount has no name anywhere: it goes with the process.
//
//	parent                                child
//	  start in new namespaces ──────────►   waits at descriptor 3
//	  make the idmapped mount
//	  send it over descriptor 3 ────────►   chroot into it; drop capabilities; no_new_privs; execute itself again
//	  ◄──────────────── result on 1 ──      run the task
//
// A program that uses Run calls Main first of all. The program must be linked statically: in the jail there is no loader.
package jail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The child's argv[0] while it locks itself up and when it is.
const (
	nameOutside = "podlab-jail"
	nameInside  = "podlab-jailed"
)

// Ids of the process on the host: the 65,536 below the first that a node can have (sandboxd: firstBase).
const (
	firstID = 0x0fff_0000
	ids     = 65536
)

// Limits of what a task says.
const (
	maxResult = 1 << 20
	maxStderr = 4 << 10
)

// A Task is what runs in the jail: its directory is /. args is as Run got it; what it returns is sent as JSON.
type Task func(ctx context.Context, args json.RawMessage) (any, error)

// Job is one run of a task.
type Job struct {
	Task    string
	Args    any
	Dir     string   // the task's /
	Stdin   *os.File // its descriptor 0; nil for none
	Network bool     // leave it in the host's network
}

// Run runs a task of Main's in the jail and waits for it. Nothing of it runs when Run returns.
func Run(ctx context.Context, job Job, result any) error {
	if os.Geteuid() != 0 {
		return errors.New("it takes root to lock a process up: use sudo")
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return err
	}
	defer ours.Close()
	defer theirs.Close()
	args, err := json.Marshal(job.Args)
	if err != nil {
		return err
	}
	var stdout, stderr bounded
	stdout.left, stderr.left = maxResult, maxStderr
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = []string{nameOutside, job.Task, string(args)}
	cmd.Env = []string{"GOMEMLIMIT=512MiB"}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = job.Stdin, &stdout, &stderr
	if job.Stdin == nil {
		cmd.Stdin = nil
	}
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = attributes(job.Network)
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("jail: %w", err)
	}
	theirs.Close()
	if err := handOver(ours, cmd.Process.Pid, job.Dir); err != nil {
		_ = cmd.Process.Kill()
		return errors.Join(fmt.Errorf("jail: %w", err), cmd.Wait())
	}
	err = cmd.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		if text := strings.TrimSpace(stderr.said.String()); text != "" {
			return errors.New(text)
		}
		return fmt.Errorf("jail: %w", err)
	}
	return json.Unmarshal(stdout.said.Bytes(), result)
}

func attributes(network bool) *syscall.SysProcAttr {
	all := []syscall.SysProcIDMap{{ContainerID: 0, HostID: firstID, Size: ids}}
	attr := &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		UidMappings: all, GidMappings: all, GidMappingsEnableSetgroups: true,
		Credential: &syscall.Credential{Uid: 0, Gid: 0},
		Pdeathsig:  syscall.SIGKILL,
		Setsid:     true,
	}
	if !network {
		attr.Cloneflags |= unix.CLONE_NEWNET
	}
	return attr
}

func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "jail"), os.NewFile(uintptr(fds[1]), "jail"), nil
}

// handOver makes the mount for the child's ids and sends it.
func handOver(to *os.File, pid int, dir string) error {
	users, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", pid))
	if err != nil {
		return err
	}
	defer users.Close()
	tree, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return &os.PathError{Op: "open_tree", Path: dir, Err: err}
	}
	defer unix.Close(tree)
	attr := &unix.MountAttr{
		Attr_set:    unix.MOUNT_ATTR_IDMAP | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC,
		Userns_fd:   uint64(users.Fd()),
		Propagation: unix.MS_PRIVATE,
	}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, attr); err != nil {
		return &os.PathError{Op: "mount_setattr", Path: dir, Err: err}
	}
	conn, err := net.FileConn(to)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, _, err = conn.(*net.UnixConn).WriteMsgUnix([]byte{0}, unix.UnixRights(tree), nil)
	return err
}

// bounded keeps the first bytes of what a task says; what is more ends the task.
type bounded struct {
	said bytes.Buffer // not embedded: its ReadFrom would pass Write by
	left int
}

var _ io.Writer = (*bounded)(nil)

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errors.New("the task says too much")
	}
	return b.said.Write(p)
}
