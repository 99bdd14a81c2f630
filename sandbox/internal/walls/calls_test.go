package walls

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lastCall is beyond every number that a kernel of today has; those of the future are refused too.
const lastCall = 600

// probeCalls asks the kernel for every system call and prints the numbers of those that are not refused. args: how long one may take.
func probeCalls(args []string) {
	reached := make([]string, lastCall)
	probe(lastCall, args[0], func(i int) []string { return []string{"call", fmt.Sprint(i)} }, reached)
	for i, how := range reached {
		if how != "" {
			fmt.Printf("%d: %s\n", i, how)
		}
	}
}

// probe runs n attempts, each in a process of its own, since some end, hang or spoil the process. An attempt that prints nothing and ends
// well was refused; reached[i] says what it said, or how it ended. Those that wait for ever are killed after the time that bound says.
func probe(n int, bound string, attempt func(i int) []string, reached []string) {
	const atOnce = 4
	patience, err := time.ParseDuration(bound)
	if err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
	places := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i := range n {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, "/proc/self/exe")
			cmd.Args = append([]string{attacker}, attempt(i)...)
			cmd.WaitDelay = time.Second // a fork of it may have the pipe
			out, err := cmd.Output()
			reached[i] = strings.TrimSpace(string(out))
			if err != nil && !blocked(err) {
				reached[i] = err.Error()
			}
		})
	}
	all.Wait()
}

// blocked reports whether a process was ended by a filter.
func blocked(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	return ok && exit.Sys().(syscall.WaitStatus).Signal() == unix.SIGSYS
}

// call makes one system call with arguments that no call takes.
func call(args []string) {
	runtime.LockOSThread()
	const bad = ^uintptr(0)
	_, _, errno := unix.RawSyscall6(uintptr(number(args[0])), bad, bad, bad, bad, bad, bad)
	if errno != unix.EPERM && errno != unix.ENOSYS {
		_, _ = os.Stdout.WriteString(errno.Error())
	}
	unix.Exit(0)
}
