// Package supervise keeps Podlab's two programs running: the root daemon and, as a user without rights, the server. It starts them,
// restarts whichever dies, and ends them in order: first the server, which tells the browsers, then the daemon by SIGINT, which
// destroys every node.
//
// Run owns one goroutine for each program; a program's goroutine keeps its thread, because the kernel ends the program when the
// thread that started it ends (prctl(2), PR_SET_PDEATHSIG). So nothing lives on if the supervisor itself is killed.
package supervise

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Program is one of the programs that are kept running.
type Program struct {
	Name  string
	Argv  []string
	User  *syscall.Credential // nil: the supervisor's own
	Stop  syscall.Signal      // what ends it in good order
	Grace time.Duration       // how long that may take before SIGKILL
	// Ready is asked again and again after a start until it returns nil; the first program's must before the next one starts.
	Ready func(ctx context.Context) error
}

// Supervisor runs programs in the order of the list and stops them in the opposite order.
type Supervisor struct {
	Programs []Program
	Log      *slog.Logger
	Out, Err io.Writer // of the programs
	// Started is called once, when all programs are ready for the first time.
	Started func()

	// Pauses between restarts: doubled from First to Last; a program that lived for Steady starts over at First.
	First, Last, Steady time.Duration
}

// Waiting for a program to become ready for the first time, and how often it is asked.
const (
	readyWithin = 60 * time.Second
	askEvery    = 50 * time.Millisecond
)

// Run returns when ctx ends and all programs have, or when one could not be started for the first time.
func (s *Supervisor) Run(ctx context.Context) error {
	var stops []func()
	defer func() {
		for i := len(stops) - 1; i >= 0; i-- {
			stops[i]()
		}
	}()
	for _, p := range s.Programs {
		k := &kept{Program: p, Supervisor: s, started: make(chan error, 1), died: make(chan error, 1)}
		stops = append(stops, k.keep())
		if err := k.ready(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		s.Log.Debug("ready", "program", p.Name)
	}
	if s.Started != nil {
		s.Started()
	}
	<-ctx.Done()
	return nil
}

// kept is one program and its lives.
type kept struct {
	Program
	*Supervisor
	started chan error // how the first start went
	died    chan error // how the first life ended
}

// keep starts the goroutine that owns the program. The function it returns ends both.
func (k *kept) keep() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var owner sync.WaitGroup
	owner.Go(func() {
		runtime.LockOSThread() // the program ends with this thread
		defer runtime.UnlockOSThread()
		k.lives(ctx)
	})
	return func() { cancel(); owner.Wait() }
}

// ready waits for the first start and for the program's own word. A program that ends before that has nothing to be restarted for.
func (k *kept) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-k.started:
		if err != nil || k.Ready == nil {
			return err
		}
	}
	for {
		err := k.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case err := <-k.died:
			return err
		case <-ctx.Done():
			return fmt.Errorf("not ready after %v: %w", readyWithin, err)
		case <-time.After(askEvery):
		}
	}
}

// lives starts the program again and again until ctx ends.
func (k *kept) lives(ctx context.Context) {
	pause := k.First
	for {
		began := time.Now()
		err := k.life(ctx)
		select {
		case k.died <- err:
		default: // not the first time
		}
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > k.Steady {
			pause = k.First
		}
		k.Log.Error("ended; starts again", "program", k.Name, "how", err, "in", pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, k.Last)
	}
}

// life runs the program once. It returns when the program has ended; ctx ends it.
func (k *kept) life(ctx context.Context) error {
	cmd := exec.Command(k.Argv[0], k.Argv[1:]...) //nolint:gosec // the list is the operator's
	cmd.Stdout, cmd.Stderr = k.Out, k.Err
	// A process group of its own: Ctrl-C in the terminal reaches the supervisor alone, which then stops them in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: k.Stop, Credential: k.User}
	err := cmd.Start()
	select {
	case k.started <- err:
	default: // not the first time
	}
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return orClean(err)
	case <-ctx.Done():
	}
	_ = cmd.Process.Signal(k.Stop) // it may have ended meanwhile
	select {
	case err = <-ended:
	case <-time.After(k.Grace):
		k.Log.Error("did not end in time; killed", "program", k.Name, "grace", k.Grace)
		_ = cmd.Process.Kill()
		err = <-ended
	}
	return orClean(err)
}

func orClean(err error) error {
	if err == nil {
		return fmt.Errorf("exit status 0")
	}
	return err
}
