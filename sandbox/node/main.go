// Each part says how many processors it uses; the runtime would look into its control group first, each time a container starts.
//go:debug containermaxprocs=0

// Command podlab-node is what runs inside a learner's node. Its first argument says as what: see ARCHITECTURE.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"unsafe"

	"github.com/opencontainers/runc/libcontainer"
	_ "github.com/opencontainers/runc/libcontainer/nsenter" // its C constructor joins namespaces before Go starts
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"podlab/sandbox/node/agent"
	"podlab/sandbox/node/keep"
	"podlab/sandbox/node/pid1"
	"podlab/sandbox/node/quietlog"
	"podlab/sandbox/node/shell"
)

func init() {
	// libcontainer's first stage must stay on the main thread; and nothing of the agent may run there, where a thread that
	// libcontainer sent into a container's namespaces would be the whole program's.
	runtime.LockOSThread()
	if len(os.Args) > 1 && os.Args[1] == "init" {
		debug.SetGCPercent(-1) // it lives for some 10 ms: a collection costs more than the 3 MB it would free
		asUsual()
		libcontainer.Init() // does not return
	}
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "podlab-node: it is started by Podlab's daemon, not by hand")
		os.Exit(2)
	}
	switch os.Args[1] {
	case "shell":
		asUsual() // the agent lives otherwise
		os.Exit(shell.Main(os.Args[2:]))
	case "node":
		rename("podlab-init")
		apart("node", func() error {
			return pid1.Run(pid1.Config{Binary: os.Args[0], Listener: listener(), Log: quietlog.New("node")})
		})
	case "agent":
		rename("podlab-agent")
		logrus.SetOutput(quietlog.Writer{FD: 2})
		apart("agent", runAgent)
	default:
		fmt.Fprintln(os.Stderr, "podlab-node: unknown part", strconv.Quote(os.Args[1]))
		os.Exit(2)
	}
}

// rename sets the name that ps shows (PR_SET_NAME): this is the main thread, whose name is the process's.
func rename(name string) {
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&append([]byte(name), 0)[0])), 0, 0, 0) // only looks
}

// apart runs a part outside the main thread.
func apart(name string, run func() error) {
	ended := make(chan error)
	go func() { ended <- run() }()
	err := <-ended
	if errors.Is(err, agent.ErrRests) {
		os.Exit(pid1.StatusRests)
	}
	quietlog.New(name).Error("ended", "err", err)
	os.Exit(1)
}

// listener is the node's socket if the daemon gave one.
func listener() int {
	if kind, err := unix.GetsockoptInt(pid1.ListenerFD, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_STREAM {
		return -1
	}
	unix.CloseOnExec(pid1.ListenerFD)
	return pid1.ListenerFD
}

func runAgent() error {
	conn, err := keep.Conn(pid1.AgentKeepFD)
	if err != nil {
		return err
	}
	life, _ := strconv.Atoi(os.Getenv("PODLAB_LIFE")) // 0 is as good as 1
	cfg := agent.Config{Binary: os.Args[0], Keep: keep.NewClient(conn), Life: life, Ahead: os.Getenv("PODLAB_AHEAD") != "", Log: quietlog.New("agent")}
	if file := os.NewFile(pid1.AgentListenerFD, "node socket"); file != nil {
		l, err := net.FileListener(file)
		_ = file.Close()
		if err == nil {
			cfg.Listener = l
		}
	}
	return agent.Run(context.Background(), cfg)
}
