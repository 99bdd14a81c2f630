// Package boot starts a node's init by libcontainer. That takes two stages: this very program again (Stage), which waits and then becomes
// node init, so that everything is in place before a program of the node's runs.
//
// Only the first stage sees the descriptor of the node's filter of system calls: it holds from there on, and libcontainer's own work passes it.
package boot

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"time"

	_ "github.com/opencontainers/cgroups/devices" // device rules of control groups
	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/configs"
	_ "github.com/opencontainers/runc/libcontainer/nsenter" // the C half of libcontainer's init
	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/filter"
	"podlab/sandbox/internal/rootfs"
	"podlab/sandbox/wire"
)

const (
	filterFD   = 4 // of the first stage; 3 is the listening socket
	answerTime = 10 * time.Second
	maxAnswer  = 16 << 10 // bytes of the agent's first, which nobody looks at
)

// Stage is the first stage, if that is what this process was started as; else it returns. The program's init calls it, on the main thread.
func Stage() {
	if len(os.Args) != 2 || os.Args[1] != "init" {
		return
	}
	runtime.GOMAXPROCS(1)
	// A session keyring of its own, without a name, instead of the daemon's; a kernel without keys has none to share.
	if _, _, errno := unix.Syscall(unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0); errno != 0 && errno != unix.ENOSYS {
		fail("session keyring", errno)
	}
	if err := filter.LoadFile(filterFD); err != nil {
		fail("filter", err)
	}
	libcontainer.Init() // does not return
}

func fail(what string, err error) {
	fmt.Fprintln(os.Stderr, "node init:", what, err) // the node's log
	os.Exit(1)
}

// Init is node init, still in its first stage.
type Init struct {
	Container *libcontainer.Container
	Process   *libcontainer.Process
	PID       int
}

// Files are what node init is given: they stay the caller's.
type Files struct {
	Log      *os.File // its standard output and error
	Listener *os.File // the agent's socket
	Filter   *os.File // of system calls, compiled
}

// Start starts the first stage. states is libcontainer's directory, place the node's name in it, env what its agent is to know.
func Start(states, place string, env []string, config *configs.Config, files Files) (*Init, error) {
	container, err := libcontainer.Create(states, place, config)
	if err != nil {
		return nil, err
	}
	process := &libcontainer.Process{
		Args: []string{rootfs.Programs + "/podlab-node", "node"},
		Env: append([]string{"PATH=/opt/podlab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "container=podlab"},
			env...),
		Cwd:        "/",
		Init:       true,
		Stdout:     files.Log,
		Stderr:     files.Log,
		ExtraFiles: []*os.File{files.Listener, files.Filter},
	}
	if err := container.Start(process); err != nil {
		return nil, err
	}
	i := &Init{Container: container, Process: process}
	if i.PID, err = process.Pid(); err != nil {
		i.Kill()
		return nil, err
	}
	return i, nil
}

// Kill ends it, in whichever stage, and reaps it.
func (i *Init) Kill() {
	_ = i.Process.Signal(os.Kill)
	_, _ = i.Process.Wait()
}

// Run lets it become node init.
func (i *Init) Run() error { return i.Container.Exec() }

// Await asks the agent behind a socket something, whatever: an answer, any answer, says that it is there. What it says is not looked at.
func Await(socket string) error {
	deadline := time.Now().Add(answerTime)
	conn, err := net.DialTimeout("unix", socket, answerTime)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	if err := wire.WriteJSON(conn, wire.JSON, wire.Request{Verb: "ping"}); err != nil {
		return err
	}
	if _, _, err = wire.Read(conn, maxAnswer); err != nil {
		return fmt.Errorf("the agent does not answer: %w", err)
	}
	return nil
}
