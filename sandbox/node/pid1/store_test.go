package pid1

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/procstat"
	"podlab/sandbox/node/keep"
)

// pair starts a store and returns the agent's end.
func pair(t *testing.T, s *store) (conn *net.UnixConn, done chan struct{}) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := keep.Conn(uintptr(fds[0]))
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := keep.Conn(uintptr(fds[1]))
	if err != nil {
		t.Fatal(err)
	}
	done = make(chan struct{})
	go func() { defer close(done); defer ours.Close(); s.serve(ours) }()
	t.Cleanup(func() { _ = theirs.Close(); <-done })
	return theirs, done
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestKeptAcrossLives(t *testing.T) {
	s := newStore(newReaper())
	conn, over := pair(t, s)
	first := keep.NewClient(conn)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Keep("log/web", r, w); err != nil {
		t.Fatal(err)
	}
	if err := first.Keep("other", r); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, "said before")
	_, _ = r.Close(), w.Close()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	<-over // as node init does before it starts the next agent
	conn, over = pair(t, s)
	second := keep.NewClient(conn)
	kept, err := second.Kept("log/")
	if err != nil || len(kept) != 1 || len(kept["log/web"]) != 2 {
		t.Fatalf("kept %v, %v", kept, err)
	}
	buf := make([]byte, 64)
	n, err := kept["log/web"][0].Read(buf)
	if err != nil || string(buf[:n]) != "said before" {
		t.Errorf("%q %v", buf[:n], err)
	}
	for _, f := range kept["log/web"] {
		_ = f.Close()
	}
	for _, key := range []string{"log/web", "other", "never there"} {
		if err := second.Drop(key); err != nil {
			t.Error(err)
		}
	}
	_ = conn.Close()
	<-over
	if len(s.keys) != 0 {
		t.Errorf("left: %v", s.keys)
	}
}

func TestNonsenseIsAnsweredAndLeavesNothing(t *testing.T) {
	s := newStore(newReaper())
	conn, over := pair(t, s)
	before := descriptors(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	many := make([]int, 200)
	for i := range many {
		many[i] = int(null.Fd())
	}
	for _, c := range []struct {
		text string
		fds  []int
	}{
		{"{", nil}, {"null", nil}, {"[]", many[:3]}, {`{"op":7}`, many[:1]}, {`{"op":"keep"}`, many[:1]}, {`{"op":"keep","key":"k"}`, nil},
		{`{"op":"keep","key":"k"}`, many}, {`{"op":"keep","key":"` + strings.Repeat("k", 300) + `"}`, many[:1]}, {`{"op":"drop","key":"k"}`, many[:8]},
		{`{"op":"exited","pid":-1}`, nil}, {`{"op":"exited","pid":99999999,"start":1}`, nil}, {strings.Repeat(" ", keep.MaxMessage+1), nil}, {"\x00\xff", many[:2]},
	} {
		var rights []byte
		if len(c.fds) > 0 {
			rights = unix.UnixRights(c.fds...)
		}
		if _, _, err := conn.WriteMsgUnix([]byte(c.text), rights, nil); err != nil {
			t.Fatalf("%.40q: %v", c.text, err)
		}
		var reply keep.Reply
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := keep.Receive(conn, &reply); err != nil {
			t.Fatalf("%.40q: no answer: %v", c.text, err)
		}
		if reply.Error == "" && !reply.NotFound && !strings.Contains(c.text, "drop") {
			t.Errorf("%.40q: answered %+v", c.text, reply)
		}
	}
	_ = conn.Close()
	<-over
	if after := descriptors(t); after != before-2+1 || len(s.keys) != 0 { // without the pair, with null
		t.Errorf("%d descriptors, were %d; keys %v", after, before, s.keys)
	}
}

func TestStoreIsBounded(t *testing.T) {
	s := newStore(newReaper())
	conn, _ := pair(t, s)
	client := keep.NewClient(conn)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for i := range keep.MaxKeys {
		if err := client.Keep(strconv.Itoa(i), null); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Keep("one more", null); err == nil {
		t.Error("the store takes more than its limit")
	}
	if err := client.Keep("7", null); err != nil {
		t.Errorf("in place of what is there: %v", err)
	}
	kept, err := client.Kept("")
	if err != nil || len(kept) != keep.MaxKeys {
		t.Errorf("%d kept, %v", len(kept), err)
	}
	for key, files := range kept {
		_ = files[0].Close()
		if err := client.Drop(key); err != nil {
			t.Error(err)
		}
	}
}

func TestAgentThatReadsNothingIsLeft(t *testing.T) {
	s := newStore(newReaper())
	conn, _ := pair(t, s)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	began := time.Now()
	_ = conn.SetWriteDeadline(began.Add(3 * answerIn))
	for {
		if err := keep.Send(conn, keep.Request{Op: keep.OpKept}, nil); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("the store hangs")
			}
			return // it hung up
		}
	}
}

func TestOrphans(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	r := newReaper()
	conn, _ := pair(t, newStore(r))
	client := keep.NewClient(conn)
	hold := filepath.Join(t.TempDir(), "hold")
	if err := os.WriteFile(hold, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("sh", "-c", "(while [ -e $0 ]; do sleep 0.02; done; exit 7) >/dev/null 2>&1 & echo $!", hold).Output()
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	start, err := procstat.Start(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(hold); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 2 { // at its end, and later
		status, err := client.WaitOrphan(ctx, pid, start)
		if err != nil || status.ExitStatus() != 7 {
			t.Errorf("status %v %v", status, err)
		}
	}
	if _, err := client.WaitOrphan(ctx, pid, start+1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another process of that pid: %v", err)
	}
	short, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	defer stop()
	self, _ := procstat.Start(os.Getppid())
	if _, err := client.WaitOrphan(short, os.Getppid(), self); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a living one: %v", err)
	}
}

func TestOrphansAreBounded(t *testing.T) {
	r := newReaper()
	for i := range 3 * maxOrphans {
		r.remember(end{pid: int32(i + 1), start: uint64(i)})
	}
	if len(r.ends) > maxOrphans {
		t.Errorf("%d remembered", len(r.ends))
	}
	if _, _, known := r.exited(3*maxOrphans, uint64(3*maxOrphans-1)); !known {
		t.Error("the newest is forgotten")
	}
}

func TestPauses(t *testing.T) {
	pause := time.Duration(0)
	for _, want := range []time.Duration{50, 100, 200, 400, 800, 1600, 3200, 5000, 5000} {
		if pause = nextPause(pause, time.Second); pause != want*time.Millisecond {
			t.Errorf("pause %v, want %v", pause, want*time.Millisecond)
		}
	}
	if pause = nextPause(pause, lasting); pause != 0 {
		t.Errorf("after a long life: %v", pause)
	}
}
