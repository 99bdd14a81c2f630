package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// work is what an active learner's terminal does for as long as it is there: two processes each %s seconds, six moments of the kernel.
const work = "while :; do /usr/bin/true; sleep %s; done\r"

const (
	workEvery = "1"
	atOneTime = 4 // learners that begin at the same time
)

// benchDOM takes the time from the kernel's moments on one learner's node to the change of that learner's page in a browser, while
// others are as active: web/bench/dom.mjs, which measures in the page. Meanwhile it counts what a learner costs.
func benchDOM(ctx context.Context, b *bench) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	defer func() {
		cancel()
		if e := group.Wait(); err == nil && !errors.Is(e, context.Canceled) {
			err = e
		}
	}()
	if err := b.activate(ctx, group, b.active-1); err != nil {
		return err
	}
	figure("dom.learners", float64(b.active), "")
	return b.inPage(ctx)
}

// activate brings so many learners to their labs and lets each work at a terminal until ctx ends.
func (b *bench) activate(ctx context.Context, group *errgroup.Group, n int) error {
	turn := make(chan struct{}, atOneTime)
	var begun sync.WaitGroup
	for range n {
		begun.Add(1)
		group.Go(func() error {
			ready := sync.OnceFunc(begun.Done)
			defer ready()
			select {
			case turn <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			live, term, end, err := b.worker(ctx)
			<-turn
			if err != nil {
				return err
			}
			defer end()
			var reading sync.WaitGroup
			reading.Go(func() { drain(live) })
			reading.Go(func() { _ = until(term, "\x00") }) // acknowledges output until the socket closes
			ready()
			<-ctx.Done()
			live.Close()
			term.Close()
			reading.Wait()
			return ctx.Err()
		})
	}
	begun.Wait()
	return ctx.Err()
}

// worker is a learner whose terminal works. end ends the lab.
func (b *bench) worker(ctx context.Context) (live *websocket.Conn, term *terminal, end func(), err error) {
	l, err := b.enter(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	if live, _, err = l.ready(ctx); err != nil {
		return nil, nil, nil, err
	}
	end = func() { _ = l.press(context.WithoutCancel(ctx), "end") }
	conn, err := l.dial(ctx, "/ws/terminal", url.Values{"id": {"bench"}, "target": {"node"}, "cols": {"80"}, "rows": {"24"}})
	if err == nil {
		term = &terminal{Conn: conn}
		if err = quiet(term); err == nil {
			err = term.WriteMessage(websocket.BinaryMessage, fmt.Appendf(nil, work, workEvery))
		}
	}
	if err != nil {
		live.Close()
		end()
	}
	return live, term, end, err
}

// drain reads frames as a page does that looks at none, until the socket closes.
func drain(live *websocket.Conn) {
	_ = live.SetReadDeadline(time.Time{})
	for {
		if _, _, err := live.NextReader(); err != nil {
			return
		}
	}
}

// inPage runs the browser's part, whose lines are figures, and counts what is computed between its lines "begin" and "end".
func (b *bench) inPage(ctx context.Context) error {
	cmd := pageProgram(ctx, "web/bench/dom.mjs", b.site(), b.lab, strconv.FormatInt(sleptFor().Nanoseconds(), 10))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	lines, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var before bill
	for out := bufio.NewScanner(lines); out.Scan() && err == nil; {
		switch out.Text() {
		case "begin":
			before, err = b.bill(ctx)
		case "end":
			var now bill
			if now, err = b.bill(ctx); err == nil {
				now.print(before, b.active)
			}
		default:
			fmt.Println(out.Text())
		}
	}
	return errors.Join(err, cmd.Wait())
}

// sleptFor is how far CLOCK_BOOTTIME is before CLOCK_MONOTONIC, which the browser's part can read: the time that the machine slept.
func sleptFor() time.Duration {
	var mono unix.Timespec
	boot := sinceBoot()
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono); err != nil {
		panic(err) // every Linux has it
	}
	return boot - time.Duration(mono.Nano())
}

// bill is the time on a processor that server, daemon and nodes have had until some time.
type bill struct {
	at                    time.Time
	server, daemon, nodes time.Duration
}

func (b *bench) bill(ctx context.Context) (now bill, err error) {
	nodes, err := b.host.daemon.List(ctx)
	if err != nil {
		return now, err
	}
	for _, node := range nodes {
		used, err := nodeTime(node)
		if err != nil {
			return now, err
		}
		now.nodes += used
	}
	now.at, now.server, now.daemon = time.Now(), processTime(b.host.server.Process.Pid), processTime(b.host.root.Process.Pid)
	return now, nil
}

func nodeTime(node sandbox.Node) (time.Duration, error) {
	m, err := meterOf(node.PID)
	if err != nil {
		return 0, err
	}
	return m.read()
}

// print tells what part of a core each of so many learners took since an earlier bill.
func (b bill) print(before bill, learners int) {
	took := b.at.Sub(before.at) * time.Duration(learners)
	for _, part := range []struct {
		name string
		used time.Duration
	}{{"server", b.server - before.server}, {"daemon", b.daemon - before.daemon}, {"node", b.nodes - before.nodes}} {
		figure("dom.cpu."+part.name, 100*part.used.Seconds()/took.Seconds(), "%")
	}
}

// processTime is the time that a process's threads, ended ones among them, were on a processor (proc_pid_stat(5): utime and stime, in
// hundredths of a second).
func processTime(pid int) time.Duration {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, behind, _ := strings.Cut(string(text), ") ") // the name of no program of ours holds this
	fields := strings.Fields(behind)
	var ticks int64
	for i := 11; i <= 12 && i < len(fields); i++ {
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
