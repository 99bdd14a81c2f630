package supervise

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain is also the program that is kept: it writes its pid, and what ends it, to a file.
func TestMain(m *testing.M) {
	if file := os.Getenv("PODLAB_TEST_LIFE"); file != "" && len(os.Args) > 1 && os.Args[1] == "live" {
		live(file)
	}
	goleak.VerifyTestMain(m)
}

func live(name string) {
	signals := make(chan os.Signal, 1)
	notify(signals)
	note(name, "life "+strconv.Itoa(os.Getpid()))
	sig := <-signals
	note(name, os.Args[2]+" ended by "+sig.String())
	os.Exit(0)
}

func note(name, line string) {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	if _, err := f.WriteString(line + "\n"); err != nil {
		panic(err)
	}
}

func lines(t *testing.T, name, prefix string) []string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, prefix) {
			out = append(out, strings.TrimSpace(strings.TrimPrefix(line, prefix)))
		}
	}
	return out
}

func setUp(t *testing.T) (*Supervisor, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "life")
	t.Setenv("PODLAB_TEST_LIFE", file)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := func(name string, stop syscall.Signal) Program {
		return Program{Name: name, Argv: []string{self, "live", name}, Stop: stop, Grace: 5 * time.Second}
	}
	return &Supervisor{
		Programs: []Program{program("daemon", syscall.SIGINT), program("server", syscall.SIGTERM)},
		Log:      slog.New(slog.DiscardHandler), Out: io.Discard, Err: os.Stderr,
		First: 10 * time.Millisecond, Last: 50 * time.Millisecond, Steady: time.Minute,
	}, file
}

// run starts the supervisor; the function it returns stops it and gives its error.
func run(t *testing.T, s *Supervisor) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- s.Run(ctx) }()
	return func() error { cancel(); return <-over }
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}

func TestStopsInOrder(t *testing.T) {
	s, file := setUp(t)
	started := make(chan struct{})
	s.Started = func() { close(started) }
	for i := range s.Programs {
		s.Programs[i].Ready = func(context.Context) error {
			if len(lines(t, file, "life ")) <= i {
				return errors.New("not yet")
			}
			return nil
		}
	}
	stop := run(t, s)
	<-started
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	data, _ := os.ReadFile(file)
	all := strings.Split(strings.TrimSpace(string(data)), "\n")
	if len(all) != 4 || all[2] != "server ended by terminated" || all[3] != "daemon ended by interrupt" {
		t.Errorf("%q", all)
	}
}

func TestRestartsWhatDies(t *testing.T) {
	s, file := setUp(t)
	stop := run(t, s)
	eventually(t, "both live", func() bool { return len(lines(t, file, "life ")) == 2 })
	for n := 3; n < 5; n++ {
		pids := lines(t, file, "life ")
		pid, _ := strconv.Atoi(pids[len(pids)-1])
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "another life", func() bool { return len(lines(t, file, "life ")) == n })
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if n := len(lines(t, file, "server ended")) + len(lines(t, file, "daemon ended")); n != 2 {
		t.Errorf("%d programs were stopped, want 2", n)
	}
}

func TestSaysWhatCannotStart(t *testing.T) {
	s, _ := setUp(t)
	s.Programs = s.Programs[:1]
	s.Programs[0].Argv[0] = "/nowhere/podlab-sandboxd"
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "daemon: ") {
		t.Errorf("%v", err)
	}
}

func notify(signals chan<- os.Signal) { signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM) }

func TestAProgramThatEndsBeforeItIsReady(t *testing.T) {
	s, _ := setUp(t)
	s.Programs = s.Programs[:1]
	s.Programs[0].Argv = []string{"/bin/false"}
	s.Programs[0].Ready = func(context.Context) error { return errors.New("not yet") }
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "daemon: exit status 1") {
		t.Errorf("%v", err)
	}
}
