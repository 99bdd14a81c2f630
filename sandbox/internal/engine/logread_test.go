package engine

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// TestLogReaderAtRotation: a reader that lags behind by a whole file misses nothing of what is still kept.
func TestLogReaderAtRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "1.log")
	l, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n := 0
	add := func(lines int) {
		for range lines {
			n++
			l.write(appendEntry(nil, time.Now(), "stdout", fmt.Appendf(nil, "%d\n", n)))
		}
	}
	rotate := func() {
		if err := l.rotate(); err != nil {
			t.Fatal(err)
		}
	}
	r := &logReader{path: path, text: newLogText(sandbox.LogOptions{})}
	defer r.close()
	var got []string
	read := func() {
		t.Helper()
		text, err := r.more()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.Fields(string(text))...)
		if len(got) != n || got[n-1] != fmt.Sprint(n) {
			t.Fatalf("%d of %d lines: %v", len(got), n, got)
		}
	}
	add(2)
	rotate()
	add(2)
	read() // both files from the beginning
	add(2)
	rotate()
	add(2)
	read() // what was added to the open file before it was replaced
	add(2)
	rotate()
	add(2)
	rotate()
	add(2)
	read() // the open file is gone by now; the two that are kept follow
	rotate()
	read()
	add(1)
	read()
}

// TestLogIsAPlainFile: a learner has put a fifo that somebody holds open in the log's place, or a link. Nothing is read of it, nor waited for.
func TestLogIsAPlainFile(t *testing.T) {
	l := newLog(t)
	if err := os.Remove(l.path); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(l.path, 0o600); err != nil {
		t.Fatal(err)
	}
	held, err := os.OpenFile(l.path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := os.Symlink("/etc/passwd", l.path+oldLog); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := readLog(t.Context(), l.path, sandbox.LogOptions{}, &out, nil); err == nil || out.Len() > 0 {
		t.Errorf("%q %v", out.String(), err)
	}
	o := newOutput(&sandbox.ContainerSpec{}, l)
	o.take(0, []byte("part"), nil, []byte("part"))
	a := o.attach(true)
	o.end(sandbox.Exit{})
	if _, err := a.copyTo(&out, nil); err != nil || out.String() != "part" {
		t.Errorf("attached: %q %v", out.String(), err)
	}
}

// TestPastIsBounded: a log that a learner made huge before the agent opened it is not read as a whole into the agent's memory.
func TestPastIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "1.log")
	if err := os.WriteFile(path, bytes.Repeat([]byte("2026-11-21T03:15:44Z stdout F x\n"), 4*maxLog/32), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := l.past([len(streams)][]byte{})
	defer p.close()
	n := 0
	if err := p.each(func(p piece) error { n += len(p.text); return nil }); err != nil || n == 0 || n > 2*maxLog/16 { // an entry of 32 bytes is of two
		t.Errorf("%d bytes, %v", n, err)
	}
}
