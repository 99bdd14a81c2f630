package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// printed collects what an attachment gets until its end.
func printed(a *attachment) (text string, err error) {
	var b strings.Builder
	for {
		pieces, err := a.next()
		if err != nil {
			return b.String(), err
		}
		for _, p := range pieces {
			b.Write(p.text)
		}
	}
}

// TestStuckAttachmentIsCutOff: the container waits for it, for a while; another one gets all.
func TestStuckAttachmentIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutput(&sandbox.ContainerSpec{}, newLog(t))
		stuck, reads := o.attach(false), o.attach(false)
		text := strings.Repeat("x", 16<<10)
		began := time.Now()
		go func() {
			for range 20 {
				o.take(0, []byte(text), nil, nil)
			}
			o.hurry()
			o.end(sandbox.Exit{Code: 3})
		}()
		got, err := printed(reads)
		if len(got) != 20*len(text) || !errors.Is(err, io.EOF) || reads.to.exit.Code != 3 {
			t.Errorf("the reader got %d bytes, %v", len(got), err)
		}
		if took := time.Since(began); took != stuckAfter {
			t.Errorf("the stuck one held the container up for %v", took)
		}
		if text, err := printed(stuck); text != "" || sandbox.CodeOf(err) != sandbox.CodeUnavailable {
			t.Errorf("the stuck one got %d bytes, %v", len(text), err)
		}
		if len(o.attached) != 1 {
			t.Errorf("%d are attached", len(o.attached))
		}
	})
}

// TestFirstAttachmentMissesNothing: a container with stdinOnce waits for whom it was made before its log loses anything, but not for ever.
func TestFirstAttachmentMissesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := &sandbox.ContainerSpec{Stdin: true, StdinOnce: true}
		text := []byte(strings.Repeat("y", 16<<10-1) + "\n")
		print := func(o *output) {
			for range 200 {
				o.take(1, text, appendEntry(nil, time.Now(), "stderr", text), nil)
			}
			o.hurry()
		}
		o := newOutput(spec, newLog(t))
		go print(o)
		time.Sleep(firstAttachment / 2)
		a := o.attach(true)
		go func() { time.Sleep(time.Second); o.end(sandbox.Exit{}) }()
		var out, errs strings.Builder
		if _, err := a.copyTo(&out, &errs); err != nil || errs.Len() != 200*len(text) || out.Len() > 0 {
			t.Errorf("%d and %d bytes, %v", out.Len(), errs.Len(), err)
		}
		o = newOutput(spec, newLog(t))
		began := time.Now()
		print(o)
		if took := time.Since(began); took != firstAttachment {
			t.Errorf("waited %v for nobody", took)
		}
	})
}

// newLog is a log of the test's.
func newLog(t *testing.T) *logFile {
	t.Helper()
	l, err := openLog(filepath.Join(t.TempDir(), "1.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestNothingIsLostAtTheEnd: of a run that has ended, all that its pipe holds is read, as fast as it comes, though somebody still holds the
// pipe's other end; whoever attaches then gets it, too.
func TestNothingIsLostAtTheEnd(t *testing.T) {
	read, write, err := newPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	if _, err := unix.FcntlInt(write.Fd(), unix.F_SETPIPE_SZ, maxPipe); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "1.log")
	r, err := newRecorder(path, []*os.File{read}, &sandbox.ContainerSpec{})
	if err != nil {
		t.Fatal(err)
	}
	during, got := r.output.attach(false), make(chan int)
	go func() { text, _ := printed(during); got <- len(text) }()
	// More than the pace allows: when the last of it is in the pipe, the recorder is behind by all that a pipe holds.
	const lines = 6 << 10
	for i := range lines {
		if _, err := fmt.Fprintf(write, "%01023d\n", i); err != nil {
			t.Fatal(err)
		}
	}
	r.finish(sandbox.Exit{Code: 3})
	if n := <-got; n != lines<<10 {
		t.Errorf("who was attached got %d bytes of %d", n, lines<<10)
	}
	for name, fromStart := range map[string]bool{"from now": false, "from the start": true} {
		var out strings.Builder
		exit, err := r.output.attach(fromStart).copyTo(&out, nil)
		if err != nil || exit.Code != 3 || fromStart != strings.HasSuffix(out.String(), fmt.Sprintf("%01023d\n", lines-1)) {
			t.Errorf("%s: %d bytes, %+v %v", name, out.Len(), exit, err)
		}
	}
}

func TestStampsAndTimesOfLogs(t *testing.T) {
	at := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	entries := appendEntry(nil, at, "stdout", []byte("first\n"))
	entries = appendEntry(entries, at.Add(time.Second), "stdout", []byte("part"))
	entries = appendEntry(entries, at.Add(2*time.Second), "stdout", []byte(" whole\n"))
	for _, c := range []struct {
		opt  sandbox.LogOptions
		want string
	}{
		{sandbox.LogOptions{}, "first\npart whole\n"},
		{sandbox.LogOptions{Since: at.Add(time.Second).UnixNano()}, "part whole\n"},
		{sandbox.LogOptions{Since: at.Add(time.Hour).UnixNano()}, ""},
		{sandbox.LogOptions{Timestamps: true}, "2026-11-21T03:00:00.000000000Z first\n2026-11-21T03:00:01.000000000Z part whole\n"},
	} {
		if got := string(newLogText(c.opt).of(entries)); got != c.want {
			t.Errorf("%+v: %q", c.opt, got)
		}
	}
	var out strings.Builder
	l := &limited{&out, 5}
	n, err := l.Write([]byte("abc"))
	m, full := l.Write([]byte("defg"))
	if n != 3 || err != nil || m != 2 || !errors.Is(full, errLimit) || out.String() != "abcde" {
		t.Errorf("%q %v %v", out.String(), err, full)
	}
}

// TestLogComesBeforeAttachments: what was read is in the log while somebody who is attached takes nothing and makes the container wait.
func TestLogComesBeforeAttachments(t *testing.T) {
	l := newLog(t)
	o, path := newOutput(&sandbox.ContainerSpec{}, l), l.path
	held := o.attach(false)
	read, write, err := newPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	done := make(chan struct{})
	go func() { defer close(done); copyOutput(o, 0, read) }()
	if _, err := io.WriteString(write, strings.Repeat(strings.Repeat("x", 1023)+"\n", maxPending>>10)+"one\ntwo\nrest"); err != nil {
		t.Fatal(err)
	}
	for text := ""; !strings.Contains(text, "stdout F two\n"); time.Sleep(time.Millisecond) {
		data, err := os.ReadFile(path)
		if text = string(data); err != nil || strings.Contains(text, "rest") {
			t.Fatalf("%q %v", text, err)
		}
	}
	held.detach()
	write.Close()
	<-done
	if data, _ := os.ReadFile(path); !strings.HasSuffix(string(data), "stdout P rest\n") {
		t.Errorf("%q", data)
	}
}

func TestLongLinesAreCut(t *testing.T) {
	entries, rest := appendLines(nil, []byte("short\n"+strings.Repeat("x", maxLine+2)+"\nend"), "stdout")
	var got []string
	for entry := range strings.Lines(string(entries)) {
		fields := strings.SplitN(strings.TrimSpace(entry), " ", 4)
		got = append(got, fmt.Sprint(fields[2], len(fields[3])))
	}
	if want := fmt.Sprintf("[F5 P%d F2]", maxLine); fmt.Sprint(got) != want || string(rest) != "end" {
		t.Errorf("%v, want %s; rest %q", got, want, rest)
	}
}
