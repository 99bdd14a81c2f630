package terminal

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// shelf is a keeper in this process.
type shelf struct {
	mu   sync.Mutex
	keys map[string][]int
}

func (s *shelf) Keep(key string, files ...*os.File) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range files {
		raw, err := f.SyscallConn()
		if err != nil {
			return err
		}
		_ = raw.Control(func(fd uintptr) {
			d, _ := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
			s.keys[key] = append(s.keys[key], d)
		})
	}
	return nil
}

func (s *shelf) Drop(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, fd := range s.keys[key] {
		_ = unix.Close(fd)
	}
	delete(s.keys, key)
	return nil
}

func (s *shelf) Kept(prefix string) (map[string][]*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string][]*os.File{}
	for key, fds := range s.keys {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		for _, fd := range fds {
			d, _ := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
			out[key] = append(out[key], os.NewFile(uintptr(d), key))
		}
	}
	return out, nil
}

// Who starts the tests may ignore SIGHUP, as nohup does, and what they start would ignore it too. A signal that is caught is not inherited so.
func init() { signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) }

// children are the programs that the tests started, waited for once each.
var children sync.Map // pid → chan sandbox.Exit

func waitFor(pid int) func(context.Context) (sandbox.Exit, error) {
	return func(ctx context.Context) (sandbox.Exit, error) {
		done, _ := children.Load(pid)
		select {
		case exit := <-done.(chan sandbox.Exit):
			return exit, nil
		case <-ctx.Done():
			return sandbox.Exit{}, ctx.Err()
		}
	}
}

func start(_ context.Context, spec sandbox.TerminalSpec) (*os.File, Program, error) {
	master, slave, err := OpenPTY(spec.Size)
	if err != nil {
		return nil, Program{}, err
	}
	defer slave.Close()
	argv := spec.Argv
	if len(argv) == 0 {
		argv = []string{"sh"}
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.Env = []string{"PS1=$ ", "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		return nil, Program{}, err
	}
	done := make(chan sandbox.Exit, 1)
	children.Store(cmd.Process.Pid, done)
	go func() {
		_ = cmd.Wait()
		st := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if st.Signaled() {
			done <- sandbox.Exit{Code: 128 + int(st.Signal()), Signal: int(st.Signal())}
			return
		}
		done <- sandbox.Exit{Code: st.ExitStatus()}
	}()
	return master, Program{PID: cmd.Process.Pid, Start: 1, Wait: waitFor(cmd.Process.Pid)}, nil
}

func open(t *testing.T, keeper Keeper) *Set {
	t.Helper()
	set, err := Open(t.Context(), Config{
		Keeper: keeper, Start: start, Changed: func() {}, Log: slog.Default(),
		Adopt: func(pid int, start uint64) Program { return Program{PID: pid, Start: start, Wait: waitFor(pid)} },
	})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func attach(t *testing.T, set *Set, argv ...string) sandbox.Terminal {
	t.Helper()
	term, err := set.Attach(t.Context(), sandbox.TerminalSpec{ID: "t", Target: "node", Argv: argv, Size: sandbox.Size{Cols: 80, Rows: 24}})
	if err != nil {
		t.Fatal(err)
	}
	return term
}

// until reads until want was seen.
func until(t *testing.T, r io.Reader, want string) string {
	t.Helper()
	var seen bytes.Buffer
	buf := make([]byte, 4096)
	for !strings.Contains(seen.String(), want) {
		n, err := r.Read(buf)
		seen.Write(buf[:n])
		if err != nil {
			t.Fatalf("waiting for %q: %v after %q", want, err, seen.String())
		}
	}
	return seen.String()
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s", what)
		}
	}
}

func TestTerminalOutlivesItsAgent(t *testing.T) {
	keeper := &shelf{keys: map[string][]int{}}
	first := open(t, keeper)
	one := attach(t, first)
	fmt.Fprint(one, "V=kept; echo $((40+2))\n")
	until(t, one, "42\r\n")
	pid := first.List()[0].PID
	first.Close()
	if _, err := io.ReadAll(one); sandbox.CodeOf(err) != sandbox.CodeUnavailable {
		t.Fatalf("attachment after the agent left: %v", err)
	}

	second := open(t, keeper)
	defer second.Close()
	two := attach(t, second)
	screen := make([]byte, two.Replay())
	if _, err := io.ReadFull(two, screen); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(screen, []byte("42\r\n")) || bytes.Count(screen, []byte("echo $((40+2))")) != 1 {
		t.Errorf("screen %q", screen)
	}
	if list := second.List(); len(list) != 1 || list[0].PID != pid || list[0].Attached != 1 {
		t.Errorf("list %+v, pid was %d", list, pid)
	}
	fmt.Fprint(two, "echo $V; exit 7\n")
	until(t, two, "kept\r\n")
	if _, err := io.ReadAll(two); err != nil {
		t.Fatal(err)
	}
	if exit, ok := two.Exit(); !ok || exit.Code != 7 {
		t.Errorf("exit %+v %v", exit, ok)
	}
	if len(second.List()) != 0 || len(keeper.keys) != 0 {
		t.Errorf("left: %v, keys %v", second.List(), keeper.keys)
	}
}

func TestEverythingIsDelivered(t *testing.T) {
	set := open(t, &shelf{keys: map[string][]int{}})
	defer set.Close()
	term := attach(t, set, "sh", "-c", "stty -opost; head -c 20971520 /dev/zero; exit 3")
	n, err := io.Copy(io.Discard, term)
	if err != nil || n != 20<<20 {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if exit, ok := term.Exit(); !ok || exit.Code != 3 {
		t.Errorf("exit %+v %v", exit, ok)
	}
}

func TestUnreadTerminalBlocksItsProgram(t *testing.T) {
	set := open(t, &shelf{keys: map[string][]int{}})
	defer set.Close()
	term := attach(t, set, "yes")
	inner := set.terms["t"].term
	head := func() int64 {
		inner.mu.Lock()
		defer inner.mu.Unlock()
		return int64(inner.ring.head())
	}
	eventually(t, "as much read as may be", func() bool { return head() > maxLag })
	before := head()
	time.Sleep(200 * time.Millisecond)
	after := head()
	if before != after || after > maxLag+readSize {
		t.Errorf("read %d, then %d bytes of a program that nobody reads", before, after)
	}
	// Nobody attached: the program goes on, and the ring turns.
	_ = term.Close()
	eventually(t, "a turn of the ring", func() bool { return head() >= after+ringSize })
	again := attach(t, set)
	if again.Replay() > ringSize+256 {
		t.Errorf("replay of %d bytes", again.Replay())
	}
	screen := make([]byte, again.Replay())
	if _, err := io.ReadFull(again, screen); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(screen, []byte("\x1bcy\r\n")) {
		t.Errorf("screen begins %q", screen[:20])
	}
	if err := set.Hangup("t"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, again); err != nil {
		t.Fatal(err)
	}
	if exit, _ := again.Exit(); exit.Signal != int(syscall.SIGHUP) || exit.Code != 129 {
		t.Errorf("exit %+v", exit)
	}
}

func TestStuckAttachmentDoesNotHoldUpOthers(t *testing.T) {
	stuckAfter = time.Second // longer than a busy machine keeps one that reads from reading
	defer func() { stuckAfter = 10 * time.Second }()
	set := open(t, &shelf{keys: map[string][]int{}})
	defer set.Close()
	stuck := attach(t, set, "sh", "-c", "stty -opost; read x; head -c 2000000 /dev/zero")
	defer stuck.Close()
	reader := attach(t, set)
	fmt.Fprint(reader, "\n")
	n, err := io.Copy(io.Discard, reader)
	if err != nil || n < 2000000 {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if _, err := io.Copy(io.Discard, stuck); sandbox.CodeOf(err) != sandbox.CodeUnavailable {
		t.Errorf("the stuck one: %v", err)
	}
}

func TestEndWhileNobodyLooksIsTold(t *testing.T) {
	set := open(t, &shelf{keys: map[string][]int{}})
	defer set.Close()
	term := attach(t, set, "sh", "-c", "sleep 0.1; echo bye; exit 5")
	_ = term.Close()
	time.Sleep(400 * time.Millisecond)
	late := attach(t, set, "sh", "-c", "echo second; sleep 9")
	out, err := io.ReadAll(late)
	if exit, ok := late.Exit(); err != nil || !ok || exit.Code != 5 || !strings.Contains(string(out), "bye") {
		t.Errorf("%q %v %+v", out, err, exit)
	}
	next := attach(t, set, "sh", "-c", "echo second; sleep 9")
	until(t, next, "second")
}

func TestWatchingChangesNothing(t *testing.T) {
	set := open(t, &shelf{keys: map[string][]int{}})
	defer set.Close()
	watch := func() (sandbox.Terminal, error) {
		return set.Attach(t.Context(), sandbox.TerminalSpec{ID: "t", Target: "node", Watch: true, Size: sandbox.Size{Cols: 10, Rows: 10}})
	}
	if _, err := watch(); sandbox.CodeOf(err) != sandbox.CodeNotFound || len(set.List()) != 0 {
		t.Fatalf("watching what is not there: %v, %v", err, set.List())
	}
	term := attach(t, set, "sh", "-c", "echo first; read x; echo second; exit 5")
	until(t, term, "first")
	watched, err := watch()
	if err != nil {
		t.Fatal(err)
	}
	if got := set.List(); len(got) != 1 || got[0].Size != (sandbox.Size{Cols: 80, Rows: 24}) {
		t.Errorf("%+v", got)
	}
	until(t, watched, "first")
	if _, err := term.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	until(t, watched, "second")
	out, err := io.ReadAll(term)
	if exit, ok := term.Exit(); err != nil || !ok || exit.Code != 5 || !strings.Contains(string(out), "second") {
		t.Errorf("who typed is told %q %v %+v", out, err, exit)
	}
}

// TestStreamsComeInLargePieces: what streams is gathered, and its end does not wait for more.
func TestStreamsComeInLargePieces(t *testing.T) {
	set := open(t, &shelf{keys: map[string][]int{}})
	defer set.Close()
	term := attach(t, set, "sh", "-c", "stty -opost; head -c 4194304 /dev/zero; read end")
	defer func() { _ = term.Close(); _ = set.Hangup("t") }()
	buf := make([]byte, 32<<10)
	got, pieces := 0, 0
	for got < 4<<20 {
		n, err := term.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got += n
		pieces++
	}
	if got/pieces < enough/2 {
		t.Errorf("%d bytes in %d pieces", got, pieces)
	}
}
