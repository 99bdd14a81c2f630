// Package pid1 is node init: PID 1 of a learner's node. It is small, because nothing may ever end it: its end is the node's.
//
// It reaps every orphan and remembers how it ended, keeps the descriptors that must outlive the agent (see package keep), and
// starts the agent again whenever that ends. It takes no part in making pods and answers nobody but the agent.
//
// Owners: Run owns the agent's process and one goroutine that answers it; both end before the next agent starts. The reaper runs
// in Run's own goroutine.
package pid1

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/node/keep"
)

// Descriptors that programs of a node inherit.
const (
	ListenerFD      = 3 // of node init: the node's listening socket
	AgentKeepFD     = 3 // of the agent: its end of the store
	AgentListenerFD = 4
)

// StatusRests is with which the agent ends to give its memory back. The next one is started by the first who calls.
const StatusRests = 3

// Back-off between two lives of the agent. One that lived for lasting is started again at once.
const (
	firstPause = 50 * time.Millisecond
	maxPause   = 5 * time.Second
	lasting    = 10 * time.Second
)

// agentScore is the agent's oom_score_adj: it goes after pods (500) and node shells (300), and long before node init (0).
const agentScore = "100"

// Config is what differs between a node and a test.
type Config struct {
	Binary   string // of podlab-node: read anew at every start of the agent, which is how it is upgraded
	Listener int    // descriptor of the node's listening socket, -1 for none
	Log      *slog.Logger
}

type node struct {
	cfg    Config
	store  *store
	reaper *reaper
}

// Run does not return, but for a kernel that lacks the very first things.
func Run(cfg Config) error {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(25)
	spareThreads(4)
	children := handleSignals()
	if err := boot(cfg.Log); err != nil {
		cfg.Log.Error("boot", "err", err) // the node is poorer, but the learner can be told through its agent
	}
	n := &node{cfg: cfg, reaper: newReaper()}
	n.store = newStore(n.reaper)
	pause := time.Duration(0)
	for life := 1; ; life++ {
		began := time.Now()
		status, err := n.live(life, children)
		if status.ExitStatus() == StatusRests {
			n.wait(called(cfg.Listener, sandbox.RestTime), children)
			continue
		}
		pause = nextPause(pause, time.Since(began))
		cfg.Log.Warn("agent ended", "life", life, "status", describe(status), "err", err, "pause", pause)
		n.wait(time.After(pause), children)
	}
}

// wait waits between two lives until over, and reaps.
func (n *node) wait(over <-chan time.Time, children <-chan os.Signal) {
	for {
		n.reaper.reap()
		select {
		case <-children:
		case <-over:
			return
		}
	}
}

// called has a value when somebody waits at a listening socket, at the latest after within.
func called(socket int, within time.Duration) <-chan time.Time {
	over := make(chan time.Time, 1)
	go func() {
		defer func() { over <- time.Now() }()
		for until := time.Now().Add(within); ; {
			left := time.Until(until)
			if left <= 0 {
				return
			}
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(socket), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
			if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
				return
			}
		}
	}()
	return over
}

func nextPause(last, lived time.Duration) time.Duration {
	if lived >= lasting {
		return 0
	}
	return min(max(2*last, firstPause), maxPause)
}

func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return status.Signal().String()
	}
	return fmt.Sprint(status.ExitStatus())
}

// live is one life of the agent, from its start until it was reaped.
func (n *node) live(life int, children <-chan os.Signal) (syscall.WaitStatus, error) {
	conn, err := n.startAgent(life)
	if err != nil {
		return 0, err
	}
	silent := make(chan struct{})
	go func() {
		defer close(silent)
		n.store.serve(conn)
	}()
	defer func() {
		_ = conn.Close()
		<-silent
	}()
	hungUp := silent
	for {
		n.reaper.reap()
		if status, ended := n.reaper.agentStatus(); ended {
			return status, nil
		}
		select {
		case <-children:
		case <-hungUp:
			// The agent hung up or broke the protocol. Without the store it is of no use.
			hungUp = nil
			n.reaper.killAgent()
		}
	}
}

// startAgent starts the agent and returns the store's end of the socket pair.
func (n *node) startAgent(life int) (conn *net.UnixConn, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("store socket: %w", err)
	}
	defer func() { _ = unix.Close(pair[1]) }()
	if conn, err = keep.Conn(uintptr(pair[0])); err != nil {
		return nil, err
	}
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	defer func() { _ = unix.Close(null) }()
	files := []uintptr{uintptr(null), 1, 2, uintptr(pair[1])}
	if n.cfg.Listener >= 0 {
		files = append(files, uintptr(n.cfg.Listener))
	}
	pid, err := n.reaper.fork(n.cfg.Binary, []string{n.cfg.Binary, "agent"}, &syscall.ProcAttr{
		Dir: "/", Env: append(os.Environ(), fmt.Sprintf("PODLAB_LIFE=%d", life)), Files: files, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start agent: %w", err), conn.Close())
	}
	// Raising the score needs no privilege.
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte(agentScore), 0); err != nil {
		n.cfg.Log.Warn("agent's oom_score_adj", "err", err)
	}
	return conn, nil
}

// spareThreads makes the runtime start threads that it keeps: where a learner has used up all pids of the node, node init shall
// never need a new one.
func spareThreads(count int) {
	done := make(chan struct{})
	for range count {
		go func() {
			t := unix.Timespec{Nsec: 2_000_000}
			_ = unix.Nanosleep(&t, nil) // blocks its thread; how long is not important
			done <- struct{}{}
		}()
	}
	for range count {
		<-done
	}
}
